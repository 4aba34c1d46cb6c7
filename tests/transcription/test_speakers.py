"""Speaker labels: sherpa-onnx over tiny models made here, and their names in every format."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import infer
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.transcription.infer.settings import InferSettings
from utils.transcription.infer.speakers import Turn, turns_of, with_speakers
from utils.transcription.transcript import ClipTranscript, TimedText, Word
from utils.transcription.writers import SubtitleLayout, as_srt, as_text, as_tsv, as_vtt

onnx = pytest.importorskip("onnx", reason="onnx is an extra")
pytest.importorskip("sherpa_onnx", reason="sherpa-onnx is an extra")
RATE = 16_000
STEP = 270  # samples between two of the segmentation model's answers, as pyannote's 3.0 has them


def save_model(path: Path, nodes: list, constants: dict, shapes: tuple, meta: dict) -> Path:
    """Write a graph from `x` to `y` with the metadata that sherpa-onnx reads."""
    helper = onnx.helper
    x, y = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in zip("xy", shapes, strict=True)
    )
    weights = [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "model", [x], [y], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    for key, value in meta.items():
        model.metadata_props.add(key=key, value=str(value))
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A segmentation model that parts low sound from high, and an embedding of pitch."""
    folder, node = tmp_path_factory.mktemp("speakers"), onnx.helper.make_node
    # Classes: nobody, each of three speakers, each two of them. The second one's sound changes
    # from sample to sample.
    kernel = np.array([[1, 0], [1, -1]], np.float32).reshape(2, 1, 2)
    weights = np.zeros((7, 2, 1), np.float32)
    weights[1, 0], weights[2, 1] = 1000, 4000
    biases = np.array([0, -10, -200, *[-500] * 4], np.float32)
    segmentation = save_model(
        folder / "segmentation.onnx",
        [
            node("Conv", ["x", "kernel"], ["sound_and_change"]),
            node("Abs", ["sound_and_change"], ["loud"]),
            node("AveragePool", ["loud"], ["mean"], kernel_shape=[991], strides=[STEP]),
            node("Conv", ["mean", "weights", "biases"], ["scores"]),
            node("Transpose", ["scores"], ["y"], perm=[0, 2, 1]),
        ],
        {"kernel": kernel, "weights": weights, "biases": biases},
        (["N", 1, "T"], ["N", "F", 7]),
        {
            **{
                "model_type": "pyannote-segmentation-3.0",
                "sample_rate": RATE,
                "window_size": 160_000,
            },
            **{"receptive_field_size": 991, "receptive_field_shift": STEP, "num_speakers": 3},
            **{"powerset_max_classes": 2, "num_classes": 7, "version": 1},
        },
    )
    embedding = save_model(
        folder / "embedding.onnx",
        [
            node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
            node("Softmax", ["mean"], ["y"], axis=-1),
        ],
        {},
        (["N", "T", 80], ["N", 80]),
        {
            **{"framework": "wespeaker", "language": "en", "output_dim": 80},
            **{"sample_rate": RATE, "normalize_samples": 1, "feature_normalize_type": ""},
        },
    )
    return segmentation, embedding


def settings_of(models: tuple[Path, Path], **changes: object) -> InferSettings:
    segmentation, embedding = map(str, models)
    plain = InferSettings(diarize=True, segmentation_model=segmentation, embedding_model=embedding)
    return replace(plain, **changes)


@pytest.mark.parametrize("number", [None, 2])
def test_who_speaks_when(models, number):
    rng, turns = np.random.default_rng(0), [(1.0, 4.0, 300), (5.0, 9.0, 2500), (11.0, 14.0, 300)]
    sound = rng.normal(0, 1e-4, 16 * RATE).astype(np.float32)
    for start, end, pitch in turns:
        times = np.arange(round((end - start) * RATE)) / RATE
        sound[round(start * RATE) : round(end * RATE)] += 0.3 * np.sin(2 * np.pi * pitch * times)
    found = turns_of(sound, settings_of(models, num_speakers=number))
    assert [turn.speaker for turn in found] == ["Speaker 1", "Speaker 2", "Speaker 1"]
    for turn, (start, end, _) in zip(found, turns, strict=True):
        assert (turn.start, turn.end) == pytest.approx((start, end), abs=0.15)


def test_a_segment_is_whose_who_speaks_longest_in_it():
    turns = [Turn(0, 2, "A"), Turn(2, 5, "B"), Turn(9, 10, "A")]
    segments = tuple(TimedText(*times, "x") for times in ((0, 1.5), (1, 4), (7.5, 8), (5.2, 6)))
    found = with_speakers(ClipTranscript("x", "en", segments), turns).segments
    assert [each.speaker for each in found] == ["A", "B", "A", "B"]
    assert with_speakers(ClipTranscript("x", "en", segments), []).segments == segments


def test_every_format_names_the_speaker():
    words = [
        (Word(" Good", 0.0, 0.4, 1.0), Word(" day.", 0.4, 1.0, 1.0)),
        (Word(" Yes.", 1, 2, 1),),
    ]
    segments = tuple(
        TimedText(i, i + 1, text, words=words[i], speaker=f"Speaker {i + 1}")
        for i, text in enumerate(("Good day.", "Yes."))
    )
    plain = tuple(replace(each, words=None) for each in segments)
    with_words, without = (
        ClipTranscript("Good day. Yes.", "en", each).to_json() for each in (segments, plain)
    )
    assert as_text(without) == "Speaker 1: Good day.\nSpeaker 2: Yes.\n"
    assert "0\t1000\tSpeaker 1: Good day.\n" in as_tsv(without)
    assert "00:01.000\n<v Speaker 1>Good day.\n" in as_vtt(without)
    assert "00:00:01,000\nSpeaker 1: Good day.\n" in as_srt(without)
    # Lines that are filled across segments end where another person speaks.
    layout = SubtitleLayout(max_line_width=40, max_line_count=2)
    assert "Speaker 1: Good day.\n\n2\n" in as_srt(with_words, layout)
    assert as_vtt(with_words, layout).count("<v Speaker 2>Yes.") == 1


def test_infer_writes_speakers_and_goes_on_behind_a_model_that_is_none(
    models, demo_model, tmp_path, capsys
):
    clips = [load_audio(each.audio) for each in read_manifest(demo_model.parent / "en/test.jsonl")]
    soundfile.write(tmp_path / "talk.wav", clips[0], RATE)
    flags = [f"--audio_path={tmp_path / 'talk.wav'}", f"--model_path={demo_model}"]
    flags += [f"--output_dir={tmp_path / 'out'}", "--language=en", "--diarize=True"]
    segmentation, embedding = models
    assert infer.main([*flags, f"--segmentation_model={segmentation}",
                       f"--embedding_model={embedding}", "--num_speakers=1"]) == 0  # fmt: skip
    written = json.loads((tmp_path / "out" / "talk.json").read_text())
    assert {each["speaker"] for each in written["segments"]} == {"Speaker 1"}
    assert (tmp_path / "out" / "talk.txt").read_text().startswith("Speaker 1: ")
    capsys.readouterr()
    # The library ends the process of a model without metadata.
    (tmp_path / "none.onnx").write_bytes(b"no model")
    wrong = [f"--segmentation_model={tmp_path / 'none.onnx'}", f"--embedding_model={embedding}"]
    assert infer.main([*flags, *wrong]) == 1
    assert "talk.wav: failed: sherpa-onnx finds no speakers with" in capsys.readouterr().out
    with pytest.raises(UserError, match="--embedding_model is not given"):
        infer.main([*flags, f"--segmentation_model={segmentation}"])
