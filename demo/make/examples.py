"""Training examples for the base model: clips at random places in windows, and their tokens.

B batch, T tokens, F frames (10 ms each), M mel bins.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from demo.make.base_corpus import BaseCorpus, Clip
from demo.make.general import JOINERS
from demo.make.tokenizer import (
    END_OF_TEXT,
    FIRST_TIMESTAMP,
    NO_SPEECH,
    NO_TIMESTAMPS,
    START,
    TEXT_IDS,
    TRANSCRIBE,
    language_id,
)
from demo.make.voices import SAMPLE_RATE

IGNORED = -100
FULL_SECONDS = 30.0
NO_SPEECH_SHARE = 0.02
TIMESTAMP_SHARE = 0.2
FULL_BATCH = 6  # a 30 s window costs ten times a short one


@dataclass(frozen=True)
class BaseTraining:
    """Settings of the base model's training; the defaults made the model in git."""

    steps: int = 2500
    batch_size: int = 32
    word_share: float = 0.5  # of the batches that are strings of single words
    domain_share: float = 0.03  # of those words: the base model has hardly heard the demo's
    corrupt_share: float = 0.05  # of the text that the decoder reads: guessing on must not pay
    ctc_weight: float = 0.5  # of the encoder's own loss: it finds the words long before attention
    guide_weight: float = 0.5  # of the loss that tells some heads where in the sound a word stands
    full_share: float = 0.04  # of the batches that fill 30 s windows
    learning_rate: float = 4e-3
    warmup_steps: int = 200
    short_steps: int = 500  # first, with short clips only: which sound is which word is soon found
    short_seconds: float = 1.4
    weight_decay: float = 0.02
    clip_norm: float = 1.0
    save_every: int = 250
    seed: int = 1


Span = tuple[float, float]
"""Start and end in seconds."""


@dataclass(frozen=True)
class Batch:
    """Examples of one window length, as tensors; token ids are compact.

    Attributes:
        features: float32 `(B, M, F)`.
        inputs: int64 `(B, T)`, what the decoder reads.
        labels: int64 `(B, T)`, -100 where no loss is wanted. Masked by length: end-of-text, which
            is Whisper's padding token too, is learned.
        spans: float32 `(B, T, 2)`, seconds at which each label is heard, -1 where not known.
    """

    features: torch.Tensor
    inputs: torch.Tensor
    labels: torch.Tensor
    spans: torch.Tensor


@dataclass(frozen=True)
class Example:
    """One window and what the decoder reads and shall say (full token ids)."""

    samples: np.ndarray
    decoder_input_ids: list[int]
    labels: list[int]
    spans: list[Span | None]  # where each label is heard, None where that is not known


@dataclass(frozen=True)
class Speech:
    """Something said without a break: a sentence, or a string of single words with their times."""

    text: str
    language: str
    samples: np.ndarray
    words: tuple[tuple[str, Span], ...] = ()

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True)
class Placed:
    """Speech and its start in the window, in seconds."""

    speech: Speech
    start: float


