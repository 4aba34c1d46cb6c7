"""Manifests of any size and sounds to go with them, made for a measurement."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.report_scale import texts
from utils.audio.clip import Seconds

RATE = 16_000
# A long recording is cut into pieces of so many seconds.
PIECE: Seconds = 5.0
PIECES_A_RECORDING = 700
DIFFERENT_TEXTS = 20_000


def write_lines(path: Path, number: int, seed: int) -> None:
    """Write a manifest of pieces of hour-long recordings that are not there.

    Args:
        path: where to.
        number: of lines: half Chinese, half Latin, about 270 bytes each.
        seed: of the texts.
    """
    references = [
        (language, between.join(tokens))
        for language, between, _, tokens in texts(DIFFERENT_TEXTS, random.Random(seed))
    ]
    with open(path, "w", encoding="utf-8") as file:
        for line in range(number):
            recording, piece = divmod(line, PIECES_A_RECORDING)
            start = piece * PIECE
            language, text = references[line % DIFFERENT_TEXTS]
            value = {
                "audio": {
                    "path": f"/recordings/{recording:06d}.flac",
                    "start_time": start,
                    "end_time": start + PIECE,
                },
                "sentence": f"{text} {_letters(line // DIFFERENT_TEXTS)}".strip(),
                "language": language,
                "duration": PIECE,
                "id": f"r{recording:06d}-{piece:04d}",
                "speaker": f"s{recording:06d}",
            }
            file.write(json.dumps(value, ensure_ascii=False) + "\n")


def _letters(number: int) -> str:
    """Spell a number in letters, so that texts differ and hold no digit."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number)) if number else ""


def write_clips(folder: Path, number: int, seconds: Seconds, seed: int) -> Path:
    """Write FLAC files of noise that rises and falls as speech does, and their manifest."""
    rng = np.random.default_rng(seed)
    samples = round(RATE * seconds)
    envelope = 0.05 + 0.2 * np.abs(np.sin(np.arange(samples) * np.pi * 4 / RATE))
    lines = []
    for each in range(number):
        path = folder / "clips" / f"{each % 100:02d}" / f"{each:06d}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, envelope * rng.normal(0, 0.2, samples).clip(-0.9, 0.9), RATE)
        text = f"some words and then {_letters(each + 1)}"
        lines.append({"audio": {"path": str(path)}, "sentence": text, "duration": seconds})
    manifest = folder / "clips.jsonl"
    manifest.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return manifest
