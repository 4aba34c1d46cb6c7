"""The benchmark on recorded speech: its compact vocabulary, its commands, and what it may hear."""

from __future__ import annotations

import importlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.real.commands import Job
from benchmarks.real.sets import SETS, plain_text, write_plain_manifest
from benchmarks.real.vocabulary import UsedVocabulary
from utils.cli.flags import parse_settings

REPOSITORY = Path(__file__).resolve().parent.parent


def test_compact_softmax_equals_the_full_one():
    torch.manual_seed(0)
    vocabulary = UsedVocabulary.of([7, 3, 11, 3], full_size=20)
    rows, hidden = torch.randn(vocabulary.size, 8), torch.randn(5, 8)
    compact = (hidden @ rows.T + vocabulary.logit_offset()).log_softmax(-1)
    full = (hidden @ vocabulary.expand(rows).T).log_softmax(-1)
    for token in (3, 7, 11):
        torch.testing.assert_close(compact[:, vocabulary.compact_id(token)], full[:, token])
    unused = full[:, [t for t in range(20) if t not in (3, 7, 11)]].exp().sum(-1)
    torch.testing.assert_close(compact[:, -1].exp(), unused)


def test_used_ids_come_back_and_unused_ones_share_a_row():
    vocabulary = UsedVocabulary.of([7, 3, 11], full_size=20)
    assert [vocabulary.full_id(vocabulary.compact_id(token)) for token in (3, 7, 11)] == [3, 7, 11]
    assert {vocabulary.compact_id(token) for token in (0, 4, 19)} == {3}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("OUR WISH IS", "our wish is"),
        ("in being comparatively modern.", "in being comparatively modern"),
        ("Don't -- stop", "don't stop"),
        ("设定三十度", "设定三十度"),
    ],
)
def test_plain_text_is_lower_case_words(text, plain):
    assert plain_text(text) == plain == plain_text(plain)


@pytest.mark.parametrize("name", SETS)
def test_every_command_names_flags_that_its_script_has(name, settings_of):
    job = Job(SETS[name], Path("../shared/data"), Path("output/real_speech"), 6.0)
    for script, *flags in job.commands():
        settings = parse_settings(settings_of(script), flags, prog=script, description="")
        assert settings is not None


@pytest.mark.parametrize("name", SETS)
def test_test_parts_are_only_checked_and_scored(name):
    job = Job(SETS[name], Path("../shared/data"), Path("output/real_speech"), 6.0)
    with_test = [step[0] for step in job.commands() if any("test.jsonl" in flag for flag in step)]
    assert set(with_test) == {"check_data.py", "evaluation.py"}


def test_without_recordings_it_is_skipped_by_name(tmp_path):
    command = [sys.executable, "benchmarks/real_speech.py", f"--data_dir={tmp_path}/none"]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert run.returncode == 0
    assert run.stdout.startswith("skipped: there is no recorded speech in")
    assert "zh_aishell_S0150" in run.stdout


@pytest.mark.requires_shared
def test_derived_manifests_change_the_text_alone(shared, tmp_path):
    name = "en_speechocean762/dev"
    write_plain_manifest(shared / "data", name, tmp_path / "dev.jsonl")
    before = (shared / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    after = (tmp_path / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(before) == len(after)
    for old, new in zip(map(json.loads, before), map(json.loads, after), strict=True):
        assert new["sentence"] == old["sentence"].lower()
        assert new["id"] == old["id"]
        assert Path(new["audio"]["path"]).samefile(
            shared / "data" / "en_speechocean762" / old["audio"]["path"]
        )


@pytest.mark.requires_shared
def test_new_texts_are_made_of_train_texts_and_nothing_else(shared):
    texts = importlib.import_module("benchmarks.real.texts")
    opened = []
    original = texts.read_utterances

    def watched(data_dir, name):
        opened.append(name)
        return original(data_dir, name)

    texts.read_utterances = watched
    try:
        planned = texts.plan_texts(shared / "data", texts.Amounts(1, 5, 5, 5, 5), random.Random(0))
    finally:
        texts.read_utterances = original
    assert len(planned) == 320 + 480 + 2 * (5 + 5)
    assert not [name for name in opened if name.endswith(("/dev", "/test"))]