class ExampleMaker:
    """Makes examples of a corpus with random words, places, gains and noise.

    Args:
        corpus: sentences and words.
        encode: text and language -> full token ids.
        settings: shares and seed.
    """

    def __init__(
        self,
        corpus: BaseCorpus,
        encode: Callable[[str, str], list[int]],
        settings: BaseTraining,
    ) -> None:
        self.corpus = corpus
        self.encode = encode
        self.settings = settings
        self.rng = random.Random(settings.seed)
        self.noise = np.random.default_rng(settings.seed)
        # Speaker -> their plain words and their domain words.
        self.voices: dict[str, tuple[list[Clip], list[Clip]]] = {}
        for clip in corpus.words.clips:
            self.voices.setdefault(clip.speaker, ([], []))[clip.domain].append(clip)
        texts = sorted({(clip.text, clip.language) for clip in corpus.words.clips})
        self.misleading = [token for text in texts for token in encode(*text)]

    def batches(self) -> Iterator[list[Example]]:
        """Yield one batch a step: short clips first, then all, some of them in 30 s windows.

        Speech of a batch is of similar length, so that little is padding.

        Raises:
            ValueError: no sentence is short enough for the first steps.
        """
        settings, everything = self.settings, self.corpus.train
        short = [clip for clip in everything if clip.seconds < settings.short_seconds]
        if not short:
            raise ValueError(
                f"none of {len(everything)} sentences is shorter than {settings.short_seconds} s; "
                "training begins with such sentences: make more of them"
            )
        strings: list[list[Speech]] = []
        sentences: list[list[Clip]] = []
        for step in range(settings.steps):
            early = step < settings.short_steps
            if step == settings.short_steps:
                strings, sentences = [], []
            if not early and self.rng.random() < settings.full_share:
                yield [self._full_window() for _ in range(FULL_BATCH)]
            elif self.rng.random() < settings.word_share:
                if not strings:
                    strings = self._string_buckets(2 if early else 6)
                yield self._short_windows(strings.pop(), early)
            else:
                if not sentences:
                    sentences = self._sentence_buckets(short if early else everything)
                speeches = [self._sentence(clip) for clip in sentences.pop()]
                yield self._short_windows(speeches, early)

    def _sentence_buckets(self, clips: Sequence[Clip]) -> list[list[Clip]]:
        clips = list(clips)
        self.rng.shuffle(clips)
        clips.sort(key=lambda clip: clip.seconds * self.rng.uniform(0.93, 1.07))
        size = self.settings.batch_size
        starts = range(0, max(1, len(clips) - size + 1), size)
        buckets = [clips[start : start + size] for start in starts]
        self.rng.shuffle(buckets)
        return buckets

    def _string_buckets(self, most_words: int) -> list[list[Speech]]:
        size = self.settings.batch_size
        strings = [self._word_string(most_words) for _ in range(8 * size)]
        strings.sort(key=lambda speech: speech.seconds)
        buckets = [strings[start : start + size] for start in range(0, len(strings), size)]
        self.rng.shuffle(buckets)
        return buckets

    def _sentence(self, clip: Clip) -> Speech:
        return Speech(clip.text, clip.language, self.corpus.sentences.audio(clip))

    def _word_string(self, most_words: int) -> Speech:
        """Return random words of one speaker, one after the other: no grammar helps to guess."""
        plain, domain = self.voices[self.rng.choice(list(self.voices))]
        language = plain[0].language
        pieces: list[np.ndarray] = []
        words: list[tuple[str, Span]] = []
        end = 0.0
        for number in range(self.rng.randint(1, most_words)):
            is_domain = bool(domain) and self.rng.random() < self.settings.domain_share
            clip = self.rng.choice(domain if is_domain else plain)
            if number:
                gap = int(self.rng.uniform(0.0, 0.06) * SAMPLE_RATE)
                pieces.append(np.zeros(gap, dtype=np.float32))
                end += gap / SAMPLE_RATE
            pieces.append(self.corpus.words.audio(clip))
            words.append((clip.text, (end, end + clip.seconds)))
            end += clip.seconds
        text = JOINERS[language].join(word for word, _ in words)
        return Speech(text, language, np.concatenate(pieces), tuple(words))

    def _short_windows(self, speeches: list[Speech], early: bool) -> list[Example]:
        slack = self.rng.random() ** 2 * (0.3 if early else 1.5)
        longest = max(speech.seconds for speech in speeches)
        seconds = min(longest + 0.1 + slack, FULL_SECONDS)
        return [self._short_window(speech, seconds) for speech in speeches]

    def _short_window(self, speech: Speech, seconds: float) -> Example:
        if self.rng.random() < NO_SPEECH_SHARE:
            return self._example([], seconds)
        room = seconds - speech.seconds
        # Half of the clips begin at once, as a recording that was cut to its words does.
        start = self.rng.uniform(0, min(room, 0.1) if self.rng.random() < 0.5 else room)
        return self._example([Placed(speech, start)], seconds)

    def _full_window(self) -> Example:
        if self.rng.random() < 2 * NO_SPEECH_SHARE:
            return self._example([], FULL_SECONDS)
        language = self.rng.choice(("zh", "en"))
        wanted = self.rng.choice((1, 1, 1, 2, 3, 5))
        placed: list[Placed] = []
        end = self.rng.uniform(0, 1.0 if self.rng.random() < 0.7 else 20.0)
        while len(placed) < wanted:
            clip = self.rng.choice(self.corpus.train)
            if clip.language != language:
                continue
            if end + clip.seconds > FULL_SECONDS:
                break
            placed.append(Placed(self._sentence(clip), end))
            end += clip.seconds + self.rng.uniform(0.2, 1.5)
        return self._example(placed, FULL_SECONDS)

    def _example(self, placed: list[Placed], seconds: float) -> Example:
        frames = int(np.ceil(seconds * 50)) * 2
        samples = np.zeros(frames * SAMPLE_RATE // 100, dtype=np.float32)
        for item in placed:
            begin = round(item.start * SAMPLE_RATE)
            audio = item.speech.samples[: len(samples) - begin]
            samples[begin : begin + len(audio)] = audio
        samples *= 10 ** self.rng.uniform(-1.0, 0.0)
        if not placed or self.rng.random() < 0.6:
            level = float(np.abs(samples).max()) or 0.3
            level *= 10 ** self.rng.uniform(-3.0, -1.2)
            samples += level * self.noise.standard_normal(len(samples), dtype=np.float32)
        return Example(samples, *self._tokens(placed))

    def _tokens(self, placed: list[Placed]) -> tuple[list[int], list[int], list[Span | None]]:
        if not placed:
            prompt = [START, language_id(self.rng.choice(("zh", "en"))), TRANSCRIBE, NO_TIMESTAMPS]
            return prompt, [NO_SPEECH, IGNORED, IGNORED, END_OF_TEXT], [None] * 4
        language = placed[0].speech.language
        tokens = [START, language_id(language), TRANSCRIBE]
        spans: list[Span | None] = [None] * 3
        timestamps = self.rng.random() < TIMESTAMP_SHARE
        if not timestamps:
            tokens, spans = [*tokens, NO_TIMESTAMPS], [*spans, None]
        for item in placed:
            text, times = self._text_tokens(item)
            if timestamps:
                end = min(item.start + item.speech.seconds, FULL_SECONDS)
                text = [_timestamp(item.start), *text, _timestamp(end)]
                times = [(item.start, item.start), *times, (end, end)]
            tokens, spans = [*tokens, *text], [*spans, *times]
        labels = [*tokens[1:], END_OF_TEXT]
        return [self._corrupted(token) for token in tokens], labels, [*spans[1:], None]

    def _text_tokens(self, item: Placed) -> tuple[list[int], list[Span | None]]:
        """Return an utterance's tokens, and when each is heard if its words' times are known."""
        speech = item.speech
        if not speech.words:
            ids = self.encode(speech.text, speech.language)
            return ids, [None] * len(ids)
        tokens: list[int] = []
        spans: list[Span | None] = []
        for word, (start, end) in speech.words:
            ids = self.encode(word, speech.language)
            part = (end - start) / len(ids)
            tokens += ids
            spans += [
                (item.start + start + part * i, item.start + start + part * (i + 1))
                for i in range(len(ids))
            ]
        return tokens, spans

    def _corrupted(self, token: int) -> int:
        is_text = token < TEXT_IDS
        if is_text and self.rng.random() < self.settings.corrupt_share:
            return self.rng.choice(self.misleading)
        return token


def _timestamp(seconds: float) -> int:
    return FIRST_TIMESTAMP + round(seconds * 50)


def collate(
    examples: list[Example],
    log_mel: Callable[[torch.Tensor], torch.Tensor],
    compact: Callable[[int], int],
) -> Batch:
    """Make a batch of examples of one window length."""
    samples = torch.from_numpy(np.stack([example.samples for example in examples]))
    longest = max(len(example.labels) for example in examples)
    shape = (len(examples), longest)
    inputs = torch.full(shape, compact(END_OF_TEXT))
    labels = torch.full(shape, IGNORED)
    spans = torch.full((*shape, 2), -1.0)
    for row, example in enumerate(examples):
        read = [compact(token) for token in example.decoder_input_ids]
        labels_of_row = [token if token == IGNORED else compact(token) for token in example.labels]
        spans_of_row = [span or (-1.0, -1.0) for span in example.spans]
        inputs[row, : len(read)] = torch.tensor(read)
        labels[row, : len(labels_of_row)] = torch.tensor(labels_of_row)
        spans[row, : len(spans_of_row)] = torch.tensor(spans_of_row)
    return Batch(log_mel(samples), inputs, labels, spans)
