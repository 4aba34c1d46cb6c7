"""A .pt file loads in openai-whisper and says what the original says, or is not written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

whisper = pytest.importorskip("whisper")


def parity_of(folder: Path) -> dict:
    return json.loads((folder / "conversion.json").read_text(encoding="utf-8"))["parity"]


def test_openai_whisper_says_the_same_tokens(official_words, convert_to, tmp_path):
    flags = [f"--model_path={official_words}", f"--output_dir={tmp_path}", "--clips=3"]
    assert convert_to(*flags, "--format=openai", "--quantization=float32") == 0
    parity = parity_of(tmp_path / "official-openai-float32")
    assert parity["equal"] == parity["clips"] == 3
    assert parity["largest_logit_difference"] < 1e-3


def test_the_file_is_laid_out_like_openais_own(official_words, convert_to, tmp_path):
    flags = [f"--model_path={official_words}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=openai") == 0
    file = tmp_path / "official-openai" / "model.pt"
    content = torch.load(file, weights_only=True)
    assert set(content) == {"dims", "model_state_dict"}
    assert {weights.dtype for weights in content["model_state_dict"].values()} == {torch.float16}
    expected = whisper.model.Whisper(whisper.model.ModelDimensions(**content["dims"]))
    assert set(content["model_state_dict"]) == set(expected.state_dict())


def test_a_model_with_words_of_its_own_is_refused(demo_model, convert_to, tmp_path, capsys):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=openai") == 2
    assert "openai-whisper has its vocabulary built in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_added_words_are_refused_by_name(with_added_words, convert_to, tmp_path, capsys):
    flags = [f"--model_path={with_added_words}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=openai") == 2
    assert "has the added words  blorptastic, 麤龘" in capsys.readouterr().err
