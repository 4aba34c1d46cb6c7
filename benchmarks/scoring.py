"""How long a million utterances take to score, with edit operations and intervals, on one core.

    python benchmarks/scoring.py                         # about two minutes
    python benchmarks/scoring.py --utterances=20000      # a quick look

Two models are scored on utterances like AISHELL's (4 to 24 Han characters) and like LibriSpeech's
(2 to 40 words), with a tenth of the tokens wrong: counts of normalised and raw text, the interval
of each rate, and the comparison with everything it says. Writes
benchmarks/results/scoring.json: the machine, the versions, every single measurement.
"""

from __future__ import annotations

import os
import platform
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, write_measured
from utils.cli.console import say
from utils.cli.errors import run_script
from utils.cli.flags import parse_settings
from utils.scoring.hallucinations import without_loops
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.scoring.secondary.writing import writing_figures
from utils.scoring.statistics import compare, rate_interval

HAN = [chr(point) for point in range(0x4E00, 0x4E00 + 3000)]
WORDS = [f"word{number}" for number in range(20_000)]
SPEAKER_EVERY = 350


@dataclass(frozen=True)
class BenchSettings:
    """What is measured."""

    utterances: int = 1_000_000
    """Utterances in each set."""
    error_rate: float = 0.1
    """Share of the tokens that is wrong."""
    seed: int = 0
    """Of the text and of the bootstrap."""
    output: str = "benchmarks/results/scoring.json"
    """File for the measurements."""


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both kinds of text, write the file, say the seconds."""
    settings = parse_settings(BenchSettings, argv, prog="scoring.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sets = {
        "cer, normalizer none": measure(settings, "cer", "none", HAN, (4, 24), ""),
        "cer, normalizer basic": measure(settings, "cer", "basic", HAN, (4, 24), ""),
        "cer, normalizer none, speakers": measure(
            settings, "cer", "none", HAN, (4, 24), "", speakers=True
        ),
        "wer, normalizer none": measure(settings, "wer", "none", WORDS, (2, 40), " "),
    }
    packages = ("numpy", "rapidfuzz", "scipy")
    result = {
        "schema": 1,
        "machine": {
            "cpu": platform.processor() or platform.machine(),
            "system": platform.system(),
            "cores_used": 1,
            "cores": os.cpu_count(),
            "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
        "utterances": settings.utterances,
        "sets": sets,
    }
    write_measured(settings.output, result)


def measure(
    settings: BenchSettings,
    metric: str,
    normalizer: str,
    vocabulary: Sequence[str],
    lengths: tuple[int, int],
    between: str,
    *,
    speakers: bool = False,
) -> dict[str, Any]:
    """Score two models on one kind of text.

    Returns:
        Wall and processor seconds of each phase; `one_model` is what "score a million
        utterances with operations and interval" takes.
    """
    chance = random.Random(settings.seed)
    references = [
        chance.choices(vocabulary, k=chance.randint(*lengths)) for _ in range(settings.utterances)
    ]
    lines = [
        tuple(
            Prediction(
                str(number),
                between.join(tokens),
                between.join(misheard(tokens, vocabulary, settings.error_rate, chance)),
                speaker=f"s{number // SPEAKER_EVERY}" if speakers else None,
            )
            for number, tokens in enumerate(references)
        )
        for _ in range(2)
    ]
    del references
    seconds: dict[str, Any] = {}
    with timed(seconds, "count"):
        score = score_predictions(lines[0], metric, normalizer)
        rate = score.rate
    with timed(seconds, "interval"):
        rate_interval(score, seed=settings.seed)
    with timed(seconds, "figures"):
        without_loops(score)
        writing_figures(score, settings.seed)
    other = score_predictions(lines[1], metric, normalizer)
    with timed(seconds, "compare"):
        compare(score, other, seed=settings.seed)
    one = {
        kind: round(seconds["count"][kind] + seconds["interval"][kind], 3)
        for kind in ("wall", "processor")
    }
    say(f"{metric}, {normalizer}: {one['wall']:.1f} s (processor {one['processor']:.1f} s)")
    return {"rate": rate, "one_model": one, "seconds": seconds}


def misheard(
    tokens: Sequence[str], vocabulary: Sequence[str], rate: float, chance: random.Random
) -> Iterator[str]:
    """Substitute, drop and add tokens, each kind a third of the errors."""
    for token in tokens:
        event = chance.random() / rate
        if event >= 2 / 3:
            yield chance.choice(vocabulary) if event < 1 else token
        elif event >= 1 / 3:
            yield token
            yield chance.choice(vocabulary)


@contextmanager
def timed(seconds: dict[str, Any], name: str) -> Iterator[None]:
    """Add the seconds of a block of code, on the wall and on the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    yield
    seconds[name] = {
        "wall": round(time.perf_counter() - wall, 3),
        "processor": round(time.process_time() - processor, 3),
    }


if __name__ == "__main__":
    sys.exit(run_script(main))
