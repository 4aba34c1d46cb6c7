"""How long a report of 100 thousand utterances and ten models takes to make, to open and to filter.

    python benchmarks/report_scale.py                        # two minutes
    python benchmarks/report_scale.py --utterances=5000      # a quick look

Makes predictions of ten models on utterances of 2 to 40 words or 4 to 24 Han characters, half of
each, makes the report, and opens it in headless Chromium: seconds until the page answers, until all
texts are unpacked, and until each filter has gone through all utterances. Needs `chromium` and
`chromedriver`. Writes benchmarks/results/report.json: the machine, the versions, every single
measurement.
"""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, write_measured
from benchmarks.scoring import HAN, misheard
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings
from utils.evaluation.results import Evaluated, build_results, write_results
from utils.report.forms import make_forms
from utils.scoring.predictions import Prediction, write_predictions
from utils.scoring.score import score_predictions

WORDS = [f"{a}{b}" for a in ("ba", "lo", "mi", "re", "su", "ta", "von") for b in "adeiknorst"]
PATIENCE_SECONDS = 60.0
FILTERS = ("von[ade] mi", r"\b(\w+) \1\b", "^ba.*ta$", "中.{0,3}国", "u-99")


@dataclass(frozen=True)
class BenchSettings:
    """What is measured."""

    utterances: int = 100_000
    """Utterances of the test set."""
    models: int = 10
    """Models that transcribed it."""
    repeats: int = 5
    """Times that the page is opened, and each filter is set."""
    seed: int = 0
    """Of the text."""
    output: str = "benchmarks/results/report.json"
    """File for the measurements."""


def main(argv: Sequence[str] | None = None) -> None:
    """Make the predictions, the report, and the measurements."""
    settings = parse_settings(
        BenchSettings, argv, prog="report_scale.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    with tempfile.TemporaryDirectory() as folder:
        results = write_evaluation(settings, Path(folder))
        began, worked = time.perf_counter(), processor_seconds()
        make_forms([results], Path(folder), ("html", "summary", "comment", "junit", "card"))
        made = {"wall": time.perf_counter() - began, "processor": processor_seconds() - worked}
        say(f"made in {made['wall']:.1f} s, {made['processor']:.1f} s of processor time")
        page = Path(folder, "report.html")
        measured = {
            "make_seconds": made,
            "page_bytes": page.stat().st_size,
            **measure_page(page, settings.repeats),
        }
    found = {"schema": 1, "machine": machine(), "utterances": settings.utterances}
    say(json.dumps(measured, indent=2))
    write_measured(settings.output, {**found, "models": settings.models, **measured})


def processor_seconds() -> float:
    """Return what this process and those that it waited for have worked."""
    return sum(os.times()[:4])


def machine() -> dict[str, Any]:
    """Describe the machine, and how busy it was."""
    return {
        "cpu": platform.processor() or platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
    }


def write_evaluation(settings: BenchSettings, folder: Path) -> Path:
    """Write results.json and predictions of all models, as evaluation.py does."""
    chance = random.Random(settings.seed)
    references = list(texts(settings.utterances, chance))
    evaluated = []
    for number in range(settings.models):
        rate = 0.02 + 0.02 * number
        lines = [
            Prediction(
                id=f"u-{place}",
                reference=between.join(tokens),
                hypothesis=between.join(misheard(tokens, vocabulary, rate, chance)),
                language=language,
                audio_seconds=0.3 * len(tokens),
                speaker=f"speaker-{place % 150}",
            )
            for place, (language, between, vocabulary, tokens) in enumerate(references)
        ]
        path = folder / "predictions" / f"model-{number}--bench.jsonl"
        write_predictions(path, lines)
        score = score_predictions(lines, "mer", "basic")
        evaluated.append(
            Evaluated(f"model-{number}", score, None, "bench.jsonl", predictions=str(path))
        )
    write_results(folder / "results.json", build_results(evaluated))
    return folder / "results.json"


def texts(
    number: int, chance: random.Random
) -> Iterator[tuple[str, str, Sequence[str], list[str]]]:
    """Yield language, what stands between tokens, vocabulary and tokens of each utterance."""
    for place in range(number):
        if place % 2:
            yield "en", " ", WORDS, chance.choices(WORDS, k=chance.randint(2, 40))
        else:
            yield "zh", "", HAN, chance.choices(HAN, k=chance.randint(4, 24))


def measure_page(page: Path, repeats: int) -> dict[str, Any]:
    """Open a page again and again, and set each filter."""
    measured: dict[str, Any] = {name: [] for name in ("open_seconds", "unpacked_seconds")}
    measured["unpacked_processor_seconds"] = []
    for name in ("filter_seconds", "filter_first_seconds", "filter_processor_seconds"):
        measured[name] = {pattern: [] for pattern in FILTERS}
    for _ in range(repeats):
        with open_page(page) as driver:
            loaded = driver.execute_script("return {...document.body.dataset}")
            measured["open_seconds"].append(float(loaded["opened"]))
            measured["unpacked_seconds"].append(float(loaded["ready"]))
            measured["unpacked_processor_seconds"].append(page_processor_seconds(driver))
            for pattern in FILTERS:
                before = page_processor_seconds(driver)
                chosen = filter_by(driver, pattern)
                worked = page_processor_seconds(driver) - before
                measured["filter_seconds"][pattern].append(float(chosen["took"]))
                measured["filter_first_seconds"][pattern].append(float(chosen["first"]))
                measured["filter_processor_seconds"][pattern].append(worked)
    return measured


@contextmanager
def open_page(page: Path) -> Iterator[Any]:
    """Open a report in headless Chromium and wait until all texts are unpacked."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    chromium, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver_program):
        raise UserError("chromium or chromedriver is not installed", "The page is opened in it.")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    try:
        driver.get(page.as_uri())
        wait(driver, "document.body.dataset.ready")
        yield driver
    finally:
        driver.quit()


def wait(driver: Any, condition: str) -> None:
    """Wait until a JavaScript expression is true."""
    from selenium.webdriver.support.ui import WebDriverWait

    until = WebDriverWait(driver, PATIENCE_SECONDS, poll_frequency=0.02).until
    until(lambda page: page.execute_script(f"return {condition}"), condition)


def filter_by(driver: Any, pattern: str) -> dict[str, str]:
    """Type a pattern into the filter; return what the page says about the time it took."""
    driver.execute_script(
        "document.getElementById('chosen').dataset.done = 'false';"
        "const field = document.getElementById('q');"
        "field.value = arguments[0];"
        "field.dispatchEvent(new Event('input', {bubbles: true}));",
        pattern,
    )
    wait(driver, "document.getElementById('chosen').dataset.done === 'true'")
    chosen: dict[str, str] = driver.execute_script(
        "return {...document.getElementById('chosen').dataset}"
    )
    return chosen


def page_processor_seconds(driver: Any) -> float:
    """Return what the processes that show the page have worked."""
    import psutil

    children = psutil.Process(driver.service.process.pid).children(recursive=True)
    times = [each.cpu_times() for each in children if "--type=renderer" in each.cmdline()]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    sys.exit(run_script(main))
