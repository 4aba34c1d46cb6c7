"""What the parts of this repository cost beside the stock recipe, on this machine.

    python benchmarks/run.py                 # what `make bench` calls; about three minutes
    python benchmarks/run.py --rounds=15     # narrower spread

Each pair is run in turn, stock and ours, and compared round by round, so that a machine that slows
down in between slows both. Writes benchmarks/results/parts.json: the machine, the versions, every
single measurement, and the ratios.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, spread, write_measured
from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.flags import parse_settings

Work = Callable[[], Any]


@dataclass(frozen=True)
class BenchSettings:
    """What is measured and how often."""

    model: str = "demo/base"
    """Whisper that is measured."""
    data: str = "demo/zh/test.jsonl"
    """Manifest whose first clips are used."""
    clips: int = 16
    """Clips in a batch."""
    rounds: int = 7
    """Times that each pair is measured, after one round that does not count."""
    output: str = "benchmarks/results/parts.json"
    """File for the measurements."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure each pair, write the file, say the ratios."""
    settings = parse_settings(BenchSettings, argv, prog="run.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    results = {}
    for name, (stock, ours) in pairs(settings).items():
        results[name] = measure(stock, ours, settings.rounds)
        ratio = results[name]["stock_over_ours"]
        say(
            f"{name:12} ours is {ratio['median']:.1f} times as fast "
            f"({ratio['minimum']:.1f} to {ratio['maximum']:.1f})"
        )
    found = {"machine": machine(), "settings": vars(settings), **results}
    write_measured(settings.output, found)


def measure(stock: Work, ours: Work, rounds: int) -> dict[str, Any]:
    """Seconds of both works in turn, and their ratio round by round."""
    seconds: dict[str, list[float]] = {"stock": [], "ours": []}
    for number in range(rounds + 1):
        for name, work in (("stock", stock), ("ours", ours)):
            began = time.perf_counter()
            work()
            if number:  # the first round warms caches up
                seconds[name].append(time.perf_counter() - began)
    ratios = [a / b for a, b in zip(seconds["stock"], seconds["ours"], strict=True)]
    return {"seconds": seconds, "ratios": ratios, "stock_over_ours": spread(ratios)}


def pairs(settings: BenchSettings) -> dict[str, tuple[Work, Work]]:
    """Name of a part -> (the stock way, our way), on the same clips and weights."""
    import torch

    from utils.audio.features import WINDOW_FRAMES, pad_samples, window_frames
    from utils.audio.load import load_audio
    from utils.data.batching import pad_labels
    from utils.manifest.read import read_manifest
    from utils.model.load import load_model
    from utils.transcription.transcribe import Decoding, transcribe

    loaded = load_model(settings.model)
    model, extractor = loaded.whisper, loaded.processor.feature_extractor
    utterances = list(read_manifest(settings.data))[: settings.clips]
    samples = [load_audio(utterance.audio) for utterance in utterances]
    short = window_frames(max(map(len, samples)))
    encoder = loaded.label_encoder()
    labels = pad_labels([encoder.encode(utterance) for utterance in utterances], encoder.end)

    def step(frames: int) -> None:
        features = loaded.log_mel(pad_samples(samples, frames))
        inputs = labels["decoder_input_ids"]
        logits = model(input_features=features, decoder_input_ids=inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels["labels"].flatten())
        loss.backward()
        model.zero_grad()

    def generate() -> None:
        features = extractor(samples, sampling_rate=16_000, return_tensors="pt").input_features
        with torch.no_grad():
            model.generate(features, language=utterances[0].language, task="transcribe")

    decoding = Decoding(
        batch_size=settings.clips, temperature_fallback=False, audio_context="dynamic"
    )
    return {
        "features": (
            lambda: extractor(samples, sampling_rate=16_000),
            lambda: loaded.log_mel(pad_samples(samples, short)),
        ),
        "step": (lambda: step(WINDOW_FRAMES), lambda: step(short)),
        "transcribe": (generate, lambda: transcribe(loaded, utterances, decoding)),
    }


if __name__ == "__main__":
    sys.exit(run_script(main))
