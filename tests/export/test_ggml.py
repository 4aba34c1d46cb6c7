"""A GGML file is transcribed by whisper.cpp, in every form of weights, as the original does."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from utils.cli.errors import Failure, UserError
from utils.export.ggml import FILE, SILENT_BYTES, WhisperCppReader, place_words, write
from utils.export.ggml_blocks import BLOCK_TYPES
from utils.export.ggml_file import read_tensors
from utils.export.layout import AFTER_OLD_LANGUAGES, official_tensors, order_vocabulary
from utils.export.parity import Question
from utils.model.load import load_model

pytest.importorskip("pywhispercpp")


def parity_of(folder: Path) -> dict:
    return json.loads((folder / "conversion.json").read_text(encoding="utf-8"))["parity"]


@pytest.mark.parametrize(("quantization", "equal"), [("f16", 3), ("q8_0", 2), ("q5_0", 0)])
def test_whisper_cpp_transcribes_the_file(quantization, equal, demo_model, convert_to, tmp_path):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=3"]
    assert convert_to(*flags, "--format=ggml", f"--quantization={quantization}") == 0
    parity = parity_of(tmp_path / f"base-ggml-{quantization}")
    assert parity["equal"] >= equal
    assert parity["error_rate"] <= parity["limit"] < 0.3
    assert 0 < parity["largest_logit_difference"] < (0.1 if quantization == "f16" else 10)


def test_added_words_and_cantonese_come_out_of_whisper_cpp(with_added_words, convert_to, tmp_path):
    flags = [f"--model_path={with_added_words}", f"--output_dir={tmp_path}", "--clips=2"]
    assert convert_to(*flags, "--format=ggml") == 0
    assert parity_of(tmp_path / "grown-ggml")["equal"] == 2


def test_an_added_word_has_the_place_of_a_byte_that_no_text_holds(with_added_words):
    loaded = load_model(str(with_added_words))
    vocabulary = order_vocabulary(loaded)
    words, rows = place_words(loaded, vocabulary)
    ids = loaded.processor.tokenizer.get_vocab()
    assert rows[AFTER_OLD_LANGUAGES] == ids["<|yue|>"]
    assert len(rows) == 51_866
    for text in (" blorptastic", "麤龘"):
        place = words.index(text.encode())
        assert rows[place] == ids[text]
    assert sum(len(word) == 1 and word[0] in SILENT_BYTES for word in words) < len(SILENT_BYTES)


def test_the_file_holds_every_weight_in_16_bits(with_added_words, tmp_path):
    loaded = load_model(str(with_added_words))
    _, rows = place_words(loaded, order_vocabulary(loaded))
    write(loaded, tmp_path, "f16")
    found = read_tensors(tmp_path / FILE)
    for name, weights in official_tensors(loaded, rows).items():
        expected = weights.numpy()
        np.testing.assert_allclose(found[name].reshape(expected.shape), expected, atol=2e-3)


def test_more_words_than_places_are_refused(demo_model, monkeypatch):
    loaded = load_model(str(demo_model))
    vocabulary = order_vocabulary(loaded)
    many = {60_000 + number: f"word{number}" for number in range(100)}
    with pytest.raises(UserError, match="has 100 added words; a GGML file has room for"):
        place_words(loaded, type(vocabulary)(vocabulary.rows, many))


def test_f32_which_the_reader_aborts_on_ends_in_a_sentence(
    demo_model, convert_to, tmp_path, capsys
):
    flags = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    code = convert_to(*flags, "--format=ggml", "--quantization=f32")
    if code:  # a whisper.cpp that takes it may come
        assert code == 1
        assert "whisper.cpp cannot read" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"lmgg", struct.pack("<12i", 0x67676D6C, *[9**9] * 11)])
def test_a_damaged_file_ends_the_child_alone(content, demo_model, tmp_path):
    (tmp_path / FILE).write_bytes(content)
    question = Question("silence", np.zeros(480_000, np.float32), "en", (1, 2))
    with pytest.raises(Failure, match=r"whisper\.cpp cannot read"):
        list(WhisperCppReader(load_model(str(demo_model)), tmp_path, "f16").answers([question]))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--quantization=q8_0"], "f16 and f32 only"),
        (["--quantization=f16"], None),
    ],
)
def test_what_const_mes_program_cannot_take_is_refused(
    flags, message, demo_model, convert_to, tmp_path, capsys
):
    common = [f"--model_path={demo_model}", f"--output_dir={tmp_path}", "--clips=1"]
    code = convert_to(*common, "--format=ggml", "--program=const-me", *flags)
    assert code == (2 if message else 0)
    assert (message or "") in capsys.readouterr().err


def test_const_mes_program_gets_no_cantonese(with_added_words, convert_to, tmp_path, capsys):
    flags = [f"--model_path={with_added_words}", f"--output_dir={tmp_path}", "--clips=1"]
    assert convert_to(*flags, "--format=ggml", "--program=const-me") == 2
    assert "80 mel bins and 51866 tokens; Const-me's program takes 80 and 51865" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(("name", "step"), [("q8_0", 1 / 254), ("q5_0", 1 / 16), ("q4_0", 1 / 8)])
def test_blocks_lose_at_most_a_step(name, step):
    kind = BLOCK_TYPES[name]
    values = np.random.default_rng(0).standard_normal((64, 32)).astype(np.float32)
    values[0] = 0.0  # a block without a scale
    back = kind.unpack(kind.pack(values.reshape(-1))).reshape(64, 32)
    allowed = np.abs(values).max(1, keepdims=True) * (step + 1e-3)
    assert (np.abs(back - values) <= allowed).all()


def test_the_bytes_of_blocks_are_ggmls():
    """Worked out by hand from ggml-quants.c: scale, then numbers."""
    values = np.zeros(32, np.float32)
    values[0], values[1], values[17] = -16.0, 3.0, 15.0
    q5_0 = BLOCK_TYPES["q5_0"].pack(values)
    # Scale 1: 0 for -16, 19 = 16 + 3, 16 for zeros, 31 for 15.
    assert q5_0[:2] == np.float16(1).tobytes()
    assert q5_0[2:6] == bytes([0xFE, 0xFF, 0xFF, 0xFF])  # only the first has no 16 in it
    assert q5_0[6:8] == bytes([0x00, 0xF3])  # 0 and 0 (16); 3 and 15
    q8_0 = BLOCK_TYPES["q8_0"].pack(np.where(np.arange(32) == 3, -127, 0.5).astype(np.float32))
    assert q8_0[:2] == np.float16(1).tobytes()
    assert np.frombuffer(q8_0[2:], np.int8).tolist() == [-127 if n == 3 else 1 for n in range(32)]
