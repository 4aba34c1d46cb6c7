"""Encoder states of all clips, computed once: the encoder is frozen.

B batch, P encoder positions (20 ms each), D model width.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.real.texts import Spoken
from demo.make.voices import SAMPLE_RATE
from utils.audio.features import LogMel, pad_samples
from utils.cli.files import atomic_write
from utils.cli.progress import progress
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.precision import cpu_computes_bf16

WINDOW_STEP = 20  # frames: windows are multiples of 0.2 s, so that many clips share a length
POSITIONS_PER_SECOND = 50
_ENCODE_BATCH = 16


@dataclass(frozen=True)
class Encoded:
    """A clip as the decoder hears it.

    Attributes:
        states: float16 `(P, D)`.
        begin: position at which the speech begins.
        end: position at which it ends.
    """

    states: torch.Tensor
    begin: float
    end: float
    text: str
    language: str
    kind: str


@torch.no_grad()
def encode_clips(
    model: FlexibleWhisper,
    log_mel: LogMel,
    clips: Sequence[Spoken],
    seed: int,
    window: int | None = None,
) -> list[Encoded]:
    """Place each clip at random in a window, and encode it.

    Args:
        model: its encoder is used, in float32.
        log_mel: the model's features.
        clips: what is said.
        seed: of places, gains and noise.
        window: frames of all windows; None: each has one of its own length.
    """
    rng, noise = random.Random(seed), np.random.default_rng(seed)
    windows: dict[int, list[tuple[Spoken, float, np.ndarray]]] = defaultdict(list)
    for clip in clips:
        start = rng.uniform(0, 0.1 if rng.random() < 0.5 else 0.6)
        length = start + clip.seconds + rng.random() ** 2 * 0.8
        frames = window or -(-round(length * 100) // WINDOW_STEP) * WINDOW_STEP
        windows[frames].append((clip, start, _placed(clip, start, frames, rng, noise)))
    batches = [
        (frames, group[at : at + _ENCODE_BATCH])
        for frames, group in sorted(windows.items())
        for at in range(0, len(group), _ENCODE_BATCH)
    ]
    encoded: list[Encoded] = []
    for frames, batch in progress(batches, desc="encoding"):
        features = log_mel(pad_samples([samples for *_, samples in batch], frames))
        # Where the CPU has it, bfloat16 halves the time; what it errs is far below the noise.
        with torch.autocast("cpu", torch.bfloat16, enabled=cpu_computes_bf16()):
            states = model.model.encoder(features).last_hidden_state.to(torch.float16)
        encoded += [
            _encoded(clip, start, row.clone())
            for (clip, start, _), row in zip(batch, states, strict=True)
        ]
    return encoded


def _encoded(clip: Spoken, start: float, states: torch.Tensor) -> Encoded:
    begin = start * POSITIONS_PER_SECOND
    end = begin + clip.seconds * POSITIONS_PER_SECOND
    return Encoded(states, begin, end, clip.text, clip.language, clip.kind)


def _placed(
    clip: Spoken, start: float, frames: int, rng: random.Random, noise: np.random.Generator
) -> np.ndarray:
    """Return the window's samples: the clip at its start, with a random gain and some noise."""
    samples = np.zeros(frames * SAMPLE_RATE // 100, dtype=np.float32)
    begin = round(start * SAMPLE_RATE)
    heard = clip.samples[: len(samples) - begin]
    samples[begin : begin + len(heard)] = heard
    samples *= 10 ** rng.uniform(-1.0, 0.0)
    if rng.random() < 0.7:
        level = float(np.abs(samples).max()) * 10 ** rng.uniform(-3.0, -1.3)
        samples += level * noise.standard_normal(len(samples), dtype=np.float32)
    return samples


def store(folder: Path, encoded: Sequence[Encoded]) -> None:
    """Write `states.npy` and `clips.jsonl`, the second last: it says that both are complete."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "states.npy", torch.cat([item.states for item in encoded]).numpy())
    facts = [
        {
            "positions": len(item.states),
            "begin": item.begin,
            "end": item.end,
            "text": item.text,
            "language": item.language,
            "kind": item.kind,
        }
        for item in encoded
    ]
    with atomic_write(folder / "clips.jsonl") as file:
        file.writelines(json.dumps(fact, ensure_ascii=False) + "\n" for fact in facts)


def restore(folder: Path) -> list[Encoded] | None:
    """Return what an earlier run stored, or None."""
    path = folder / "clips.jsonl"
    if not path.exists():
        return None
    rows = torch.from_numpy(np.load(folder / "states.npy"))
    encoded, start = [], 0
    for line in path.read_text(encoding="utf-8").splitlines():
        fact = json.loads(line)
        positions = fact.pop("positions")
        encoded.append(Encoded(rows[start : start + positions], **fact))
        start += positions
    return encoded
