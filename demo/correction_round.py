"""A round of correction on the bundled data: evaluate, correct ten lines, train again, evaluate.

    python demo/correction_round.py        # docs/reports.md tells of it; six minutes on two cores

A hundred Chinese lines of the demo's training set, of which ten have each other's transcripts, as
when a list has slipped. The base model's page puts them on top. A person would correct them by ear;
here the transcripts that were exchanged stand in for the ear. Writes everything to
output/correction_round/; the last page has the model trained on the corrected lines against the
one trained on them as they were.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils` and `demo`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.files import atomic_write
from utils.cli.flags import parse_settings
from utils.cli.steps import run_step
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest
from utils.report.report_data import read_report_data

REPOSITORY = Path(__file__).resolve().parent.parent
LINES, EXCHANGED = 100, 10
STEPS = 6


@dataclass(frozen=True)
class RoundSettings:
    """Where the round writes, and how long it trains."""

    output_dir: str = "output/correction_round"
    """folder for everything that is written"""

    max_steps: int = -1
    """stop each training after so many steps; -1: as configs/demo.yaml says"""

    seed: int = 0
    """of which transcripts are exchanged"""


def main(argv: Sequence[str] | None = None) -> None:
    """Go the round, and say what it changed."""
    settings = parse_settings(
        RoundSettings, argv, prog="correction_round.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    out = Path(settings.output_dir)
    right = [each for each in read_manifest("demo/train.jsonl") if each.language == "zh"][:LINES]
    slipped = exchange(right, EXCHANGED, settings.seed)
    write_manifest(out / "slipped.json", slipped)
    # The demo's dev set is half English. What is trained on Chinese alone forgets English, and the
    # best checkpoint would be chosen by that.
    dev = [each for each in read_manifest("demo/dev.jsonl") if each.language == "zh"]
    write_manifest(out / "dev.json", dev)
    evaluate = ["evaluation.py", "--language=zh", "--metric=cer"]
    found = [f"--test_data=train={out}/slipped.json", f"--report_dir={out}/found"]
    run_step(f"1/{STEPS}", [*evaluate, "--model_path=demo/base", *found])
    listened = correct_by_ear(out / "found/results.json", right, out / "corrections.jsonl")
    say(f"\n{EXCHANGED} lines corrected; {listened} were listened to, the highest rate first")
    path = [f"--path={out}/slipped.json", f"--corrections={out}/corrections.jsonl"]
    run_step(
        f"2/{STEPS}", ["custom.py", "manifest", *path, "--name=corrected", f"--output_dir={out}"]
    )
    for number, name in enumerate(("slipped", "corrected"), 3):
        run_step(f"{number}/{STEPS}", train(out, name, settings.max_steps))
    models = [f"{name}={out}/{name}/base/checkpoint-best" for name in ("corrected", "slipped")]
    against = [f"--model_path={models[0]}", f"--baseline=base=demo/base,{models[1]}"]
    test = ["--test_data=test=demo/zh/test.jsonl", f"--report_dir={out}/report"]
    run_step(f"5/{STEPS}", [*evaluate, *against, *test])
    page = [f"--results={out}/report/results.json", "--title=A round of correction"]
    run_step(f"6/{STEPS}", ["report.py", *page, "--forms=html"])


def exchange(right: Sequence[Utterance], number: int, seed: int) -> list[Utterance]:
    """Return the lines, of which some have each other's sentences.

    Args:
        right: Lines with their own sentences.
        number: How many lose theirs.
        seed: Of which they are.
    """
    places = random.Random(seed).sample(range(len(right)), number)
    lines = [replace(each, sentences=None) for each in right]
    for place, other in zip(places, [*places[1:], places[0]], strict=True):
        lines[place] = replace(lines[place], sentence=right[other].sentence)
    return lines


def correct_by_ear(results: Path, right: Sequence[Utterance], target: Path) -> int:
    """Write corrections as the page exports them, walking down its list by highest rate.

    Args:
        results: Of the base model on the lines.
        right: The lines as they were, which stand in for listening.
        target: The file of corrections.

    Returns:
        How many lines were looked at until all were found.

    Raises:
        UserError: Fewer than `EXCHANGED` lines differ.
    """
    (view,) = read_report_data([results]).sets
    (score,) = view.scores.values()
    spoken = {each.id: each.sentence for each in right}
    rates = score.errors / score.tokens.clip(min=1)
    corrections, listened = [], 0
    for place in (-rates).argsort(kind="stable").tolist():
        listened += 1
        line = view.lines[place]
        if spoken[line.id] != line.reference:
            was = {"manifest": view.test_data, "id": line.id, "was": line.reference}
            corrections.append({**was, "sentence": spoken[line.id]})
        if len(corrections) == EXCHANGED:
            break
    else:
        raise UserError(
            f"only {len(corrections)} of {len(view.ids)} lines are wrong", "Try another --seed."
        )
    with atomic_write(target) as handle:
        handle.writelines(json.dumps(each, ensure_ascii=False) + "\n" for each in corrections)
    return listened


def train(out: Path, name: str, max_steps: int) -> list[str]:
    """Return the command that fine-tunes the demo's model on a manifest of the round."""
    return [
        "finetune.py",
        "--config=configs/demo.yaml",
        f"--train_data={out}/{name}.json",
        f"--dev_data={out}/dev.json",
        f"--output_dir={out}/{name}",
        "--overwrite_output_dir=True",
        *([f"--max_steps={max_steps}"] if max_steps > 0 else []),
    ]


if __name__ == "__main__":
    sys.exit(run_script(main))
