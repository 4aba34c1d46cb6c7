"""Every kind of file that a script reads is read or refused; `make fuzz` tries many more."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz import read_one, small_models
from tests.hostile.readers import Reader, changed, readers

LIGHT, HEAVY = 25, 1


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> list[Reader]:
    place = tmp_path_factory.mktemp("kinds")
    return readers(*small_models(place), place)


def test_a_good_file_of_each_kind_is_read(kinds: list[Reader], tmp_path: Path) -> None:
    for reader in kinds:
        if reader.share == 1:
            assert read_one(reader, reader.good, tmp_path / "input") == "read", reader.name


def test_a_changed_one_is_read_or_refused(kinds: list[Reader], tmp_path: Path) -> None:
    chance = random.Random(0)
    for reader in kinds:
        for _ in range(LIGHT if reader.share == 1 else HEAVY):
            content = changed(reader, chance)
            found = read_one(reader, content, tmp_path / "input")
            assert found in ("read", "refused"), (reader.name, content[:500], found)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("config.json", '"encoder_layers": 2', '"encoder_layers": 10000000'),
        ("config.json", '"d_model": 16', '"d_model": "16"'),
        ("config.json", '"use_cache": true', '"use_cache": [[]]'),
        ("config.json", '"vocab_size": 51865', '"vocab_size": 51864'),
        ("config.json", '"model_type": "whisper"', '"model_type": "bert"'),
        ("generation_config.json", '"bos_token_id": 50257', '"bos_token_id": 51865'),
        ("generation_config.json", '"audio_context": "mixed"', '"audio_context": ["mixed"]'),
        ("preprocessor_config.json", '"feature_size": 80', '"feature_size": 128'),
        ("preprocessor_config.json", '"sampling_rate": 16000', '"sampling_rate": 8000'),
        ("preprocessor_config.json", '"hop_length": 160', '"hop_length": 160, "hop_length": 160'),
    ],
)
def test_what_a_model_says_of_itself_must_hold(
    kinds: list[Reader], tmp_path: Path, name: str, good: str, bad: str
) -> None:
    reader = [each for each in kinds if each.name == name and len(each.good) > 300][-1]
    assert good.encode() in reader.good
    changed = reader.good.replace(good.encode(), bad.encode())
    assert read_one(reader, changed, tmp_path / "input") == "refused"
