"""A run is scored, saved and logged as its length asks, and says so; and it says when it failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import finetune
from tests.training.test_run import flags, metrics
from utils.training.arguments import with_pace
from utils.training.settings.runs import LoraSettings


@pytest.mark.parametrize(
    ("total", "in_a_pass", "pace"),
    [
        (1, 1, (1, 1, 1)),
        (40, 40, (4, 4, 1)),
        (120, 40, (12, 12, 2)),
        (300, 10, (10, 10, 6)),  # at least once in each pass
        (9_000, 3_000, (900, 900, 100)),
        (100_000, 100_000, (10_000, 1000, 100)),  # no more than 1000 steps are lost
    ],
)
def test_the_pace_follows_the_length(
    total: int, in_a_pass: int, pace: tuple[int, int, int]
) -> None:
    found = with_pace(LoraSettings(), total, in_a_pass)
    assert (found.eval_steps, found.save_steps, found.logging_steps) == pace


@pytest.mark.parametrize(
    ("total", "in_a_pass", "dev_share", "pace"),
    [
        (120, 40, 1 / 8, (40, 12, 2)),  # three passes: no more than one evaluation in each
        (60, 60, 1 / 8, (60, 6, 1)),
        (400, 400, 1 / 100, (40, 40, 8)),  # a small dev set costs little
        (1000, 200, 1 / 20, (100, 100, 20)),
        (1000, 1000, 1 / 40, (250, 100, 20)),
    ],
)
def test_dev_scores_take_a_tenth_of_the_time(
    total: int, in_a_pass: int, dev_share: float, pace: tuple[int, int, int]
) -> None:
    found = with_pace(LoraSettings(), total, in_a_pass, dev_share)
    assert (found.eval_steps, found.save_steps, found.logging_steps) == pace


@pytest.mark.parametrize(
    ("total", "given", "steps"),
    [(1, None, 0), (40, None, 4), (120, None, 12), (9_000, None, 50), (40, 50, 50), (9_000, 0, 0)],
)
def test_the_warm_up_is_a_tenth_of_a_short_run(total: int, given: int | None, steps: int) -> None:
    assert with_pace(LoraSettings(warmup_steps=given), total, total).warmup_steps == steps


def test_what_is_given_is_taken() -> None:
    given = LoraSettings(eval_steps=1000, save_steps=500, logging_steps=100)
    assert with_pace(given, 40, 40) == replace(given, warmup_steps=4)
    some = with_pace(LoraSettings(eval_steps=7), 40, 40)
    assert (some.eval_steps, some.save_steps, some.logging_steps) == (7, 7, 1)


def test_a_short_run_is_scored_often_and_its_settings_show_it(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drop = ("--eval_steps", "--save_steps", "--logging_steps")
    command = flags(tiny_model, speech_manifest, tmp_path, max_steps=6, eval_on_start=True)
    command = [flag for flag in command if flag.split("=")[0] not in drop]
    # Nothing can be learned: the base stays the best.
    finetune.main([*command, "--learning_rate=1e-12"])
    told = capsys.readouterr()
    run = tmp_path / "tiny"
    saved = yaml.safe_load((run / "settings.yaml").read_text(encoding="utf-8"))
    often = saved["eval_steps"]  # once in a pass: the dev set is as large as the training set
    assert 1 < often < 6
    assert (saved["save_steps"], saved["logging_steps"]) == (1, 1)
    pace = f"scored every {often}, saved every 1, logged every 1"
    assert f"schedule     6 steps, 1 of them warm-up; {pace}" in told.out
    scored = [line["step"] for line in metrics(run) if "dev_cer" in line]
    assert scored == sorted({*range(0, 7, often), 6})
    said = " ".join(told.err.split())
    assert "training did not improve on the base: dev CER" in said
    assert "checkpoint-best is the base itself" in said
    assert "Try a lower --learning_rate" in said
    finetune.main([*command, "--learning_rate=1e-12"])
    assert "nothing to do" in capsys.readouterr().out
    finetune.main([f"--config={run / 'settings.yaml'}"])  # the same run, its pace spelled out
    assert "nothing to do" in capsys.readouterr().out
