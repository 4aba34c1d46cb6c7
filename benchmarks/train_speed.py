"""Fine-tuning beside the stock recipe: the same clips, examples and steps, on this machine.

    python benchmarks/train_speed.py                  # what `make bench-train` calls; about an hour
    python benchmarks/train_speed.py --means=4.5 --clips=16 --rounds=1   # a try

Each round trains one pass with the stock recipe and one with ours, in turn, so that a machine that
slows down in between slows both. Ratios are stock seconds over ours: of the training steps alone
(the stock recipe's features are computed before), and with the set-up. A second part shows how
set-up and step time grow with the number of utterances. Writes
benchmarks/results/train_speed.json: the machine, the versions, every single measurement, and
the ratios.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, spread, write_measured
from benchmarks.speed.tables import growth_table, recipe_table
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings

TINY = "tiny"
PLACES = ("data_dir", "output", "table")  # of no interest to others
CONTEXTS = ("dynamic", "mixed", "thinned", "full")


@dataclass(frozen=True)
class TrainSpeedSettings:
    """What is measured and how often."""

    model: str = TINY
    """"tiny" (random weights in the shape of whisper-tiny), or a folder such as demo/base."""
    data_dir: Path = Path("../shared/data")
    """Folder of recorded speech; the demo's clips serve where it is absent."""
    means: tuple[float, ...] = (4.5, 12.0, 30.0)
    """Mean lengths of the clips, in seconds."""
    batch_sizes: tuple[int, ...] = (8,)
    """Examples in a step."""
    contexts: tuple[str, ...] = ("dynamic", "mixed", "thinned")
    """Our audio contexts that are held against the stock recipe."""
    clips: tuple[int, ...] = (160, 96, 32)
    """Clips in the pass that is timed: one number for each mean, or one for all."""
    rounds: int = 3
    """Passes of each recipe."""
    utterances: tuple[int, ...] = (1_000, 10_000, 100_000)
    """Sizes of the training data whose set-up is timed."""
    growth_steps: int = 10
    """Steps that are trained with each of these."""
    num_workers: int = 0
    """Processes that read data, for both recipes."""
    seed: int = 0
    """Of lengths, weights and order."""
    output: Path = Path("benchmarks/results/train_speed.json")
    """File for the measurements."""
    table: bool = False
    """Print the tables of docs/speed.md from --output; nothing is measured."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.contexts if name not in CONTEXTS]
        if unknown:
            raise UserError(f"--contexts={','.join(unknown)}: expected {', '.join(CONTEXTS)}")
        if len(self.clips) not in (1, len(self.means)):
            raise UserError(f"--clips={self.clips}: expected one, or one for each of {self.means}")
        numbers = (*self.batch_sizes, *self.utterances, *self.clips, self.rounds)
        if min((*numbers, self.growth_steps)) < 1:
            raise UserError("a number of clips, steps, rounds or utterances is below 1")
        if not all(0.5 <= mean <= 30 for mean in self.means):
            raise UserError(f"--means={self.means}: expected 0.5 to 30 seconds")

    @property
    def clips_of_means(self) -> tuple[int, ...]:
        """Clips for each mean length."""
        return self.clips * len(self.means) if len(self.clips) == 1 else self.clips


def main(argv: Sequence[str] | None = None) -> None:
    """Time both recipes and the growth, write the file, say the ratios."""
    settings = parse_settings(
        TrainSpeedSettings, argv, prog="train_speed.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        found = read_measured(settings.output)
        say(f"{recipe_table(found)}\n\n{growth_table(found)}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = tiny_model(folder / TINY, settings.seed) if settings.model == TINY else None
        path = str(model or settings.model)
        asked = asdict(settings)
        found = {
            "schema": 1,
            "machine": machine(),
            "settings": {name: asked[name] for name in asked if name not in PLACES},
            "speech": "recorded" if settings.data_dir.is_dir() else "demo",
            "training": [
                compare(settings, path, folder, Case(mean, clips, batch_size))
                for mean, clips in zip(settings.means, settings.clips_of_means, strict=True)
                for batch_size in settings.batch_sizes
            ],
            "growth": growth(settings, path, folder),
        }
    write_measured(settings.output, found)


def tiny_model(folder: Path, seed: int) -> Path:
    """Write a Whisper of tiny's shape (39 M parameters) with random weights."""
    import torch
    from transformers import GenerationConfig, WhisperConfig, WhisperProcessor

    from utils.model.audio_context.encoder import FlexibleWhisper
    from utils.model.folders import save_model

    torch.manual_seed(seed)
    config = WhisperConfig.from_pretrained("demo/base")
    heads = {"encoder_attention_heads": 6, "decoder_attention_heads": 6}
    layers = {"encoder_layers": 4, "decoder_layers": 4, "d_model": 384}
    config.update({**heads, **layers, "encoder_ffn_dim": 1536, "decoder_ffn_dim": 1536})
    model = FlexibleWhisper(config)
    model.generation_config = GenerationConfig.from_pretrained("demo/base")
    save_model(model, WhisperProcessor.from_pretrained("demo/base"), folder)
    return folder


