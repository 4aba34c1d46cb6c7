"""A window's answer to segments: by the model's timestamps, or by sentences and their words' times.

T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from utils.audio.clip import Seconds
from utils.audio.features import WINDOW_FRAMES
from utils.data.labels import TIMESTAMP_STEP, LabelEncoder
from utils.transcription.answers import Request
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import DecodingResult, Engine, States
from utils.transcription.transcript import TimedText, Word
from utils.transcription.words import words_of

LEAST_FRAMES = 4  # that words are aligned in
SENTENCE_ENDS = (".", "。", "!", "！", "?", "？", "…", "।")
CLAUSE_ENDS = (",", "，", ";", "；", ":", "：", "、")
ABBREVIATIONS = ("mr", "mrs", "ms", "dr", "st", "prof", "jr", "sr", "vs", "no", "e.g", "i.e")
SHORTEST: Seconds = 1.0  # of a sentence; a shorter one is part of the next
COMMA_AFTER: Seconds = 7.0  # a longer segment may end with a clause
LONGEST: Seconds = 12.0  # a longer segment ends in its longest pause


@dataclass(frozen=True)
class AlignedWindow:
    """A window whose words can be found in its sound.

    Attributes:
        states: of its batch.
        row: of it in the batch.
        request: what was asked about it.
        frames: of 10 ms that are sound.
    """

    states: States
    row: int
    request: Request
    frames: int


class Segmenter:
    """Makes segments of a window's answers.

    Args:
        engine: the model.
        encoder: for text.
        decoding: whether sentences and words are wanted.
    """

    def __init__(self, engine: Engine, encoder: LabelEncoder, decoding: Decoding) -> None:
        self.engine = engine
        self.encoder = encoder
        self.decoding = decoding

    def text(
        self, answer: DecodingResult, ids: Sequence[int], start: Seconds, end: Seconds
    ) -> TimedText:
        """One segment of an answer, with the tokens of its text."""
        return TimedText(
            round(start, 2),
            round(end, 2),
            self.encoder.decode(ids),
            tuple(token for token in ids if self.encoder.is_text(token)),
            temperature=answer.temperature,
            mean_logprob=answer.mean_logprob,
            no_speech=answer.no_speech,
        )

    def between_timestamps(self, answer: DecodingResult, length: Seconds) -> Iterator[TimedText]:
        """Text between pairs of timestamp tokens; what is left open ends with the clip."""
        first, start, words = self.encoder.first_timestamp, 0.0, []
        for token in [*answer.ids, self.encoder.end]:
            if self.encoder.is_text(token):
                words.append(token)
                continue
            now = (token - first) * TIMESTAMP_STEP if token >= first else length
            if words:
                yield self.text(answer, words, start, now)
            start, words = now, []
            if token == self.encoder.end:
                return

    def sentences(
        self, answer: DecodingResult, length: Seconds, window: AlignedWindow
    ) -> list[TimedText]:
        """Segments of an answer without timestamps: one, or its sentences where these are wanted.

        Args:
            answer: of the window.
            length: of the window's sound.
            window: that it is of.
        """
        whole = self.text(answer, answer.ids, 0.0, length)
        if not whole.text:
            return []
        if not self.decoding.split_sentences or not _may_be_split(whole.text, length):
            return self.with_words([whole], window)
        words = self._words(whole.ids, window)
        found, begin = [], 0
        for part in cut_at_sentences(words):
            ids = whole.ids[begin : begin + sum(count for _, count in part)]
            found.append(self._with(self.text(answer, ids, 0.0, length), part))
            begin += len(ids)
        return [each for each in found if each.text] or [whole]

    def with_words(self, segments: list[TimedText], window: AlignedWindow) -> list[TimedText]:
        """Segments of one window with the times of their words, where these are asked for."""
        if not self.decoding.word_timestamps or not segments:
            return segments
        words = self._words([token for each in segments for token in each.ids], window)
        found = []
        for each in segments:
            mine, taken = [], 0
            while words and taken < len(each.ids):
                mine.append(words.pop(0))
                taken += mine[-1][1]
            found.append(self._with(each, mine))
        return found

    def _with(self, segment: TimedText, words: Sequence[tuple[Word, int]]) -> TimedText:
        """The segment, beginning and ending with its words."""
        kept = tuple(word for word, _ in words) if self.decoding.word_timestamps else None
        start = words[0][0].start if words else segment.start
        end = words[-1][0].end if words else segment.end
        return replace(segment, start=start, end=max(start, end), words=kept)

    def _words(self, ids: Sequence[int], window: AlignedWindow) -> list[tuple[Word, int]]:
        """Words of a window's text, with their times and how many tokens each has."""
        frames = min(window.frames, WINDOW_FRAMES)
        if frames < LEAST_FRAMES:
            return []
        request = window.request
        prompt = self.encoder.prompt(request.language, request.task, timestamps=True)
        state = self.engine.select(window.states, [window.row])
        alignment = self.engine.align(state, prompt, [ids], frames)[0]
        return [
            (replace(word, start=round(word.start, 2), end=round(word.end, 2)), count)
            for word, count in words_of(self.encoder, ids, alignment, request.language)
        ]


def _may_be_split(text: str, length: Seconds) -> bool:
    """Whether a text could be more than one segment: finding that out takes time."""
    return length > LONGEST or any(mark in text[:-1] for mark in SENTENCE_ENDS)


def cut_at_sentences(words: Sequence[tuple[Word, int]]) -> list[list[tuple[Word, int]]]:
    """Words in groups that read well one by one: sentences, and parts of long ones."""
    groups: list[list[tuple[Word, int]]] = []
    group: list[tuple[Word, int]] = []
    for each in words:
        group.append(each)
        length = each[0].end - group[0][0].start
        text = each[0].text.strip()
        if (length >= SHORTEST and _ends_sentence(text)) or (
            length >= COMMA_AFTER and text.endswith(CLAUSE_ENDS)
        ):
            groups.append(group)
            group = []
        elif length > LONGEST:
            # A pause is part of the word before it: attention stays there.
            half = len(group) // 2
            pause = max(range(half, len(group)), key=lambda i: _seconds(group, i), default=half)
            groups.append(group[: pause + 1])
            group = group[pause + 1 :]
    return [*groups, group] if group else groups


def _seconds(words: Sequence[tuple[Word, int]], number: int) -> Seconds:
    return words[number][0].end - words[number][0].start


def _ends_sentence(word: str) -> bool:
    bare = word.rstrip("\"'”’)]）」』")
    if not bare.endswith(SENTENCE_ENDS):
        return False
    letters = bare.rstrip(".").lower()
    return not bare.endswith(".") or not (letters in ABBREVIATIONS or len(letters) == 1)
