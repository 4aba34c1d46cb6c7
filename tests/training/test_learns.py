"""What a run is given it learns: a new token, silence, and two languages, all in one run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

import finetune
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.load import LoadedModel, load_model
from utils.speech.audio import load_audio
from utils.speech.features import SAMPLE_RATE, pad_samples, window_frames
from utils.transcription.decoding import Decoding
from utils.transcription.transcribe import transcribe

WORD = "医保卡"
DELAYS = (0.4, 1.0, 1.6, 0.7)
pytestmark = pytest.mark.timeout(1200)  # one training for all of them, a minute on a free core


def lines_of_lesson(demo: Path, folder: Path) -> list[dict[str, object]]:
    """Timed clips after silence, with the new word and in two languages; noise; a prompted clip."""
    rng = np.random.default_rng(0)
    mandarin = [u for u in read_manifest(demo / "zh" / "train.jsonl") if WORD in u.sentence][:3]
    english = list(read_manifest(demo / "en" / "train.jsonl"))[:4]
    lines: list[dict[str, object]] = []

    def add(name: str, samples: np.ndarray, **fields: object) -> None:
        soundfile.write(folder / f"{name}.wav", samples, SAMPLE_RATE)
        lines.append({"audio": {"path": f"{name}.wav"}, "id": name, **fields})

    for delay, clip in zip(DELAYS, [*mandarin[:2], *english[:2]], strict=True):
        samples = load_audio(clip.audio)
        silence = np.zeros(round(delay * SAMPLE_RATE), dtype=np.float32)
        end = delay + len(samples) / SAMPLE_RATE
        timed = [{"start": delay, "end": end, "text": clip.sentence}]
        both = {"sentence": clip.sentence, "language": clip.language}
        add(f"timed-{clip.id}", np.concatenate([silence, samples]), sentences=timed, **both)
    for number in range(3):
        noise = 0.02 * rng.standard_normal(2 * SAMPLE_RATE).astype(np.float32)
        add(f"silent-{number}", noise, sentence="", sentences=[], language="en")
    prompted = english[3]
    text = {"language": "en", "sentence": prompted.sentence}
    add("plain", load_audio(prompted.audio), **text)
    loud = {**text, "sentence": prompted.sentence.upper(), "prompt": "WRITTEN LOUD"}
    add("loud", load_audio(prompted.audio), **loud)
    return lines


@pytest.fixture(scope="module")
def lesson(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lesson")
    lines = lines_of_lesson(demo_model.parent, folder)
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "train.jsonl").write_text(content, encoding="utf-8")
    (folder / "tokens.txt").write_text(WORD, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def taught(demo_model: Path, lesson: Path) -> LoadedModel:
    settings = {
        "base_model": demo_model,
        "train_data": lesson / "train.jsonl",
        "dev_data": lesson / "train.jsonl",
        "output_dir": lesson / "output",
        "add_tokens": lesson / "tokens.txt",
        "timestamps": True,
        "max_steps": 70,
        "learning_rate": 5e-3,
        "warmup_steps": 5,
        "per_device_train_batch_size": 9,
        "audio_context": "dynamic",
        "num_workers": 0,
        "eval_steps": 1000,
        "eval_on_start": False,
        "save_steps": 1000,
    }
    finetune.main([f"--{name}={value}" for name, value in settings.items()])
    return load_model(str(lesson / "output" / "base" / "checkpoint-final"))


def utterances(lesson: Path, kind: str) -> list[Utterance]:
    return [u for u in read_manifest(lesson / "train.jsonl") if u.id.startswith(kind)]


def test_two_languages_are_kept_apart(taught: LoadedModel, lesson: Path) -> None:
    timed = utterances(lesson, "timed")
    assert {u.language for u in timed} == {"zh", "en"}
    found = transcribe(taught, timed, Decoding(timestamps=True))
    assert [p.hypothesis for p in found] == [u.sentence for u in timed]


def test_silence_stays_silent_with_other_noise_too(
    taught: LoadedModel, demo_model: Path, lesson: Path, tmp_path: Path
) -> None:
    noise = 0.02 * np.random.default_rng(9).standard_normal(2 * SAMPLE_RATE)
    soundfile.write(tmp_path / "noise.wav", noise, SAMPLE_RATE)
    silent = utterances(lesson, "silent")
    other = replace(silent[0], audio=replace(silent[0].audio, path=str(tmp_path / "noise.wav")))
    assert [p.hypothesis for p in transcribe(taught, [*silent, other], Decoding())] == [""] * 4
    # An answer that ends at once is what Whisper's own settings forbid.
    assert taught.label_encoder().end not in (
        taught.whisper.generation_config.begin_suppress_tokens or ()
    )
    untaught = load_model(str(demo_model)).whisper.generation_config
    assert taught.label_encoder().end in untaught.begin_suppress_tokens


def test_a_new_token_appears(taught: LoadedModel, lesson: Path) -> None:
    encoder = taught.label_encoder(language="zh")
    (token,) = encoder.added_words
    assert encoder.decode([token]) == WORD
    from utils.transcription.engines import Search
    from utils.transcription.transformers_engine import TransformersEngine

    engine = TransformersEngine(taught)
    clip = next(u for u in utterances(lesson, "timed") if WORD in u.sentence)
    samples = load_audio(clip.audio)
    states = engine.encode(engine.log_mel(pad_samples([samples], window_frames(len(samples)))))
    prompts = torch.tensor([encoder.prompt(timestamps=True)])
    (answer,) = engine.generate(states, prompts, Search(max_new_tokens=40, timestamps=True))
    assert token in answer.ids
