"""The training benchmarks: clips of the wanted length, both recipes, the table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import context_table, train_speed
from benchmarks.speed.clips import BUNDLED, sources, wanted_lengths, write_clips, write_pieces
from benchmarks.speed.contexts import BASE, Kind, markdown_table
from utils.audio.features import SAMPLE_RATE
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest


@pytest.mark.parametrize("mean", [2.0, 4.5, 12.0, 30.0])
def test_lengths_have_the_mean_that_is_wanted(mean: float) -> None:
    lengths = wanted_lengths(mean, 500, np.random.default_rng(0))
    assert lengths.mean() == pytest.approx(mean, rel=0.01)
    assert lengths.min() >= 1.0 and lengths.max() <= 30.0


def test_clips_are_joined_from_speech_with_its_text(tmp_path: Path) -> None:
    manifests = sources(tmp_path / "nowhere")
    assert manifests == [Path(name) for name in BUNDLED]
    written = read_manifest(write_clips(6.0, 4, tmp_path / "clips", manifests, seed=0))
    for utterance in written:
        samples = load_audio(utterance.audio)
        assert len(samples) / SAMPLE_RATE == pytest.approx(utterance.duration)
        assert np.abs(samples).max() > 0.01
        assert utterance.sentence.strip()
    assert sum(u.duration for u in written) / 4 == pytest.approx(6.0, rel=0.01)


def test_many_utterances_are_pieces_of_few_files(tmp_path: Path) -> None:
    files = write_clips(2.0, 2, tmp_path / "clips", sources(tmp_path / "nowhere"), seed=0)
    pieces = read_manifest(write_pieces(50, files, tmp_path / "pieces.jsonl", seed=0))
    assert len(pieces) == 50
    assert len({utterance.audio.path for utterance in pieces}) == 2
    assert len(load_audio(pieces[0].audio)) > SAMPLE_RATE / 2


def test_both_recipes_are_timed_and_every_measurement_is_kept(
    tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "speed.json"
    train_speed.main(
        [
            f"--model={tiny_model}",
            f"--data_dir={tmp_path / 'nowhere'}",
            "--means=2",
            "--batch_sizes=2",
            "--contexts=dynamic",
            "--clips=3",
            "--rounds=2",
            "--utterances=20",
            "--growth_steps=2",
            f"--output={output}",
        ]
    )
    found = json.loads(output.read_text())
    (row,) = found["training"]
    assert (row["examples"], row["steps"]) == (3, 2)
    for name in ("stock", "dynamic"):
        assert len(row["seconds"][name]) == 2
        assert all(each["training"] > 0 for each in row["seconds"][name])
    ratio = row["stock_over_ours"]["dynamic"]["training"]
    assert ratio["minimum"] <= ratio["median"] <= ratio["maximum"]
    (size,) = found["growth"]
    assert [len(each["steps"]) for each in size["rounds"]] == [2, 2]
    assert {"machine", "settings", "speech"} <= set(found)
    assert str(tmp_path) not in json.dumps({**found, "settings": None})


def test_a_kind_becomes_the_commands_that_a_person_would_type() -> None:
    settings = context_table.ContextTableSettings(margin=0.5, match_steps=7)
    command = Kind(settings, "dynamic+match+margin", 1).training()
    assert {"--audio_context=dynamic", "--context_margin=0.5", "--context_match_steps=7"} <= set(
        command
    )
    assert not any("context_warmup" in flag for flag in command)
    base = Kind(settings, BASE, 0)
    assert "--model_path=demo/base" in base.evaluation("full")


@pytest.mark.parametrize("kind", ["long", "mixed+magic", "full+match", "thinned+margin"])
def test_a_kind_that_does_not_exist_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match="of full, thinned, mixed, dynamic, the last two"):
        context_table.ContextTableSettings(kinds=(kind,))


def test_the_table_has_a_line_for_each_training() -> None:
    score = {"metric": "cer", "rate": 0.5, "interval": [0.4, 0.6], "cpu_seconds": 2.0}
    rows = [
        {
            **{"trained": BASE, "seed": 0, "dynamic": score, "thinned": {**score, "rate": 0.125}},
            "full": {**score, "rate": 0.25},
        },
        {
            "trained": "mixed",
            "seed": 42,
            "training": {"step": 10, "command_cpu_seconds": 9.0},
            **dict.fromkeys(("dynamic", "thinned", "full"), score),
        },
    ]
    lines = markdown_table({"rows": rows}).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    rates = ["50.00 % (40.00 to 60.00 %)", "12.50 % (40.00 to 60.00 %)"]
    assert f"| {' | '.join([*rates, '25.00 % (40.00 to 60.00 %)'])} |" in lines[2]
    assert lines[3].startswith("| mixed | 42 | 10 | 9 |")


@pytest.mark.parametrize("script", ["train_speed.py", "context_table.py"])
def test_help_says_what_is_measured(script: str, repository: Path) -> None:
    command = [sys.executable, f"benchmarks/{script}", "--help"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "--output" in done.stdout
