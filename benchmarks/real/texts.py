"""What the base model hears: synthesised sentences and real words, and never a recording of a part.

Only the TEXTS of the two train parts are used here, spoken by espeak-ng; their recordings are left
for the fine-tuning. Nothing of a dev or test part is used, not even a text.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.real.sets import SETS, plain_text, read_utterances
from demo.make.general import general_sentence
from demo.make.voices import SAMPLE_RATE, base_speaker, speak
from utils.audio.load import load_audio
from utils.cli.progress import progress
from utils.manifest.utterance import Utterance

HSK, LJ = "zh_hsk_words/all", "en_ljspeech/all"
MAX_SECONDS = 10.0
_AUDIBLE = 0.01  # of full scale


@dataclass(frozen=True)
class Amounts:
    """How many clips of each kind."""

    voices: int = 2  # in which each text of the train parts is spoken
    recombined: int = 500  # of either language: pieces of those texts in new orders
    general: int = 250  # of either language: sentences of the demo's grammar
    real_words: int = 900
    real_strings: int = 500  # real words one after the other

    def scaled(self, share: float) -> Amounts:
        """Return a share of it, for a quick try."""
        return Amounts(
            round(self.voices * share),
            *(max(8, round(n * share)) for n in self._others()),
        )

    def _others(self) -> tuple[int, int, int, int]:
        return self.recombined, self.general, self.real_words, self.real_strings


@dataclass(frozen=True)
class Spoken:
    """A clip: float32 `(num_samples,)` at 16 kHz, cut to the words; what is said; of which kind."""

    samples: np.ndarray
    text: str
    language: str
    kind: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE


def make_clips(data_dir: Path, amounts: Amounts, seed: int) -> list[Spoken]:
    """Return all clips, in random order."""
    rng = random.Random(seed)
    clips = [*_synthesised(data_dir, amounts, rng), *_recorded(data_dir, amounts, rng)]
    kept = [clip for clip in clips if 0.2 <= clip.seconds <= MAX_SECONDS]
    rng.shuffle(kept)
    return kept


def plan_texts(data_dir: Path, amounts: Amounts, rng: random.Random) -> list[tuple[str, str, str]]:
    """Return what is to be synthesised: text, language and kind of each clip."""
    planned: list[tuple[str, str, str]] = []
    words = [plain_text(item.sentence) for item in read_utterances(data_dir, HSK)]
    for language, real in SETS.items():
        train = read_utterances(data_dir, f"{real.folder}/train")
        texts = [plain_text(item.sentence) for item in train]
        make = _recombiner(language, texts, words if language == "zh" else [], rng)
        planned += [(text, language, "train texts") for text in texts * amounts.voices]
        planned += [(make(), language, "recombined") for _ in range(amounts.recombined)]
        planned += [
            (general_sentence(language, rng), language, "general") for _ in range(amounts.general)
        ]
    return planned


def _synthesised(data_dir: Path, amounts: Amounts, rng: random.Random) -> list[Spoken]:
    planned = plan_texts(data_dir, amounts, rng)
    speakers = [base_speaker(language, rng) for _, language, _ in planned]
    with ThreadPoolExecutor(2) as pool:  # the work is done in espeak-ng's own processes
        jobs = pool.map(lambda job: speak(job[0][0], job[1]), zip(planned, speakers, strict=True))
        audios = list(progress(jobs, total=len(planned), desc="synthesising"))
    return [
        Spoken(audio.astype(np.float32) / 32768, *plan)
        for audio, plan in zip(audios, planned, strict=True)
    ]


def _recombiner(
    language: str, texts: Sequence[str], words: Sequence[str], rng: random.Random
) -> Callable[[], str]:
    """Return what makes a new text of pieces: 1 to 3 words, or 2 to 5 characters, each."""
    joiner, longest = ("", 5) if language == "zh" else (" ", 3)

    def piece() -> str:
        if words and rng.random() < 0.4:
            return rng.choice(words)
        units = list(rng.choice(texts)) if language == "zh" else rng.choice(texts).split()
        size = rng.randint(2 if language == "zh" else 1, longest)
        start = rng.randint(0, max(0, len(units) - size))
        return joiner.join(units[start : start + size])

    return lambda: joiner.join(piece() for _ in range(rng.randint(1, 4)))


def _recorded(data_dir: Path, amounts: Amounts, rng: random.Random) -> list[Spoken]:
    """Return real words by themselves and in strings, and real sentences."""
    listed = read_utterances(data_dir, HSK)
    rng.shuffle(listed)
    words = [_real(item, "zh", "real words") for item in listed[: amounts.real_words]]
    sentences = [_real(item, "en", "real sentences") for item in read_utterances(data_dir, LJ)]
    strings = [
        _string(rng.sample(words, rng.randint(2, 4)), rng) for _ in range(amounts.real_strings)
    ]
    return [*words, *sentences, *strings]


def _real(item: Utterance, language: str, kind: str) -> Spoken:
    samples = load_audio(item.audio)
    heard = np.flatnonzero(np.abs(samples) > _AUDIBLE)
    if heard.size:
        samples = samples[max(0, heard[0] - 320) : heard[-1] + 320]
    return Spoken(samples, plain_text(item.sentence), language, kind)


def _string(words: Sequence[Spoken], rng: random.Random) -> Spoken:
    pieces: list[np.ndarray] = []
    for word in words:
        gap = np.zeros(rng.randint(0, SAMPLE_RATE // 5), dtype=np.float32)
        pieces += [word.samples, gap]
    samples = np.concatenate(pieces[:-1])
    return Spoken(samples, "".join(word.text for word in words), "zh", "real words in strings")
