"""Subtitle files and transcripts with times -> cues.

A format is one function from the file's text to `Cue`s and one row in `FORMATS`. Times are returned
as they stand in the file: whether they overlap or pass the end of the recording is for whoever
knows the recording to say (`utils.sources.text.pieces`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from utils.cli.errors import UserError
from utils.sources.files import read_text
from utils.sources.text.arrows import read_arrows
from utils.sources.text.cues import CLOCK, FOREVER, Cue, clock
from utils.sources.text.elan import read_eaf
from utils.sources.text.json_segments import read_json
from utils.sources.text.textgrid import BINARY_SIGN, read_textgrid, text_of_binary
from utils.sources.text.transcripts import read_ctm, read_labels, read_stm

_ASS_OVERRIDE = re.compile(r"\{[^{}]*\}")
_ASS_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")
# Those in which a file may hold several recordings; what is asked for by name is the recording.
OF_SEVERAL = (".stm", ".ctm")


def read_subtitles(path: Path, tier: str | None = None, encoding: str | None = None) -> list[Cue]:
    """Read the cues of a subtitle file.

    Args:
        path: a file whose suffix is one of `FORMATS`.
        tier: name of the tier of a TextGrid or of ELAN; None takes all that have intervals, a
            speaker each, but not one of phones. Of an STM or CTM, the name of the recording.
        encoding: of the text; None tells by its mark, else UTF-8.

    Returns:
        The cues with text, and those that cannot be read, in the order of the file.

    Raises:
        UserError: the format is not known, the file is broken, or it holds no cue.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UserError(f"{path} is no subtitle file", f"known are {', '.join(FORMATS)}")
    try:
        is_binary = path.read_bytes()[: len(BINARY_SIGN)] == BINARY_SIGN
        text = text_of_binary(path.read_bytes()) if is_binary else read_text(path, encoding)
        read = FORMATS[suffix](text, tier)
        found = [each for each in read if each.text or each.problem]
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path}: {error}", "make the file again, or correct it") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deeply", "is it the right kind of file?") from None
    if not found:
        raise UserError(f"{path} holds no sentence with times", "is it the right kind of file?")
    return found


def _ass(text: str, tier: str | None) -> Iterator[Cue]:
    """(Advanced) SubStation Alpha: `Dialogue:` lines, whose fields a `Format:` line names."""
    fields: list[str] = []
    in_events = False
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith("["):
            in_events = line.strip().lower() == "[events]"
        kind, _, rest = line.partition(":")
        if in_events and kind == "Format":
            fields = [name.strip().lower() for name in rest.split(",")]
        elif in_events and kind == "Dialogue":
            row = dict(zip(fields, rest.split(",", max(len(fields) - 1, 0)), strict=False))
            times = [re.fullmatch(CLOCK, row.get(name, "").strip()) for name in ("start", "end")]
            if "start" not in row or "end" not in row or "text" not in row:
                raise ValueError(f"line {number}: no Start, End and Text as `Format:` names them")
            plain = re.sub(r"\\[Nn]", "\n", _ASS_OVERRIDE.sub("", row["text"]))
            plain = plain.replace("\\h", " ")
            if times[0] is None or times[1] is None:
                known = [clock(*each.groups()) if each else None for each in times]
                problem = f"times that cannot be read: {line.strip()}"
                start, end = known[0] or 0.0, FOREVER if known[1] is None else known[1]
                yield Cue(start, end, plain, problem=problem)
                continue
            # \p1 begins a drawing, whose "text" are coordinates.
            if not _ASS_DRAWING.search(row["text"]):
                speaker = row.get("name", "").strip() or row.get("actor", "").strip() or None
                yield Cue(clock(*times[0].groups()), clock(*times[1].groups()), plain, speaker)


FORMATS: dict[str, Callable[[str, str | None], Iterator[Cue]]] = {
    ".srt": read_arrows,
    ".vtt": read_arrows,
    ".ass": _ass,
    ".ssa": _ass,
    ".textgrid": read_textgrid,
    ".eaf": read_eaf,
    ".json": read_json,
    ".stm": read_stm,
    ".ctm": read_ctm,
    ".txt": read_labels,
}
