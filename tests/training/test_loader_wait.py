"""A run that waits for its data says so, once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import finetune
from utils.data.dataset import SpeechDataset
from utils.training.loader_wait import STARTING_STEPS, WATCHED_STEPS, LoaderWatch


def pretend(watch: LoaderWatch, clock: pytest.MonkeyPatch, wait: float, compute: float) -> None:
    """Twice as many steps as it takes to judge, on a clock of our own."""
    now = [0.0]
    clock.setattr(time, "perf_counter", lambda: now[0])
    for _ in range(STARTING_STEPS + 2 * WATCHED_STEPS):
        now[0] += compute
        with watch:
            now[0] += wait


def test_waiting_is_said_once_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(LoaderWatch(workers=2), monkeypatch, wait=1.0, compute=1.0)
    said = capsys.readouterr().err
    assert said.count("warning:") == 1
    assert "50% of the training time is spent waiting for data" in said
    assert "Give --num_workers=4" in said


def test_a_run_that_computes_all_the_time_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(LoaderWatch(workers=2), monkeypatch, wait=0.1, compute=1.0)
    assert capsys.readouterr().err == ""


def test_slow_decoding_is_noticed_during_a_run(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    read = SpeechDataset.__getitem__

    def slowly(self: SpeechDataset, key: object) -> object:
        time.sleep(0.1)
        return read(self, key)

    monkeypatch.setattr(SpeechDataset, "__getitem__", slowly)
    finetune.main(
        [
            f"--base_model={tiny_model}",
            f"--train_data={speech_manifest}",
            f"--dev_data={speech_manifest}",
            f"--output_dir={tmp_path}",
            f"--max_steps={STARTING_STEPS + WATCHED_STEPS}",
            "--per_device_train_batch_size=2",
            "--num_workers=0",
            "--eval_on_start=False",
            "--eval_steps=1000",
            "--save_steps=1000",
            "--audio_context=dynamic",
        ]
    )
    assert "waiting for data" in capsys.readouterr().err
