"""What each form of a model changes: tokens, error rates, size and time, on the same clips.

    python benchmarks/conversion.py --models=models/whisper-base --data=dataset/test.json
    python benchmarks/conversion.py --models=openai/whisper-base --clips=200 --forms=ggml:q5_0
    python benchmarks/conversion.py --table=True      # the tables of docs/conversion.md

Every form is written and read back by the program that it is for, as `convert.py` does it; the
texts of original and converted model are then scored against the references. The interval is that
of the original's error rate (95 %, resampled blocks). A form that convert.py would refuse for its
errors is measured all the same. Needs requirements/dev.txt and requirements/openai.txt.

Clips are transcribed in groups by all forms; --work_dir keeps converted models and what was
transcribed, and a run goes on from there. Writes benchmarks/results/conversion.json after each
group.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# The repository, which holds `utils`, in place of the script's own folder: a library that
# openai-whisper loads looks for `coverage`, and would find the benchmark of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import machine, read_measured, write_measured
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings

REPOSITORY = Path(__file__).resolve().parent.parent
JOURNAL = "journal.jsonl"
FORMS = (
    *("ct2:float32", "ct2:float16", "ct2:int8", "openai:float16"),
    *("ggml:f16", "ggml:q8_0", "ggml:q5_0"),
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
    group: int = 20
    """Clips that all forms transcribe before the next ones."""
    work_dir: Path = Path("output/conversion")
    """Folder for converted models and what was transcribed."""
    output: str = "benchmarks/results/conversion.json"
    """File for the measurements; what it holds of other models and forms stays."""
    table: bool = False
    """Print the tables of docs/conversion.md from --output; nothing is measured."""


def main(argv: Sequence[str] | None = None) -> None:
    """Convert into every form, compare, write the file, say the figures."""
    settings = parse_settings(
        ConversionBenchSettings, argv, prog="conversion.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        say(tables(read_measured(settings.output)))
        return
    clips = clips_of(settings)
    for model in settings.models:
        measure_model(model, clips, settings)
    say(tables(read_measured(settings.output)))


def measure_model(model: str, clips: Sequence[Any], settings: ConversionBenchSettings) -> None:
    """Let every form of a model transcribe the clips, group by group."""
    from utils.export.parity import Original
    from utils.model.load import load_model

    loaded = load_model(model)
    for begin in range(0, len(clips), settings.group):
        group = clips[begin : begin + settings.group]
        original = Original(loaded, keep=True)  # its encoder's output serves all forms of a group
        for form in settings.forms:
            folder = settings.work_dir / Path(model).name / form.replace(":", "-")
            transcribe_group(original, form, group, folder)
            keep_figures(Path(model).name, form, clips, folder, Path(settings.output))


def transcribe_group(original: Any, form: str, clips: Sequence[Any], folder: Path) -> None:
    """Convert into one form, if that was not done, and add what is missing to its journal."""
    from utils.export.formats import find_format
    from utils.export.parity import transcribe_both
    from utils.model.folders import write_folder

    done = journal_of(folder)
    left = [clip for clip in clips if clip.id not in done]
    if not left:
        return
    name, _, quantization = form.partition(":")
    found, quantization = find_format(name, quantization or None)
    module = importlib.import_module(found.module)
    loaded = original.engine.loaded
    target = folder / "model"
    if not target.is_dir():
        write_folder(target, lambda empty: module.write(loaded, empty, quantization))
    reader = module.read(loaded, target, quantization)
    if done and hasattr(reader, "logit_clips"):
        reader.logit_clips = 0  # the first group's are enough: each costs a pass of the original
    with open(folder / JOURNAL, "a", encoding="utf-8") as file:
        for pair in transcribe_both(original, reader, left):
            file.write(json.dumps(asdict(pair), ensure_ascii=False) + "\n")
            file.flush()


def journal_of(folder: Path) -> dict[str, Any]:
    """What one form transcribed, by the clips' ids."""
    from utils.export.parity import Pair

    path = folder / JOURNAL
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    pairs = [Pair(**json.loads(line)) for line in lines if line.endswith("}")]
    return {pair.id: pair for pair in pairs}


def keep_figures(model: str, form: str, clips: Sequence[Any], folder: Path, output: Path) -> None:
    """Sum up a form's journal and put it into the file of measurements."""
    from utils.export.parity import folder_bytes, summarize

    pairs = journal_of(folder)
    chosen = [clip for clip in clips if clip.id in pairs]
    found = [pairs[clip.id] for clip in chosen]
    parity = summarize(found).to_json()
    for unknown in ("limit", "original_bytes"):
        del parity[unknown]
    figures = {**parity, "bytes": folder_bytes(folder / "model"), "scores": scores(chosen, found)}
    known = read_measured(output) if output.is_file() else {"models": {}}
    known["machine"] = _machine()
    known["models"].setdefault(model, {})[form] = figures
    write_measured(output, known)
    say(f"{model} {form}: {shown(figures)}")


def _machine() -> dict[str, Any]:
    from importlib.metadata import version

    found = machine()
    readers = ("ctranslate2", "openai-whisper", "pywhispercpp", "onnxruntime")
    return {**found, "versions": {**found["versions"], **{n: version(n) for n in readers}}}


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
                    speaker=clips[n].speaker,
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


def tables(found: dict[str, Any]) -> str:
    """The tables of docs/conversion.md, one for each model."""
    from utils.report.tables import markdown_table, percent, percent_interval

    parts = []
    for model, forms in found["models"].items():
        languages = list(next(iter(forms.values()))["scores"])
        header = ["form", "size", "clips", "equal tokens", "largest difference of a logit"]
        for language in languages:
            header += [f"{language}, original (95 %)", f"{language}, converted"]
        rows = []
        for form, figures in forms.items():
            name, _, weights = form.partition(":")
            difference = figures["largest_logit_difference"]
            row = [f"{name} `{weights}`", f"{figures['bytes'] / 1e6:.0f} MB"]
            row += [str(figures["clips"]), percent(figures["equal"] / figures["clips"])]
            row.append(f"{difference:.2g}")
            for score in figures["scores"].values():
                interval = percent_interval(score["interval"])
                row.append(f"{score['metric'].upper()} {percent(score['original'])} ({interval})")
                row.append(percent(score["converted"]))
            rows.append(row)
        parts.append(f"{model}:\n\n" + markdown_table(header, rows, words=1))
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(run_script(main))
