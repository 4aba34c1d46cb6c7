"""What continuous integration does with this demo: fine-tune, compare, gate, report.

    python demo/ci_report.py                       # what `make ci-report` calls; five minutes
    python demo/ci_report.py --max_steps=20        # a shorter training

The steps are those of deploy/ci/github.yml, and the runner's files are stood in for: the step
summary is written to output/ci/step-summary.md, the artifact to output/ci/evaluation.zip. Then a
model that is worse on purpose (the tuned one, with every fifth answer cut in half) is held against
the tuned one: the gate must say so with exit code 3, and the reports must name the lines that are
to blame, and no others.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli.console import say
from utils.cli.errors import Failure, run_script
from utils.cli.flags import parse_settings
from utils.cli.steps import run_step
from utils.report.forms import FORMS
from utils.report.summary import COMMENT_BYTES, SUMMARY_BYTES
from utils.scoring.predictions import read_predictions, write_predictions

REPOSITORY = Path(__file__).resolve().parent.parent
SETS = "zh=demo/zh/test.jsonl,en=demo/en/test.jsonl"
GATE = "failed<=0, missing<=0, cer.delta<0, wer.delta<0"
OVER = "--interval_over=utterance"
"""The demo's two speakers a language are all that it is about."""
KEPT = ("tuned/*.html", "tuned/*.json", "tuned/*.xml", "tuned/*.md", "tuned/predictions/*")
"""What the runner keeps, below its output folder."""
SPOILT_EVERY = 5
REGRESSED = 3  # exit code of evaluation.py


@dataclass(frozen=True)
class CiSettings:
    """How long the demo trains and where it writes."""

    output_dir: str = "output/ci"
    """Folder for everything that is written."""

    max_steps: int = 80
    """Steps of the training."""


def main(argv: Sequence[str] | None = None) -> None:
    """Train, evaluate with a gate, look at the reports, and plant a regression."""
    settings = parse_settings(CiSettings, argv, prog="ci_report.py", description=__doc__ or "")
    os.chdir(REPOSITORY)
    out = Path(settings.output_dir)
    summary = out / "step-summary.md"
    summary.unlink(missing_ok=True)
    run_step("1/3", train_command(out, settings.max_steps))
    code = run_as_runner("2/3", evaluate_command(out), summary)
    if code:
        raise Failure(f"the gate ended with {code}", f"See {out / 'tuned' / 'comment.md'}.")
    expect_reports(out / "tuned", summary)
    pack_artifact(out)
    spoilt = plant_regression(out)
    code = run_as_runner("3/3", regression_command(out), out / "step-summary-regression.md")
    expect_caught(code, out / "regression", spoilt)
    say(f"\nthe planted regression was caught; its comment: {out / 'regression' / 'comment.md'}")
    say(f"the page: {out / 'tuned' / 'report.html'}")


def train_command(out: Path, max_steps: int) -> list[str]:
    """Return the fine-tuning of the demo's model, shorter than that of `make demo`."""
    return [
        "finetune.py",
        "--config=configs/demo.yaml",
        f"--output_dir={out}",
        "--overwrite_output_dir=True",
        f"--max_steps={max_steps}",
        f"--eval_steps={max_steps}",
        f"--save_steps={max_steps}",
    ]


def evaluate_command(out: Path) -> list[str]:
    """Return the comparison of the tuned model with its base."""
    return [
        "evaluation.py",
        f"--test_data={SETS}",
        f"--model_path=tuned={out / 'base' / 'checkpoint-best'}",
        "--baseline=base=demo/base",
        f"--gate={GATE}",
        OVER,
        f"--report_dir={out / 'tuned'}",
    ]


