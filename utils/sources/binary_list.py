"""The binary lists of older scripts: `train.header` says where in `train.data` each line is.

A line of the header has a key, a byte offset and a length, with tabs between them; there the data
has one line of a manifest in JSON.
"""

from __future__ import annotations

from pathlib import Path

from utils.cli.errors import UserError
from utils.manifest.json_lines import parse_line
from utils.manifest.line_index import utterance_of
from utils.manifest.paths import PathResolver
from utils.manifest.utterance import Utterance

HEADER, DATA = ".header", ".data"


def is_binary_list(path: str) -> bool:
    """Whether a name is that of such a list, by its ending."""
    return Path(path).suffix in (HEADER, DATA)


def read_binary_list(path: str) -> list[Utterance]:
    """Read the utterances of such a list.

    Args:
        path: of either file; the other lies beside it.

    Raises:
        UserError: a file is missing, or a line cannot be used, with its number.
    """
    header, data = Path(path).with_suffix(HEADER), Path(path).with_suffix(DATA)
    for each in (header, data):
        if not each.is_file():
            raise UserError(f"there is no file {each}", "a list has a .header and a .data file")
    content = data.read_bytes()
    resolver = PathResolver(header.parent)
    utterances = []
    for number, line in enumerate(header.read_bytes().splitlines(), start=1):
        try:
            _, place, size = line.split(b"\t")
            part = content[int(place) : int(place) + int(size)]
            utterance = utterance_of(parse_line(part), header, number)
        except ValueError as error:
            raise UserError(
                f"{header}, line {number}: {error}", "the two files do not belong together"
            ) from None
        utterances.append(resolver.resolve(utterance))
    return utterances
