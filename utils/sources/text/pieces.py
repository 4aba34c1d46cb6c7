"""Sentences of a long recording -> pieces that fit Whisper's window, with times of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from utils.audio.clip import Seconds, TimedSentence
from utils.manifest.joining import join_sentences

WINDOW: Seconds = 30.0
# Subtitles touch or overlap a little where one sentence follows another; by more, two people talk.
OVERLAP_TOLERANCE: Seconds = 0.5
# Times are rounded, and a compressed file may end a little early.
END_TOLERANCE: Seconds = 0.5
# A shorter pause belongs to the sentence before it, as in the transcripts Whisper learned from.
LONGEST_PAUSE: Seconds = 1.0


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording; `sentences` count from its start, and are empty in silence."""

    start: Seconds
    end: Seconds
    sentences: tuple[TimedSentence, ...]

    @property
    def text(self) -> str:
        """All that is said in it."""
        return join_sentences(each.text for each in self.sentences)


@dataclass(frozen=True)
class Unusable:
    """A sentence whose times cannot be right, and why."""

    sentence: TimedSentence
    reason: str


def check_times(
    sentences: Iterable[TimedSentence], length: Seconds, longest: Seconds = WINDOW
) -> tuple[list[TimedSentence], list[Unusable]]:
    """Tell sentences that can be used from those that cannot.

    A little overlap is cut off both sentences (packing then gives it, as a pause, to the earlier),
    and so is what passes the end by a little. Of a larger overlap no sentence can be used: each is
    only half of what is spoken there.

    Args:
        sentences: in any order.
        length: of the recording, in seconds.
        longest: what fits into a piece, in seconds.

    Returns:
        The usable sentences by time, without overlaps, and the others.
    """
    distinct = sorted(set(sentences), key=lambda one: (one.start, one.end, one.text))
    problems = [_problem(each, length, longest) for each in distinct]
    overlapping = _neighbours(distinct)
    usable: list[TimedSentence] = []
    unusable: list[Unusable] = []
    for index, each in enumerate(distinct):
        others = [distinct[other] for other in overlapping[index]]
        apart = _apart(each, others)
        if problems[index] is not None:
            unusable.append(Unusable(each, str(problems[index])))
        elif apart is None:
            reason = f"overlaps another sentence: from {each.start:.2f} to {each.end:.2f} s"
            unusable.append(Unusable(each, reason))
        else:
            usable.append(replace(apart, end=min(apart.end, length)))
    return usable, unusable


def _problem(sentence: TimedSentence, length: Seconds, longest: Seconds) -> str | None:
    start, end = sentence.start, sentence.end
    if start < 0:
        return f"before the beginning: from {start:.2f} to {end:.2f} s"
    if end <= start:
        return f"no length: from {start:.2f} to {end:.2f} s"
    if start >= length or end > length + END_TOLERANCE:
        return f"past the end: from {start:.2f} to {end:.2f} s of {length:.2f} s"
    if min(end, length) - start > longest:
        return f"too long: {end - start:.2f} s, a piece holds {longest:g} s"
    return None


def _neighbours(sentences: Sequence[TimedSentence]) -> list[list[int]]:
    """Return for each sentence, all sorted by start, the indices of those that it overlaps."""
    found: list[list[int]] = [[] for _ in sentences]
    open_ones: list[int] = []
    for index, each in enumerate(sentences):
        if each.end <= each.start:
            continue
        open_ones = [other for other in open_ones if sentences[other].end > each.start]
        for other in open_ones:
            found[index].append(other)
            found[other].append(index)
        open_ones.append(index)
    return found


def _apart(sentence: TimedSentence, others: Sequence[TimedSentence]) -> TimedSentence | None:
    """Cut a little overlap off a sentence; None where it overlaps another by more."""
    start, end = sentence.start, sentence.end
    for other in others:
        is_first = (sentence.start, sentence.end) < (other.start, other.end)
        first, second = (sentence, other) if is_first else (other, sentence)
        if first.end - second.start > OVERLAP_TOLERANCE or second.end <= first.end:
            return None
        if is_first:
            end = min(end, other.start)
        else:
            start = max(start, other.end)
    return replace(sentence, start=start, end=end) if start < end else None


def pack(
    sentences: Sequence[TimedSentence],
    unusable: Sequence[Unusable] = (),
    longest: Seconds = WINDOW,
) -> list[Piece]:
    """Put sentences together into pieces.

    A pause of at most a second goes to the sentence before it; a longer one stays silence between
    two times. No piece holds a stretch of which the text is not known.

    Args:
        sentences: by time, without overlaps, each at most `longest` seconds.
        unusable: what must lie in no piece.
        longest: of a piece, in seconds.

    Returns:
        The pieces by time.
    """
    pieces: list[Piece] = []
    group: list[TimedSentence] = []
    for each in sentences:
        if group:
            fits = each.end - group[0].start <= longest
            if not fits or _touches(unusable, group[0].start, each.end):
                pieces.append(_piece(group))
                group = []
        group.append(each)
    return [*pieces, _piece(group)] if group else pieces


def silences(
    pieces: Sequence[Piece],
    unusable: Sequence[Unusable],
    length: Seconds,
    longest: Seconds = WINDOW,
) -> Iterator[Piece]:
    """Yield what lies between pieces and lasts over a second, in stretches of at most `longest`."""
    taken = [(each.start, each.end) for each in pieces]
    taken += [(each.sentence.start, each.sentence.end) for each in unusable]
    position = 0.0
    for start, end in [*sorted(taken), (length, length)]:
        while start - position > LONGEST_PAUSE:
            stop = min(start, position + longest)
            yield Piece(position, stop, ())
            position = stop
        position = max(position, end)


def _touches(unusable: Sequence[Unusable], start: Seconds, end: Seconds) -> bool:
    return any(each.sentence.start < end and each.sentence.end > start for each in unusable)


def _piece(group: Sequence[TimedSentence]) -> Piece:
    origin = group[0].start
    nexts = [each.start for each in group[1:]]
    sentences = []
    for each, following in zip(group, [*nexts, None], strict=True):
        end = each.end
        if following is not None and following - end <= LONGEST_PAUSE:
            end = following
        sentences.append(
            replace(each, start=round(each.start - origin, 3), end=round(end - origin, 3))
        )
    return Piece(origin, group[-1].end, tuple(sentences))
