"""Files that somebody made to do harm, or that a broken disk made: what the fuzz tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

# `make fuzz` asks for thousands.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "40"))
fuzz = settings(max_examples=EXAMPLES)

# What parsers trip over: ends of lines, marks, numbers beyond any type, halves of characters.
TOKENS = [
    *(b"\0", b"\r", b"\n", b"\n\n", b"\r\n", b"\t", b" ", b'"', b"'", b"\\", b",", b";", b"|"),
    *(b"[", b"]", b"{", b"}", b"<", b">", b"<a", b"{\\", b"-->", b":", b"=", b"/", b"../", b"%"),
    *(b"0", b"-1", b"1e999", b"-1e999", b"NaN", b"Infinity", b"9" * 400, b"9" * 5000, b"1" * 19),
    *(b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b"&#0;", b"&#xD800;", b"\\u0000"),
    *(b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xff", b"\x80", b"\xc3"),
    *("\u2028".encode(), "\x85".encode(), "今天".encode(), "नमस्ते".encode(), "\u202e".encode()),
    *(b"a" * 300, b"[" * 2000, b"<a" * 2000, b"{" * 2000, b'"' * 999),
]


@st.composite
def mutations(draw: Callable[..., Any]) -> Callable[[bytes], bytes]:
    """Draw a few changes of a file's bytes: pieces lost, doubled, or replaced by tokens."""
    place = st.floats(0, 1, exclude_max=True)
    piece = st.sampled_from(TOKENS) | st.binary(max_size=8)
    edit = st.tuples(place, st.integers(0, 12), piece, st.sampled_from(["put", "double", "end"]))
    edits = draw(st.lists(edit, min_size=1, max_size=4))

    def change(content: bytes) -> bytes:
        for where, length, put, kind in edits:
            start = int(where * (len(content) + 1))
            if kind == "put":
                content = content[:start] + put + content[start + length :]
            elif kind == "double":
                content = content[:start] + content[start : start + 40] * 3 + content[start:]
            elif length == 0:
                content = content[:start]
        return content

    return change