@dataclass(frozen=True)
class Case:
    """Mean seconds of the clips, how many there are, and how many make a step."""

    mean: float
    clips: int
    batch_size: int


def compare(settings: TrainSpeedSettings, model: str, folder: Path, case: Case) -> dict[str, Any]:
    """Both recipes on clips of a mean length in steps of one size."""
    from benchmarks.speed.clips import sources, write_clips
    from benchmarks.speed.recipes import Pass, Timing, ours, steps_of, stock

    mean, batch_size = case.mean, case.batch_size
    clips = folder / f"clips-{mean:g}"
    data = clips / "train.jsonl"
    if not data.is_file():
        write_clips(mean, case.clips, clips, sources(settings.data_dir), settings.seed)
    steps = steps_of(case.clips, batch_size)
    timings: dict[str, list[Timing]] = {name: [] for name in ("stock", *settings.contexts)}
    for number in range(settings.rounds):
        run = folder / f"run-{mean:g}-{batch_size}-{number}"
        work = Pass(model, data, batch_size, steps, run, settings.num_workers, settings.seed)
        timings["stock"].append(stock(work))
        for name in settings.contexts:
            timings[name].append(ours(work, name))
    ratios = {}
    for name in settings.contexts:
        pairs = list(zip(timings["stock"], timings[name], strict=True))
        ratios[name] = {
            "training": spread([a.training / b.training for a, b in pairs]),
            "with_setup": spread(
                [(a.setup + a.training) / (b.setup + b.training) for a, b in pairs]
            ),
        }
        ratio = ratios[name]["training"]
        say(
            f"mean {mean:g} s, batch {batch_size}: ours ({name}) is {ratio['median']:.1f} times as "
            f"fast ({ratio['minimum']:.1f} to {ratio['maximum']:.1f})"
        )
    return {
        "mean_seconds": mean,
        "batch_size": batch_size,
        "examples": case.clips,
        "steps": steps,
        "seconds": {name: [asdict(each) for each in rows] for name, rows in timings.items()},
        "stock_over_ours": ratios,
    }


def growth(settings: TrainSpeedSettings, model: str, folder: Path) -> list[dict[str, Any]]:
    """Set-up and step time of our recipe by number of utterances, pieces of the same few clips."""
    from benchmarks.speed.clips import sources, write_clips, write_pieces
    from benchmarks.speed.growth import grow

    files = write_clips(4.5, 64, folder / "pieces", sources(settings.data_dir), settings.seed)
    found = []
    for number in settings.utterances:
        data = write_pieces(number, files, folder / f"{number}.jsonl", settings.seed)
        rounds = [
            grow(model, data, files, settings.growth_steps, folder / "growth", settings.seed)
            for _ in range(settings.rounds)
        ]
        found.append({"utterances": number, "rounds": rounds})
        best = {name: min(each[name] for each in rounds) for name in ("read", "table", "layout")}
        step = min(min(each["steps"]) for each in rounds)
        parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in best.items())
        say(f"{number} utterances: {parts}; a step {step:.2f} s")
    return found


if __name__ == "__main__":
    sys.exit(run_script(main))
