"""What each form of a model changes: tokens, error rates, size and time, on the same clips.

    python benchmarks/conversion.py --models=models/whisper-base --data=dataset/test.json
    python benchmarks/conversion.py --models=openai/whisper-base --clips=200 --forms=ggml:q5_0

Every form is written and read back by the program that it is for, as `convert.py` does it; the
texts of original and converted model are then scored against the references. The interval is that
of the original's error rate (95 %, resampled blocks). A form that convert.py would refuse for its
errors is measured all the same. Needs requirements/dev.txt and requirements/openai.txt.
Writes benchmarks/results/conversion.json after each form.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# The repository, which holds `utils`, in place of the script's own folder: a library that
# openai-whisper loads looks for `coverage`, and would find the benchmark of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.files import atomic_write
from utils.cli.flags import parse_settings

REPOSITORY = Path(__file__).resolve().parent.parent
FORMS = (
    *("ct2:float32", "ct2:int8", "openai:float16", "ggml:f16", "ggml:q8_0", "ggml:q5_0"),
    *("onnx:float32", "onnx:float16", "onnx:int8"),
)


@dataclass(frozen=True)
class ConversionBenchSettings:
    """What is converted, and what it transcribes."""

    models: list[str] = field(default_factory=lambda: ["demo/base"])
    """Models that are converted: folders or names on the hub."""
    data: list[str] = field(default_factory=lambda: ["demo/zh/test.jsonl"])
    """Manifests; clips are taken from them in turn. English is scored by words, other languages by
    characters."""
    forms: list[str] = field(default_factory=lambda: list(FORMS))
    """Formats with their form of weights, such as ggml:q5_0."""
    clips: int = 40
    """Clips that each form transcribes."""
    output: str = "benchmarks/results/conversion.json"
    """File for the measurements; what it holds of other models and forms stays."""


def main(argv: Sequence[str] | None = None) -> None:
    """Convert into every form, compare, write the file, say the figures."""
    settings = parse_settings(
        ConversionBenchSettings, argv, prog="conversion.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    from benchmarks.run import machine
    from utils.export.parity import Original
    from utils.model.load import load_model

    clips = clips_of(settings)
    path = Path(settings.output)
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {"models": {}}
    for model in settings.models:
        original = Original(load_model(model), keep=True)
        for form in settings.forms:
            figures = measure(original, form, clips)
            known["machine"] = machine()
            known["models"].setdefault(Path(model).name, {})[form] = figures
            with atomic_write(path) as file:
                json.dump(known, file, indent=2, ensure_ascii=False)
                file.write("\n")
            say(f"{Path(model).name} {form}: {shown(figures)}")
    say(f"wrote {settings.output}")


def clips_of(settings: ConversionBenchSettings) -> list[Any]:
    """Clips of at most 30 s, from the manifests in turn."""
    from utils.manifest.read import filter_by_duration, read_manifest

    piles = []
    for path in settings.data:
        kept, _ = filter_by_duration(read_manifest(path).utterances, 0.0, 30.0)
        piles.append(list(kept))
    taken = []
    for place in range(max(map(len, piles))):
        taken += [pile[place] for pile in piles if place < len(pile)]
    if not taken:
        raise UserError("--data: no clip of at most 30 s", "Give other manifests.")
    return taken[: settings.clips]


def measure(original: Any, form: str, clips: Sequence[Any]) -> dict[str, Any]:
    """Convert into one form and compare."""
    from utils.export.formats import find_format
    from utils.export.parity import folder_bytes, summarize, transcribe_both

    name, _, quantization = form.partition(":")
    found, quantization = find_format(name, quantization or None)
    module = importlib.import_module(found.module)
    loaded = original.engine.loaded
    with TemporaryDirectory() as folder:
        module.write(loaded, Path(folder), quantization)
        reader = module.read(loaded, Path(folder), quantization)
        pairs = list(transcribe_both(original, reader, clips))
        size = folder_bytes(Path(folder))
    parity = summarize(pairs).to_json()
    return {**parity, "bytes": size, "scores": scores(clips, pairs)}


def scores(clips: Sequence[Any], pairs: Sequence[Any]) -> dict[str, Any]:
    """Error rates against the references, by language, before and after, with the interval."""
    from utils.scoring.normalizers import choose_normalizer
    from utils.scoring.predictions import Prediction
    from utils.scoring.score import score_predictions
    from utils.scoring.statistics import rate_interval
    from utils.scoring.tokens import default_metric

    found = {}
    languages = sorted({clip.language or "en" for clip in clips})
    for language in languages:
        chosen = [n for n, clip in enumerate(clips) if (clip.language or "en") == language]
        choice = choose_normalizer(language, remove_pun=True, to_simple=True)
        metric = default_metric([language])
        sides = {}
        for side in ("said", "now"):
            predictions = [
                Prediction(
                    id=clips[n].id,
                    reference=clips[n].sentence,
                    hypothesis=getattr(pairs[n], side),
                    language=language,
                )
                for n in chosen
            ]
            sides[side] = score_predictions(predictions, metric, choice)
        before, after = sides["said"], sides["now"]
        found[language] = {
            "clips": len(chosen),
            "metric": before.metric,
            "original": before.counts.rate,
            "converted": after.counts.rate,
            "interval": rate_interval(before),
        }
    return found


def shown(figures: dict[str, Any]) -> str:
    """A line for the terminal."""
    rates = [
        f"{language} {100 * score['original']:.2f} -> {100 * score['converted']:.2f} %"
        for language, score in figures["scores"].items()
    ]
    return f"{figures['equal']} of {figures['clips']} equal; {', '.join(rates)}"


if __name__ == "__main__":
    sys.exit(run_script(main))
