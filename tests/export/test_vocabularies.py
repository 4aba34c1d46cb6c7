"""English-only models and those like large-v3: other vocabularies, mel bins and prompts."""

from __future__ import annotations

import json

import pytest

from utils.model.load import load_model

pytest.importorskip("whisper")


def test_the_fixture_is_an_english_model(english_only):
    loaded = load_model(str(english_only))
    assert not loaded.multilingual
    encoder = loaded.label_encoder()
    assert (encoder.end, encoder.last_timestamp) == (50_256, 51_863)


def test_the_fixture_is_like_large_v3(like_large_v3):
    loaded = load_model(str(like_large_v3))
    encoder = loaded.label_encoder()
    assert (encoder.end, encoder.last_timestamp) == (50_257, 51_865)
    assert loaded.log_mel.num_mel_bins == 128


@pytest.fixture(params=["english_only", "like_large_v3"])
def model(request):
    """Each of the two."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("form", ["openai", "onnx", "ct2"])
def test_every_token_is_equal(form, model, convert_to, tmp_path):
    flags = [f"--model_path={model}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, f"--format={form}", "--quantization=float32") == 0
    folder = tmp_path / f"{model.name}-{form}-float32"
    parity = json.loads((folder / "conversion.json").read_text())["parity"]
    assert parity["equal"] == parity["clips"] == 1


def test_whisper_cpp_transcribes_it(model, tmp_path):
    pytest.importorskip("pywhispercpp")
    import numpy as np

    from utils.export.ggml import read, write
    from utils.export.parity import Question

    loaded = load_model(str(model))
    write(loaded, tmp_path, "f16")
    reader = read(loaded, tmp_path, "f16")
    reader.logit_clips = 0
    (answer,) = reader.answers([Question("silence", np.zeros(480_000, np.float32), "en", (1, 2))])
    assert len(answer.ids) <= loaded.whisper.generation_config.max_length
    assert all(token < 50_257 for token in answer.ids)


def test_sherpa_onnx_transcribes_it(model, tmp_path):
    pytest.importorskip("sherpa_onnx")
    import numpy as np

    from utils.export.parity import Question
    from utils.export.sherpa import metadata, read, write

    loaded = load_model(str(model))
    write(loaded, tmp_path, "int8")
    question = Question("silence", np.zeros(480_000, np.float32), "en", (1, 2))
    (answer,) = read(loaded, tmp_path, "int8").answers([question])
    assert len(answer.ids) <= loaded.whisper.generation_config.max_length
    assert metadata(loaded)["is_multilingual"] == str(int(loaded.multilingual))


def test_const_mes_program_is_refused_128_mel_bins(like_large_v3, convert_to, tmp_path, capsys):
    flags = [f"--model_path={like_large_v3}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=ggml", "--program=const-me") == 2
    assert "the model has 128 mel bins and 51866 tokens" in capsys.readouterr().err
