"""Which encoding a text is in that is no UTF-8: proposed to the user, never taken by itself."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from utils.cli.errors import UserError

# Byte order marks; that of UTF-32 begins like that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
# Encodings of several bytes a character, and the commonest characters of their texts.
_COMMON = {
    "gb18030": "的一是不了在人有我他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去",
    "big5": "的一是不了在人有我他這中大來上個國到說們為子和你地出道也時年得就那要下以生會自著去",
    "cp932": "のにはをたがでとしいるなもれさこっあすきまりんかくらよてそうだ、。です日本",
    "euc_jp": "のにはをたがでとしいるなもれさこっあすきまりんかくらよてそうだ、。です日本",
    "cp949": "이다는을의에가고하지를은도로서한기리사니나어아시해자있인그",
}
_LEAST_SHARE = 0.12  # of the characters beyond ASCII
_SAMPLE = 200_000  # bytes
_SHOWN = 40


def decode(content: bytes, name: str, encoding: str | None = None) -> str:
    """Decode a text, with or without a byte order mark.

    Args:
        content: of the file.
        name: what to call it in an error.
        encoding: as the user names it; None is UTF-8, or what the mark says.

    Returns:
        The text, with line feeds alone at the ends of lines.

    Raises:
        UserError: it is in another encoding, which is proposed where it can be told.
    """
    marked = next((found for mark, found in _MARKS if content.startswith(mark)), None)
    chosen = marked or encoding or "utf-8"
    try:
        text = content.decode("utf-8-sig" if codecs.lookup(chosen).name == "utf-8" else chosen)
    except LookupError:
        raise UserError(
            f"--encoding={encoding} is no encoding that Python knows",
            "such as utf-8, utf-16, gbk, big5, shift_jis, euc_kr, cp1251 or cp1252",
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name} is no text in {chosen.upper()}: {error.reason} at byte {error.start + 1}",
            _proposal(content),
        ) from None
    if encoding is None and marked is None and "\0" in text[:1000]:
        raise UserError(f"{name} holds zero bytes", _proposal(content))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _proposal(content: bytes) -> str:
    guess = guessed_encoding(content)
    if guess is None:
        return "save it as UTF-8, or name its encoding with --encoding"
    lines = content[:_SAMPLE].decode(guess, "ignore").split("\n")
    first = next((line for line in lines if not line.isascii()), "")
    return f"as {guess} it reads {first.strip()[:_SHOWN]!r}: if so, give --encoding={guess}"


def guessed_encoding(content: bytes) -> str | None:
    """Return the likeliest encoding of a text that is no UTF-8, None where nothing speaks for one.

    >>> guessed_encoding("今天天气很好，我们去公园".encode("gbk"))
    'gb18030'
    >>> guessed_encoding("déjà vu à Genève".encode("cp1252"))
    'cp1252'
    """
    sample = content[:_SAMPLE]
    zeros = sample.count(0)
    if zeros > len(sample) // 5:
        return "utf-16-le" if sample[1::2].count(0) > zeros // 2 else "utf-16-be"
    scores = dict(_scores(sample))
    best = max(scores, key=lambda each: scores[each], default=None)
    if best is not None and scores[best] >= _LEAST_SHARE:
        return best
    return _of_one_byte(sample)


def _scores(sample: bytes) -> Iterator[tuple[str, float]]:
    """Yield for each encoding in which it can be read how common its characters are."""
    for encoding, common in _COMMON.items():
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        beyond = [letter for letter in text if letter > "\x7f"]
        if beyond:
            yield encoding, sum(letter in common for letter in beyond) / len(beyond)


def _of_one_byte(sample: bytes) -> str | None:
    """Tell the Cyrillic of Windows from its Western letters, which stand among those of ASCII."""
    high = sum(byte > 0x7F for byte in sample)
    letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if not high:
        return None
    candidate = "cp1251" if high > letters else "cp1252"
    try:
        sample.decode(candidate)
    except UnicodeDecodeError:
        return None
    return candidate
