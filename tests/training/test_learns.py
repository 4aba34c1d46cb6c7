"""What a run is given it learns.

One run learns a new token, silence and two languages; another one when things are said, and how to
spell what sounds alike after a text that tells.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import finetune
from utils.audio.features import SAMPLE_RATE, pad_samples, window_frames
from utils.audio.load import load_audio
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.load import load_model
from utils.model.loaded import LoadedModel
from utils.scoring.predictions import Prediction
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import Search
from utils.transcription.engines.transformers import TransformersEngine
from utils.transcription.transcribe import transcribe

WORD = "医保卡"
DELAYS = (0.4, 1.0, 1.6, 0.7)
LATEST, UNSEEN_DELAYS = 1.4, (0.0, 0.3, 0.6, 0.9, 1.1, 1.35)
# "Dad" and "mum" before it tell whether he or she is meant, which sound alike.
HE = "他"
MEANT_AFTER = {"爸爸": HE, "妈妈": "她"}
pytestmark = pytest.mark.timeout(1200)  # two trainings for all of them, a minute each


class Lesson:
    """A manifest in the making, with sound files of its own.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[dict[str, object]] = []

    def add(self, name: str, samples: np.ndarray, **fields: object) -> None:
        """Add an utterance."""
        soundfile.write(self.folder / f"{name}.wav", samples, SAMPLE_RATE)
        self.lines.append({"audio": {"path": f"{name}.wav"}, "id": name, **fields})

    def add_timed(self, clip: Utterance, delay: float, name: str) -> None:
        """Add a clip after some silence, with its times."""
        samples = load_audio(clip.audio)
        silence = np.zeros(round(delay * SAMPLE_RATE), dtype=np.float32)
        end = delay + len(samples) / SAMPLE_RATE
        timed = [{"start": delay, "end": end, "text": clip.sentence}]
        both = {"sentence": clip.sentence, "language": clip.language}
        self.add(name, np.concatenate([silence, samples]), sentences=timed, **both)

    def add_told(self, clip: Utterance, prompt: str, word: str) -> None:
        """Add a clip with another word in the place of "he", after a prompt."""
        text = clip.sentence.replace(HE, word)
        samples = load_audio(clip.audio)
        fields = {"sentence": text, "prompt": prompt, "language": clip.language}
        self.add(f"{word}-{clip.id}", samples, **fields)

    def write(self, name: str) -> Path:
        """Write the manifest; the next one begins empty."""
        content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self.lines)
        (self.folder / f"{name}.jsonl").write_text(content, encoding="utf-8")
        self.lines = []
        return self.folder


def clips_of(demo_model: Path, language: str) -> list[Utterance]:
    """The demo's clips of a language to train on, the shortest first."""
    found = read_manifest(demo_model.parent / language / "train.jsonl")
    return sorted(found, key=lambda clip: clip.duration or 0.0)


def learned(base: Path, lesson: Path, **more: object) -> LoadedModel:
    """The base model with an adapter that was taught a lesson."""
    settings: dict[str, object] = {
        "base_model": base,
        "train_data": lesson / "train.jsonl",
        "dev_data": lesson / "train.jsonl",
        "output_dir": lesson / "output",
        "timestamps": True,
        "learning_rate": 5e-3,
        "warmup_steps": 5,
        "audio_context": "dynamic",
        "num_workers": 0,
        "eval_steps": 1000,
        "eval_on_start": False,
        "save_steps": 1000,
        **more,
    }
    finetune.main([f"--{name}={value}" for name, value in settings.items()])
    return load_model(str(lesson / "output" / base.name / "checkpoint-final"))


