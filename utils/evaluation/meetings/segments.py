"""Who says what and when: SegLST, STM, CTM and RTTM files, and our own predictions.

A segment is a dict as meeteval has it: session_id, speaker, words, start_time and end_time in
seconds. RTTM files have words in LEXEME lines; their SPEAKER lines say who speaks when, and give
speakers to words that have none (`attribute`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from utils.cli.data_files import parse_json
from utils.cli.errors import UserError
from utils.cli.json_fields import shown
from utils.scoring.predictions import MOST_SECONDS, read_predictions

Segment = dict[str, Any]
Turn = tuple[float, float, str]
"""Start and end in seconds, and the speaker."""

NOBODY = "speaker"
_FIELDS = ("session_id", "words")
_TIMES = ("start_time", "end_time")
_HINT = "SegLST (.json), STM, CTM and RTTM are read, and predictions of evaluation.py (.jsonl)."


def read_segments(path: str) -> list[Segment]:
    """Read the segments of a file.

    Raises:
        UserError: It cannot be read, or is none of the kinds.
    """
    file = Path(path)
    kind = file.suffix.lower()
    if not file.is_file():
        raise UserError(f"{path}: no such file", _HINT)
    if kind not in _READERS:
        raise UserError(f"{path}: {kind or 'no ending'} is none of the formats of meetings", _HINT)
    try:
        segments = _READERS[kind](file)
    # meeteval asserts what it expects of a line.
    except (AssertionError, ValueError, KeyError, TypeError, OSError, ArithmeticError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        message = f"{path}: cannot be read as {kind[1:].upper()}: {reason:.200}"
        raise UserError(message, _HINT) from error
    for number, segment in enumerate(segments, start=1):
        wrong = _wrong_field(segment)
        if wrong:
            raise UserError(f"{path}: segment {number}: {wrong}", _HINT)
    if not segments:
        raise UserError(f"{path}: holds no words", _HINT)
    return segments


def _wrong_field(segment: Segment) -> str:
    """Say which field is missing or of another type; "" where all are right."""
    for name in _FIELDS:
        if not isinstance(segment.get(name), str):
            return f"{name!r} should be text, got {shown(segment.get(name))}"
    start: Any = segment.get("start_time")
    end: Any = segment.get("end_time")
    if start is None and end is None:
        return ""
    if not (_is_time(start) and _is_time(end)):
        return f"'start_time' and 'end_time' should be seconds, got {shown(start)}, {shown(end)}"
    return "it ends before it begins" if end < start else ""


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MOST_SECONDS


def read_turns(path: str) -> dict[str, list[Turn]]:
    """Read the SPEAKER lines of an RTTM file: session -> who speaks when.

    Raises:
        UserError: It cannot be read, or has none.
    """
    turns: dict[str, list[Turn]] = {}
    for kind, session, start, seconds, _, speaker in _rttm_lines(Path(path)):
        if kind == "SPEAKER":
            turns.setdefault(session, []).append((start, start + seconds, speaker))
    if not turns:
        raise UserError(f"{path}: has no SPEAKER lines", "Check --diarization.")
    return turns


def attribute(segments: Sequence[Segment], turns: dict[str, list[Turn]]) -> list[Segment]:
    """Give each segment the speaker who speaks most of its time, or else nearest to it.

    Args:
        segments: With times.
        turns: Session -> who speaks when.

    Raises:
        UserError: A segment has no times, or its session no turns.
    """
    named = []
    for segment in segments:
        known = turns.get(segment["session_id"])
        if known is None or segment.get("start_time") is None:
            lacks = "no times" if known else "no turns in the diarization"
            raise UserError(
                f"a segment of {segment['session_id']} has {lacks}", "Check --diarization."
            )
        start, end = float(segment["start_time"]), float(segment["end_time"])
        totals: dict[str, float] = {}
        for begin, stop, speaker in known:
            shared = min(end, stop) - max(start, begin)
            totals[speaker] = totals.get(speaker, 0.0) + max(shared, 0.0)
        best = max(totals, key=lambda speaker: totals[speaker])
        if not totals[best]:
            middle = (start + end) / 2
            best = min(known, key=lambda turn: max(turn[0] - middle, middle - turn[1]))[2]
        named.append({**segment, "speaker": best})
    return named


def _from_meeteval(file: Path) -> list[Segment]:
    import meeteval

    found = meeteval.io.asseglst(meeteval.io.load(file, parse_float=float))
    return [{**each, "speaker": str(each.get("speaker", NOBODY))} for each in found]


def _from_seglst(file: Path) -> list[Segment]:
    content = parse_json(file.read_text(encoding="utf-8-sig"), allow_nan=True)
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise ValueError("expected a list of segments")
    return [
        {
            "session_id": each.get("session_id"),
            "speaker": str(each.get("speaker", NOBODY)),
            "words": each.get("words"),
            **{name: _seconds(each[name]) for name in _TIMES if each.get(name) is not None},
        }
        for each in content
    ]


def _seconds(value: Any) -> Any:
    """Some systems write numbers as text."""
    return float(value) if isinstance(value, str) else value


def _from_rttm(file: Path) -> list[Segment]:
    return [
        {
            "session_id": session,
            "speaker": speaker,
            "words": word,
            "start_time": start,
            "end_time": start + seconds,
        }
        for kind, session, start, seconds, word, speaker in _rttm_lines(file)
        if kind == "LEXEME"
    ]


def _rttm_lines(file: Path) -> list[tuple[str, str, float, float, str, str]]:
    """Return type, session, start, seconds, word and speaker of each line.

    Raises:
        UserError: The file cannot be read, or a line lacks fields (it is named).
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read: {error}", _HINT) from error
    found = []
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts or line.startswith(";;") or parts[0] not in ("LEXEME", "SPEAKER"):
            continue
        try:
            kind, session, _, start, seconds, word, _, speaker = parts[:8]
            found.append((kind, session, float(start), float(seconds), word, speaker))
        except ValueError as error:
            raise UserError(
                f"{file}, line {number}: {line!r:.80} is no line of RTTM",
                "Its fields are: type, file, channel, start, seconds, word, kind, speaker.",
            ) from error
    return found


def _from_predictions(file: Path) -> list[Segment]:
    """Our own predictions: the segments of a long recording, or all of its text."""
    segments: list[Segment] = []
    for each in read_predictions(file, need_references=False):
        pieces = [(s.start, s.end, s.text) for s in each.segments]
        for start, end, text in pieces or [(0.0, each.audio_seconds, each.hypothesis)]:
            segments.append(
                {
                    "session_id": each.id,
                    "speaker": NOBODY,
                    "words": text,
                    "start_time": start,
                    "end_time": end,
                }
            )
    return segments


_READERS: dict[str, Callable[[Path], list[Segment]]] = {
    **dict.fromkeys((".stm", ".ctm"), _from_meeteval),
    ".json": _from_seglst,
    ".rttm": _from_rttm,
    ".jsonl": _from_predictions,
}