def regression_command(out: Path) -> list[str]:
    """Return the comparison of the spoilt predictions with the tuned model's."""
    ready = ",".join(str(out / "spoilt" / f"spoilt--{name}.jsonl") for name in ("zh", "en"))
    before = ",".join(
        str(out / "tuned" / "predictions" / f"tuned--{name}.jsonl") for name in ("zh", "en")
    )
    return [
        "evaluation.py",
        f"--test_data={SETS}",
        f"--predictions={ready}",
        f"--baseline={before}",
        "--gate=cer.delta<=0.02, wer.delta<=0.02",
        OVER,
        f"--report_dir={out / 'regression'}",
    ]


def run_as_runner(number: str, command: Sequence[str], summary: Path) -> int:
    """Run a script with the variables that GitHub's runners set; return its exit code."""
    summary.unlink(missing_ok=True)
    runner = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    say(f"\n[{number}] python {shlex.join(command)}")
    return subprocess.run([sys.executable, *command], env={**os.environ, **runner}).returncode


def expect_reports(folder: Path, summary: Path) -> None:
    """See that every form is there and within its limit.

    Raises:
        Failure: One is missing or too large.
    """
    limits = {FORMS["comment"]: COMMENT_BYTES, FORMS["summary"]: SUMMARY_BYTES}
    for name in FORMS.values():
        path = folder / name
        if not path.is_file():
            raise Failure(f"{path} was not made")
        size = path.stat().st_size
        if size > limits.get(name, size):
            raise Failure(f"{path} has {size} bytes, more than {limits[name]}")
        say(f"{size:>10} bytes  {path}")
    if not summary.is_file():
        raise Failure(f"{summary} was not written")


def plant_regression(out: Path) -> list[str]:
    """Write predictions with every fifth answer cut in half; return the ids of those."""
    spoilt = []
    for name in ("zh", "en"):
        lines = read_predictions(out / "tuned" / "predictions" / f"tuned--{name}.jsonl")
        for place in range(0, len(lines), SPOILT_EVERY):
            hypothesis = lines[place].hypothesis
            lines[place] = replace(lines[place], hypothesis=hypothesis[: len(hypothesis) // 2])
            spoilt.append(lines[place].id)
        write_predictions(out / "spoilt" / f"spoilt--{name}.jsonl", lines)
    return spoilt


def pack_artifact(out: Path) -> None:
    """Pack what the runner keeps, and see that all of it is there.

    Raises:
        Failure: Something that is to be kept was not made.
    """
    archive = out / "evaluation.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for pattern in KEPT:
            found = [path for path in sorted(out.glob(pattern)) if path.is_file()]
            if not found:
                raise Failure(f"there is no {out / pattern} to keep")
            for path in found:
                packed.write(path, path.relative_to(out))
    say(f"{archive.stat().st_size:>10} bytes  {archive}")


def expect_caught(code: int, folder: Path, spoilt: Sequence[str]) -> None:
    """Check that the gate refuses, and that the lines named are those to blame.

    Raises:
        Failure: Another exit code, another line is named, or the tests' panel shows no failure.
    """
    if code != REGRESSED:
        raise Failure(f"the planted regression ended with {code}, expected {REGRESSED}")
    for form in ("comment", "summary"):
        text = (folder / FORMS[form]).read_text(encoding="utf-8")
        named = [line.split("`")[1] for line in text.splitlines() if line.startswith("**`")]
        if not named or not set(named) <= set(spoilt):
            raise Failure(f"the {form} names {named[:3]}, expected some of {list(spoilt)[:3]}")
        if "gate ❌" not in text.partition("\n")[0]:
            raise Failure(f"the {form} does not begin with the gate's answer")
    panel = ElementTree.parse(folder / FORMS["junit"])
    failures = "\n".join(each.text or "" for each in panel.iter("failure"))
    if not any(name in failures for name in named):
        raise Failure(f"{FORMS['junit']} has no failure that names any of {named[:3]}")
    answer = json.loads((folder / "results.json").read_text(encoding="utf-8"))["gate"]["answer"]
    say(f"gate: {answer}; first lines named: {', '.join(named[:3])}")


if __name__ == "__main__":
    sys.exit(run_script(main))
