"""Speech of a wanted length: recorded clips joined and cut, with their texts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance

RECORDED = ("zh_aishell_S0150/train.jsonl", "en_speechocean762/train.jsonl")
BUNDLED = ("demo/zh/train.jsonl", "demo/en/train.jsonl")
LONGEST_SECONDS = 30.0
SHORTEST_SECONDS = 1.0
SPREAD = 0.33
"""Standard deviation of the lengths over their mean, as AISHELL-1 has it."""


def sources(data_dir: Path) -> list[Path]:
    """Manifests to take clips from: recorded speech where it is at hand, else the demo's."""
    recorded = [data_dir / name for name in RECORDED]
    found = [path for path in recorded if path.is_file()]
    return found or [Path(name) for name in BUNDLED]


def wanted_lengths(mean: float, number: int, rng: np.random.Generator) -> np.ndarray:
    """Seconds of so many clips, float64 `(number,)`, whose mean is `mean`; 30 gives full windows.

    Args:
        mean: seconds.
        number: of clips.
        rng: draws a log-normal length each.
    """
    if mean >= LONGEST_SECONDS:
        return np.full(number, LONGEST_SECONDS)
    lengths = rng.lognormal(0.0, SPREAD, number)
    for _ in range(20):  # clipping moves the mean; a few rounds bring it back
        lengths = np.clip(lengths * (mean / lengths.mean()), SHORTEST_SECONDS, LONGEST_SECONDS)
    return lengths


def write_clips(mean: float, number: int, folder: Path, manifests: list[Path], seed: int) -> Path:
    """Write clips of a mean length and their manifest.

    Args:
        mean: seconds.
        number: of clips.
        folder: gets the sound (FLAC) and `train.jsonl`.
        manifests: to take speech and texts from.
        seed: of lengths and order.

    Returns:
        The manifest.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    pool = _endless([u for path in manifests for u in read_manifest(path)], rng)
    lines = []
    for place, seconds in enumerate(wanted_lengths(mean, number, rng).tolist()):
        samples, text = _joined(pool, round(seconds * SAMPLE_RATE))
        soundfile.write(folder / f"{place}.flac", samples, SAMPLE_RATE)
        line = {"audio": {"path": f"{place}.flac"}, "sentence": text, "language": "zh"}
        lines.append({**line, "duration": len(samples) / SAMPLE_RATE})
    manifest = folder / "train.jsonl"
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    manifest.write_text(content, encoding="utf-8")
    return manifest


def write_pieces(number: int, clips: Path, target: Path, seed: int) -> Path:
    """Write a manifest of many utterances that are pieces of few files.

    Args:
        number: of utterances.
        clips: manifest of the files.
        target: the manifest to write.
        seed: of the places where the pieces begin.

    Returns:
        `target`.
    """
    rng = np.random.default_rng(seed)
    whole = list(read_manifest(clips))
    starts = rng.uniform(0.0, 0.5, number).tolist()
    with open(target, "w", encoding="utf-8") as file:
        for place, start in enumerate(starts):
            each = whole[place % len(whole)]
            assert each.duration is not None
            audio = {"path": str(Path(each.audio.path).resolve())}
            times = {"start_time": round(start, 3), "end_time": round(each.duration, 3)}
            line = {"audio": {**audio, **times}, "sentence": each.sentence, "language": "zh"}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return target


def _endless(
    utterances: list[Utterance], rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, str]]:
    """Samples and text of all utterances, over and over in changing order."""
    while True:
        for place in rng.permutation(len(utterances)).tolist():
            yield load_audio(utterances[place].audio), utterances[place].sentence


def _joined(pool: Iterator[tuple[np.ndarray, str]], num_samples: int) -> tuple[np.ndarray, str]:
    """Clips in a row until they last long enough; the last is cut, its text in proportion."""
    parts: list[np.ndarray] = []
    texts: list[str] = []
    missing = num_samples
    while missing > 0:
        samples, text = next(pool)
        kept = samples[:missing]
        parts.append(kept)
        texts.append(text[: max(1, round(len(text) * len(kept) / len(samples)))])
        missing -= len(kept)
    return np.concatenate(parts), " ".join(texts)