@pytest.fixture(scope="module")
def lesson(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Timed clips after silence, with the new word and in two languages; and noise."""
    made = Lesson(tmp_path_factory.mktemp("lesson"))
    zh, en = (
        list(read_manifest(demo_model.parent / language / "train.jsonl"))
        for language in ("zh", "en")
    )
    mandarin = [u for u in zh if WORD in u.sentence]
    for delay, clip in zip(DELAYS, [*mandarin[:2], *en[:2]], strict=True):
        made.add_timed(clip, delay, name=f"timed-{clip.id}")
    rng = np.random.default_rng(0)
    for number in range(3):
        noise = 0.02 * rng.standard_normal(2 * SAMPLE_RATE).astype(np.float32)
        made.add(f"silent-{number}", noise, sentence="", sentences=[], language="en")
    return made.write("train")


@pytest.fixture(scope="module")
def second_lesson(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Timed clips, shown at other times in every pass; and clips whose spelling a prompt tells."""
    made = Lesson(tmp_path_factory.mktemp("second"))
    mandarin, english = (clips_of(demo_model, language) for language in ("zh", "en"))
    timed, told = (mandarin[0], english[0]), [u for u in mandarin if HE in u.sentence][:4]
    for number, clip in enumerate(4 * timed):  # as many as there are of the others
        made.add_timed(clip, 0.0, name=f"timed-{number}")
    for clip in told:
        for prompt, word in MEANT_AFTER.items():
            made.add_told(clip, prompt, word)
    made.write("train")
    for clip in timed:
        for delay in UNSEEN_DELAYS:
            made.add_timed(clip, delay, name=f"timed-{clip.id}-{delay}")
    folder = made.write("unseen")
    shift = {"min_shift_ms": -1000 * LATEST, "max_shift_ms": 0}
    augmentation = [{"type": "shift", "prob": 1.0, "params": shift}]
    (folder / "augmentation.json").write_text(json.dumps(augmentation), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def taught(demo_model: Path, lesson: Path) -> LoadedModel:
    (lesson / "tokens.txt").write_text(WORD, encoding="utf-8")
    more = {"add_tokens": lesson / "tokens.txt", "max_steps": 70}
    return learned(demo_model, lesson, per_device_train_batch_size=9, **more)


@pytest.fixture(scope="module")
def taught_more(demo_model: Path, second_lesson: Path) -> LoadedModel:
    more = {"augment_config_path": second_lesson / "augmentation.json", "max_steps": 250}
    return learned(demo_model, second_lesson, per_device_train_batch_size=16, seed=0, **more)


def utterances(lesson: Path, kind: str, manifest: str = "train") -> list[Utterance]:
    return [u for u in read_manifest(lesson / f"{manifest}.jsonl") if u.id.startswith(kind)]


def answered(loaded: LoadedModel, clip: Utterance, **prompt: Any) -> list[int]:
    """The tokens of a model's answer after a prompt, as of `LabelEncoder.prompt`."""
    samples = load_audio(clip.audio)
    engine, encoder = TransformersEngine(loaded), loaded.label_encoder(language=clip.language)
    states = engine.encode(engine.log_mel(pad_samples([samples], window_frames(len(samples)))))
    prompts = torch.tensor([encoder.prompt(**prompt)])
    search = Search(max_new_tokens=40, timestamps=prompt.get("timestamps", False))
    (answer,) = engine.generate(states, prompts, search)
    return list(answer.ids)


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
    clip = next(u for u in utterances(lesson, "timed") if WORD in u.sentence)
    assert token in answered(taught, clip, timestamps=True)


def farthest_off(timed: list[Utterance], found: list[Prediction]) -> float:
    """How far a start or an end is off at most, in seconds."""
    off = []
    for clip, prediction in zip(timed, found, strict=True):
        (expected,), segments = clip.sentences or (), prediction.segments
        off += [segments[0].start - expected.start, segments[-1].end - expected.end]
    return max(map(abs, off))


def test_times_are_within_a_tenth_of_a_second_wherever_the_words_begin(
    taught_more: LoadedModel, demo_model: Path, second_lesson: Path
) -> None:
    timed = utterances(second_lesson, "timed", "unseen")
    assert len(timed) == 2 * len(UNSEEN_DELAYS)
    found = transcribe(taught_more, timed, Decoding(timestamps=True))
    assert [p.hypothesis for p in found] == [u.sentence for u in timed]
    assert farthest_off(timed, found) <= 0.1
    untaught = transcribe(load_model(str(demo_model)), timed, Decoding(timestamps=True))
    assert farthest_off(timed, untaught) > 0.3


def test_a_prompt_changes_the_spelling(
    taught_more: LoadedModel, demo_model: Path, second_lesson: Path
) -> None:
    untaught = load_model(str(demo_model))
    decode = taught_more.label_encoder().decode
    for clip in utterances(second_lesson, HE):
        for prompt, word in MEANT_AFTER.items():
            text = clip.sentence.replace(HE, word)
            assert decode(answered(taught_more, clip, previous=prompt)) == text
            assert "她" not in decode(answered(untaught, clip, previous=prompt))
