"""infer.py beside other programs: the same model, the same sound, one thread, one machine.

    python benchmarks/inference.py --models=../shared/models/whisper-base
    python benchmarks/inference.py --table=True       # the tables

openai-whisper, faster-whisper, whisper.cpp and the pipeline of transformers transcribe what
infer.py transcribes. Every recording is first written as a WAV file of 16 kHz, so that all read the
same samples. No program is told the language. Each has its own defaults, but greedy search where
nothing else is said. It runs in a process of its own; its time, in processor seconds, does not
include loading the model.

A program is run once for each round, in turn. --work_dir keeps converted models and what each run
gave; a run goes on from there. Needs requirements/dev.txt and requirements/openai.txt.
Writes benchmarks/results/inference.json.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# The repository, which holds `utils`, in place of the script's own folder: a library that
# openai-whisper loads looks for `coverage`, and would find the benchmark of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured
from utils.cli.console import say
from utils.cli.errors import Failure, UserError, run_script
from utils.cli.files import atomic_write
from utils.cli.flags import parse_settings

CHILD = REPOSITORY / "benchmarks" / "speed" / "programs.py"
REFERENCE = "faster-whisper float32"


@dataclass(frozen=True)
class Competitor:
    """A program with its settings.

    Attributes:
        kind: a key of `programs.OPENERS`.
        form: the model that it takes: "model" as it is, "thinned" the same that says that it was
            trained so, or a format with its form of weights.
        options: of the opener.
    """

    kind: str
    form: str
    options: dict[str, Any] = field(default_factory=dict)


COMPETITORS = {
    "infer.py": Competitor("infer", "model"),
    "infer.py thinned": Competitor("infer", "thinned"),
    "infer.py CTranslate2 float32": Competitor("infer ct2", "ct2:float32"),
    "infer.py CTranslate2 int8": Competitor("infer ct2", "ct2:int8"),
    "openai-whisper": Competitor("openai", "openai:float16"),
    "faster-whisper float32": Competitor("faster-whisper", "ct2:float32"),
    "faster-whisper float32 5 beams": Competitor("faster-whisper", "ct2:float32", {"beams": 5}),
    "faster-whisper int8": Competitor("faster-whisper", "ct2:float32", {"compute_type": "int8"}),
    "whisper.cpp f16": Competitor("whisper.cpp", "ggml:f16"),
    "transformers pipeline": Competitor("pipeline", "model"),
}


@dataclass(frozen=True)
class InferenceBenchSettings:
    """Which models, which recordings, how often."""

    models: list[str] = field(default_factory=lambda: ["demo/base"])
    """Models that are compared: folders of whole models. Of one whose name ends with .en,
    recordings in other languages are left out."""
    data: list[str] = field(default_factory=lambda: ["demo/zh/test.jsonl"])
    """Manifests, each a set that is named after its folder."""
    programs: list[str] = field(default_factory=lambda: list(COMPETITORS))
    """Programs that are measured."""
    clips: int = 0
    """Recordings of each set; 0 takes all."""
    rounds: int = 3
    """Times that each program transcribes everything; the table shows medians."""
    threads: int = 1
    """Processor threads of each program."""
    work_dir: Path = Path("output/inference")
    """Folder for sound, converted models and what each run gave."""
    output: Path = Path("benchmarks/results/inference.json")
    """File for the measurements; what it holds of other models stays."""
    table: bool = False
    """Print the tables from --output; nothing is run."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.programs if name not in COMPETITORS]
        if unknown:
            raise UserError(
                f"--programs: unknown {', '.join(unknown)}", f"Known are {'; '.join(COMPETITORS)}."
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Run each program on each model, round by round, or print what was measured."""
    settings = parse_settings(
        InferenceBenchSettings, argv, prog="inference.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        say(tables(read_measured(settings.output)))
        return
    for model in settings.models:
        sets = prepare_sound(model, settings)
        for number in range(settings.rounds):
            for name in settings.programs:
                run_program(name, model, sets, number, settings)
                keep_figures(model, sets, settings)
    say("\n" + tables(read_measured(settings.output)))


def prepare_sound(model: str, settings: InferenceBenchSettings) -> dict[str, list[Any]]:
    """Write every recording as a WAV file; returns the utterances of each set, by its name."""
    import soundfile

    from utils.audio.load import load_audio
    from utils.manifest.read import read_manifest

    sets: dict[str, list[Any]] = {}
    for path in settings.data:
        name = Path(path).resolve().parent.name
        chosen = list(read_manifest(path).utterances)
        if model.rstrip("/").endswith(".en"):
            chosen = [each for each in chosen if each.language in (None, "en")]
        chosen = chosen[: settings.clips or None]
        for each in chosen:
            target = sound_of(each, name, settings)
            if not target.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(target, load_audio(each.audio), 16_000)
        if chosen:
            sets[name] = chosen
    if not sets:
        raise UserError("--data: no recordings that the model can transcribe")
    return sets


def sound_of(utterance: Any, name: str, settings: InferenceBenchSettings) -> Path:
    """The WAV file of a recording."""
    return settings.work_dir.resolve() / "sound" / name / f"{utterance.id}.wav"


def model_for(form: str, model: str, settings: InferenceBenchSettings) -> Path:
    """The model in the form that a program takes, converted if it was not yet."""
    if form == "model":
        return Path(model)
    target = settings.work_dir / Path(model).name / form.replace(":", "-") / Path(model).name
    if not target.is_dir():
        convert(form, model, target)
    files = {"ggml": "ggml-model.bin", "openai": "model.pt"}
    return target / files.get(form.partition(":")[0], "")


def convert(form: str, model: str, target: Path) -> None:
    """Write a model in another form."""
    import importlib

    from utils.export.formats import find_format
    from utils.model.folders import write_folder
    from utils.model.load import load_model

    if form == "thinned":
        shutil.copytree(model, target)
        path = target / "generation_config.json"
        known = {**json.loads(path.read_text(encoding="utf-8")), "audio_context": "thinned"}
        path.unlink()
        path.write_text(json.dumps(known), encoding="utf-8")
        return
    name, _, quantization = form.partition(":")
    found, quantization = find_format(name, quantization)
    module = importlib.import_module(found.module)
    write_folder(target, lambda folder: module.write(load_model(model), folder, quantization))


def answer_path(name: str, model: str, number: int, settings: InferenceBenchSettings) -> Path:
    """Where a run's answer is kept."""
    file = f"{name.replace(' ', '-')}-{number}.json"
    return settings.work_dir / Path(model).name / "runs" / file


def run_program(
    name: str, model: str, sets: dict[str, list[Any]], number: int, settings: InferenceBenchSettings
) -> None:
    """Let a program transcribe all sets that it has not in this round, in a process of its own."""
    path = answer_path(name, model, number, settings)
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"sets": {}}
    left = {
        each: [str(sound_of(u, each, settings)) for u in utterances]
        for each, utterances in sets.items()
        if len(known["sets"].get(each, {"texts": ()})["texts"]) != len(utterances)
    }
    if not left:
        return
    competitor = COMPETITORS[name]
    request = {
        "kind": competitor.kind,
        "model": str(model_for(competitor.form, model, settings)),
        "options": competitor.options,
        "threads": settings.threads,
        "warm_up": next(iter(left.values()))[:1],
        "sets": left,
    }
    done = subprocess.run(
        [sys.executable, str(CHILD)],
        input=json.dumps(request),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, "OMP_NUM_THREADS": str(settings.threads), "HF_HUB_OFFLINE": "1"},
    )
    if done.returncode:
        raise Failure(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    found["sets"] = {**known["sets"], **found["sets"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        json.dump(found, file, ensure_ascii=False, indent=1)
    spent = {each: round(found["sets"][each]["processor_seconds"], 1) for each in left}
    say(f"{Path(model).name}, round {number + 1}, {name}: {spent} s of a processor")


def keep_figures(model: str, sets: dict[str, list[Any]], settings: InferenceBenchSettings) -> None:
    """Sum up what all runs of a model gave, and put it into the file of measurements."""
    programs = {}
    for name in COMPETITORS:
        paths = [answer_path(name, model, n, settings) for n in range(settings.rounds)]
        runs = [json.loads(path.read_text("utf-8")) for path in paths if path.is_file()]
        if not runs:
            continue
        programs[name] = {
            "version": runs[0]["version"],
            "peak_bytes": [run["peak_bytes"] for run in runs],
            "load_seconds": [run["load_seconds"] for run in runs],
            "sets": {
                each: figures_of([run["sets"][each] for run in runs], utterances)
                for each, utterances in sets.items()
                if all(each in run["sets"] for run in runs)
            },
        }
    known = read_measured(settings.output) if settings.output.is_file() else {"models": {}}
    seconds = {
        name: sum(_seconds(sound_of(u, name, settings)) for u in utterances)
        for name, utterances in sets.items()
    }
    known["machine"], known["threads"] = machine(), settings.threads
    known["models"][Path(model).name] = {"audio_seconds": seconds, "programs": programs}
    with atomic_write(settings.output) as file:
        json.dump(known, file, ensure_ascii=False, indent=2)
        file.write("\n")


def _seconds(path: Path) -> float:
    import soundfile

    return float(soundfile.info(str(path)).duration)


def figures_of(runs: Sequence[dict[str, Any]], utterances: Sequence[Any]) -> dict[str, Any]:
    """Error rate, times, and the texts of the first round of a set."""
    from utils.scoring.normalizers import choose_normalizer
    from utils.scoring.predictions import Prediction
    from utils.scoring.score import score_predictions
    from utils.scoring.statistics import rate_interval
    from utils.scoring.tokens import default_metric

    predictions = [
        Prediction(id=u.id, reference=u.sentence, hypothesis=text, language=u.language)
        for u, text in zip(utterances, runs[0]["texts"], strict=True)
    ]
    score = score_predictions(
        predictions,
        default_metric([u.language for u in utterances]),
        lambda each: choose_normalizer(each.language, remove_pun=True, to_simple=True),
    )
    return {
        "metric": score.metric,
        "rate": score.counts.rate,
        "interval": rate_interval(score),
        "errors": dict(zip([u.id for u in utterances], score.errors.tolist(), strict=True)),
        "seconds": [run["seconds"] for run in runs],
        "processor_seconds": [run["processor_seconds"] for run in runs],
        "texts": runs[0]["texts"],
    }


def tables(found: dict[str, Any]) -> str:
    """One table for each model."""
    from utils.report.tables import markdown_table

    parts = []
    header = [
        "program",
        "set",
        "error rate (95 %)",
        "texts as faster-whisper's",
        "seconds a minute",
    ]
    header += ["times faster-whisper's speed", "peak memory"]
    for model, measured in found["models"].items():
        rows = list(_rows(measured))
        parts.append(f"{model}:\n\n" + markdown_table(header, rows, words=2))
    return "\n\n".join(parts)


def _rows(measured: dict[str, Any]) -> Iterator[list[str]]:
    from utils.report.tables import percent, percent_interval

    programs = measured["programs"]
    reference = programs.get(REFERENCE, {"sets": {}})["sets"]
    for each, seconds in measured["audio_seconds"].items():
        for name, program in programs.items():
            figures = program["sets"].get(each)
            if figures is None:
                continue
            spent = statistics.median(figures["processor_seconds"])
            same = speed = ""
            if each in reference:
                theirs = reference[each]
                same = f"{sum(map(str.__eq__, figures['texts'], theirs['texts']))} of "
                same += str(len(theirs["texts"]))
                speed = f"{statistics.median(theirs['processor_seconds']) / spent:.1f}"
            rate = f"{figures['metric'].upper()} {percent(figures['rate'])} "
            rate += f"({percent_interval(figures['interval'])})"
            memory = f"{statistics.median(program['peak_bytes']) / 1e6:.0f} MB"
            yield [name, each, rate, same, f"{60 * spent / seconds:.1f}", speed, memory]


if __name__ == "__main__":
    sys.exit(run_script(main))
