"""Sessions to a score: meeteval counts, each session is one line of the score.

cpWER: all words of a speaker in the order of their segments, and the pairing of speakers with the
fewest errors (Watanabe et al., CHiME-6, 2020). tcpWER: words match only within a collar of seconds
(von Neumann et al., MeetEval, arXiv 2307.11394).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.cli.console import warn
from utils.cli.errors import UserError
from utils.evaluation.meetings.segments import NOBODY, Segment
from utils.scoring.normalizers import normalizer, resolve_name
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score
from utils.scoring.secondary.figure import Figure, ratio
from utils.scoring.secondary.keywords import keyword_tokens

NAMED = 3


@dataclass(frozen=True)
class MeetingScore:
    """A score over sessions, and how its speakers were found."""

    score: Score
    figures: dict[str, Figure]
    extra: int
    """Sessions of the hypothesis that the reference does not have."""


def score_meetings(
    reference: Sequence[Segment],
    hypothesis: Sequence[Segment],
    metric: str,
    normalizer_name: str,
    collar: float,
    seed: int = 0,
) -> MeetingScore:
    """Count errors with meeteval.

    Args:
        reference: Segments of all sessions.
        hypothesis: The same of a system; a session that it lacks counts as missing.
        metric: "cpwer" or "tcpwer".
        normalizer_name: By which words are normalised on both sides.
        collar: Seconds, of tcpwer.
        seed: Of the figures' intervals.

    Raises:
        UserError: Segments have no times and tcpwer is asked for, or meeteval refuses a session.
    """
    sides = [_by_session(each) for each in (reference, hypothesis)]
    sessions = list(sides[0])
    extra = [session for session in sides[1] if session not in sides[0]]
    missing = [session for session in sessions if session not in sides[1]]
    for which, what in ((extra, "not in the reference, and not scored"), (missing, "missing")):
        if which:
            named = ", ".join(which[:NAMED])
            warn(f"{len(which)} sessions of the hypothesis are {what}: {named}")
    full_name = resolve_name(normalizer_name)
    rows, raw_rows, speakers, lines = [], [], [], []
    for session in sessions:
        pair = [side.get(session, []) for side in sides]
        normal = [_normalized(each, full_name) for each in pair]
        counts, found = _count(normal, metric, collar)
        rows.append(counts)
        speakers.append(found)
        raw_rows.append(counts if normal == pair else _count(pair, metric, collar)[0])
        texts = [" ".join(segment["words"] for segment in _in_order(each)) for each in pair]
        status = "missing" if session in missing else "ok"
        lines.append(Prediction(session, texts[0], texts[1], status=status))
    score = Score(
        metric,
        full_name,
        tuple(lines),
        _texts(sessions, sides[0], full_name),
        _texts(sessions, sides[1], full_name),
        normal=np.array(rows, dtype=np.int64).reshape(-1, 4),
        as_written=np.array(raw_rows, dtype=np.int64).reshape(-1, 4),
    )
    table = np.array(speakers, dtype=np.int64).reshape(-1, 3)
    figures = {
        "missed_speakers": ratio(score, table[:, 0], table[:, 2], seed=seed),
        "extra_speakers": ratio(score, table[:, 1], table[:, 2], seed=seed),
    }
    return MeetingScore(score, figures, len(extra))


def _by_session(segments: Sequence[Segment]) -> dict[str, list[Segment]]:
    found: dict[str, list[Segment]] = {}
    for segment in segments:
        found.setdefault(segment["session_id"], []).append(segment)
    return found


def _in_order(segments: Sequence[Segment]) -> list[Segment]:
    return sorted(segments, key=lambda segment: float(segment.get("start_time") or 0.0))


def _texts(sessions: Sequence[str], side: dict[str, list[Segment]], name: str) -> tuple[str, ...]:
    return tuple(
        " ".join(s["words"] for s in _in_order(_normalized(side.get(session, []), name)))
        for session in sessions
    )


def _normalized(segments: Sequence[Segment], name: str) -> list[Segment]:
    """Return segments with normalised words; characters where a script has no spaces."""
    normalize = normalizer(name)

    def words(text: str) -> str:
        normal = normalize(text)
        return " ".join(keyword_tokens(normal)) if name != "none@1" else normal

    return [{**segment, "words": words(segment["words"])} for segment in segments]


def _count(
    pair: Sequence[Sequence[Segment]], metric: str, collar: float
) -> tuple[tuple[int, int, int, int], tuple[int, int, int]]:
    """Return errors and tokens of a session; speakers missed, too many, and in the reference."""
    import meeteval

    session = next(each["session_id"] for side in pair for each in side)
    # An empty side has one segment without words, or meeteval does not know the session.
    empty = {"session_id": session, "speaker": NOBODY, "words": ""}
    times = {"start_time": 0.0, "end_time": 0.0}
    reference, hypothesis = (
        meeteval.io.SegLST(list(side) or [{**empty, **times}]) for side in pair
    )
    timed = all(s.get("start_time") is not None for side in pair for s in side)
    if metric == "tcpwer" and not timed:
        raise UserError(f"{session} has segments without times", "Use --metric=cpwer.")
    try:
        if metric == "tcpwer":
            answer = meeteval.wer.tcpwer(reference, hypothesis, collar=collar)
        else:
            answer = meeteval.wer.cpwer(reference, hypothesis)
    except Exception as error:
        raise UserError(f"meeteval cannot score {session}: {error!r:.200}") from error
    (found,) = answer.values()
    counts = (found.substitutions, found.deletions, found.insertions, found.length)
    known = len({each["speaker"] for each in pair[0]})
    return counts, (found.missed_speaker, found.falarm_speaker, known)
