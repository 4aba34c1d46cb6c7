"""The base model's speech: thousands of general sentences, and words spoken one by one.

Each kind is one int16 array of samples at 16 kHz with a list of the clips in it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from demo.make.general import general_sentence, single_words
from demo.make.voices import SAMPLE_RATE, Speaker, base_speaker, speak
from utils.cli.progress import progress

LANGUAGES = ("zh", "en")
MAX_SECONDS = 5.0
MIN_SENTENCE_SECONDS = 0.5
SYNTHESISERS = 2  # at once; the work is done in espeak-ng's own processes


@dataclass(frozen=True)
class Clip:
    """Where an utterance stands in its array of samples, what is said, and by whom."""

    start: int
    length: int
    text: str
    language: str
    speaker: str
    domain: bool = False

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.length / SAMPLE_RATE


@dataclass(frozen=True)
class Recordings:
    """Clips over one int16 `(num_samples,)` array."""

    samples: np.ndarray
    clips: list[Clip]

    def audio(self, clip: Clip) -> np.ndarray:
        """Return a clip as float32 `(num_samples,)` in [-1, 1]."""
        piece = self.samples[clip.start : clip.start + clip.length]
        return piece.astype(np.float32) / 32768


@dataclass(frozen=True)
class Order:
    """What is to be spoken, in which language, by whom, and whether it is a domain word."""

    text: str
    language: str
    speaker: Speaker
    domain: bool = False


def plan_sentences(count: int, seed: int) -> list[Order]:
    """Return `count` sentences, Mandarin and English by turns, each by a random speaker."""
    rng = random.Random(seed)
    orders = []
    for index in range(count):
        language = LANGUAGES[index % 2]
        text = general_sentence(language, rng)
        orders.append(Order(text, language, base_speaker(language, rng)))
    return orders


def plan_words(speakers: int, seed: int) -> list[Order]:
    """Return every single word of both languages by as many speakers."""
    rng = random.Random(seed)
    orders = []
    for language in LANGUAGES:
        plain, domain = single_words(language)
        for number in range(speakers):
            speaker = base_speaker(language, rng, f"-{number}")
            orders += [Order(word, language, speaker) for word in plain]
            orders += [Order(word, language, speaker, domain=True) for word in domain]
    return orders


def record(folder: Path, orders: Sequence[Order], min_seconds: float, what: str) -> Recordings:
    """Synthesise into `folder`, or load what an earlier run left there.

    Args:
        folder: gets `samples.npy` and `clips.jsonl`.
        orders: what to speak.
        min_seconds: shorter clips are left out, and those above `MAX_SECONDS`.
        what: named by the progress bar.
    """
    clips_path = folder / "clips.jsonl"
    if not clips_path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(SYNTHESISERS) as pool:
            spoken = pool.map(lambda order: speak(order.text, order.speaker), orders)
            audios = list(progress(spoken, total=len(orders), desc=what))
        _store(folder, orders, audios, min_seconds)
    clips = [Clip(**json.loads(line)) for line in clips_path.read_text("utf-8").splitlines()]
    return Recordings(np.load(folder / "samples.npy", mmap_mode="r"), clips)


def _store(
    folder: Path, orders: Sequence[Order], audios: Sequence[np.ndarray], min_seconds: float
) -> None:
    lines, kept, start = [], [], 0
    for order, audio in zip(orders, audios, strict=True):
        if min_seconds <= len(audio) / SAMPLE_RATE <= MAX_SECONDS:
            clip = Clip(
                start, len(audio), order.text, order.language, order.speaker.name, order.domain
            )
            lines.append(json.dumps(asdict(clip), ensure_ascii=False) + "\n")
            kept.append(audio)
            start += len(audio)
    np.save(folder / "samples.npy", np.concatenate(kept))
    # Written last: its presence says that the recordings are complete.
    (folder / "clips.jsonl").write_text("".join(lines), "utf-8")


@dataclass(frozen=True)
class BaseCorpus:
    """What the base model learns from, and the sentences that are kept from its training."""

    sentences: Recordings
    words: Recordings
    train: list[Clip]
    held_out: list[Clip]


def make_base_corpus(
    folder: Path, sentences: int, held_out: int, speakers: int, seed: int
) -> BaseCorpus:
    """Synthesise sentences and words into `folder`, or load them.

    Args:
        folder: for the recordings.
        sentences: how many to plan.
        held_out: how many of them, the last ones, are kept from training.
        speakers: of the single words, in each language.
        seed: of sentences and speakers.
    """
    spoken = record(
        folder / "sentences", plan_sentences(sentences, seed), MIN_SENTENCE_SECONDS, "sentences"
    )
    words = record(folder / "words", plan_words(speakers, seed), 0.0, "words")
    train = spoken.clips[:-held_out]
    texts = {clip.text for clip in train}
    unseen = [clip for clip in spoken.clips[-held_out:] if clip.text not in texts]
    return BaseCorpus(spoken, words, train, unseen)
