"""A run that is told to end saves and says so; the same command goes on and ends the same."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

import finetune
from tests.processes import start_forked, wait_until_said
from tests.soak import comparable_metrics
from tests.training.test_run import flags
from utils.cli.errors import Stopped
from utils.model.checksums import find_damage
from utils.model.folders import checkpoints
from utils.training.resume.signals import Interruption

PROGRAM = """
import sys, time
from types import SimpleNamespace
from utils.cli.errors import run_script
from utils.training.resume.signals import Interruption

def main(argv):
    interruption = Interruption(grace_seconds=float(sys.argv[1]))
    control = SimpleNamespace(should_evaluate=True, should_training_stop=False, should_save=False)
    with interruption:
        print("ready", flush=True)
        while not control.should_training_stop:
            time.sleep(float(sys.argv[2]))  # a step
            interruption.on_step_end(None, None, control)
    assert control.should_save and not control.should_evaluate and interruption.evaluation_due
    interruption.raise_if_stopped(7, "checkpoint-7")

sys.exit(run_script(main))
"""


def run_and_signal(folder: Path, grace: float, step: float, *signals: int) -> tuple[int, str]:
    (folder / "program.py").write_text(PROGRAM)
    process = start_forked(["program.py", str(grace), str(step)], folder, folder)
    wait_until_said(process, folder, "ready")
    for number in signals:
        os.kill(process.pid, number)
        process.join(1.2)
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode, (folder / "stderr").read_text()


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGTERM, 143, "stopped by SIGTERM"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_ends_the_step_and_says_how_to_go_on(
    tmp_path: Path, number: int, code: int, word: str
) -> None:
    found, said = run_and_signal(tmp_path, 30, 0.2, number)
    assert found == code, said
    assert f"{word} after step 7; checkpoint-7 is saved" in said
    assert "The same command goes on" in said


def test_a_step_that_takes_longer_than_the_grace_time_is_given_up(tmp_path: Path) -> None:
    code, said = run_and_signal(tmp_path, 0.5, 50, signal.SIGTERM)
    assert code == 143
    assert "nothing was saved within --grace_seconds=0.5" in said


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    code, said = run_and_signal(tmp_path, 40, 50, signal.SIGINT, signal.SIGINT)
    assert code == 130
    assert "ended without saving" in said


def test_stopped_before_a_scoring_and_after_part_of_a_log_line_it_ends_the_same(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"max_steps": 6, "eval_steps": 2, "logging_steps": 3, "save_steps": 5}
    more = {**more, "lora_dropout": 0.3}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path / "whole", **more))
    step_end = Interruption.on_step_end

    def stop_at_two(self: Interruption, args: object, state: object, control: object) -> None:
        if state.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        step_end(self, args, state, control)

    monkeypatch.setattr(
        Interruption, "on_step_end", lambda s, a, t, c, **_: stop_at_two(s, a, t, c)
    )
    command = flags(tiny_model, speech_manifest, tmp_path / "cut", **more)
    with pytest.raises(Stopped) as caught:
        finetune.main(command)
    assert caught.value.exit_code == 143
    cut, whole = tmp_path / "cut" / "tiny", tmp_path / "whole" / "tiny"
    assert [path.name for path in checkpoints(cut)] == ["checkpoint-2"]
    assert find_damage(cut / "checkpoint-2") is None
    monkeypatch.undo()
    finetune.main(command)
    assert comparable_metrics(cut) == comparable_metrics(whole)
    for name in ("checkpoint-best", "checkpoint-final"):
        found, expected = (
            load_file(run / name / "adapter_model.safetensors") for run in (cut, whole)
        )
        assert all((found[key] == expected[key]).all() for key in expected)
