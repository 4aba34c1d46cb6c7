"""Validation finds every planted fault, and has no false findings."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.probe import AudioFacts, probe
from utils.cli.errors import Failure
from utils.parallel.pool import in_order
from utils.parallel.shards import Shard
from utils.validation import check
from utils.validation.check import check_manifests
from utils.validation.diagnosis import Diagnosis
from utils.validation.text import speaking_time

RATE = 16_000
SECONDS = 1.0


def speech(seed: int, seconds: float = SECONDS, level: float = 0.2) -> np.ndarray:
    """Return something unlike any other: float (S,) of one seed."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-level, level, round(RATE * seconds))


def spelled(number: int) -> str:
    """Spell a number in letters: 12 -> "bc"."""
    return "".join("abcdefghij"[int(digit)] for digit in str(number))


class Corpus:
    """Manifests in a folder whose lines are sound but for what a test changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: dict[str, list[str]] = {}
        self.count = 0

    def add(
        self, samples: np.ndarray | bytes | None = None, to: str = "train", **changes: Any
    ) -> str:
        """Add a line and its file; returns the id."""
        self.count += 1
        path = self.folder / f"{self.count}.wav"
        if isinstance(samples, bytes):
            path.write_bytes(samples)
        else:
            rate = changes.pop("rate", RATE)
            subtype = changes.pop("subtype", "PCM_16")
            content = speech(self.count) if samples is None else samples
            soundfile.write(path, content, rate, subtype=subtype)
        line = {
            "audio": {"path": path.name} | changes.pop("audio", {}),
            "sentence": f"text {spelled(self.count)}",
            "id": f"u{self.count}",
            "speaker": f"speaker of {to}",
        } | changes
        self.lines.setdefault(to, []).append(json.dumps(line))
        return line["id"]

    def check(self, num_workers: int = 0) -> Diagnosis:
        paths = []
        for name, lines in self.lines.items():
            paths.append(self.folder / f"{name}.json")
            paths[-1].write_text("\n".join(lines))
        return check_manifests(paths, num_workers)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two parts with three sound lines each."""
    corpus = Corpus(tmp_path)
    for to in ("train", "test"):
        for _ in range(3):
            corpus.add(to=to, duration=1.0)
    return corpus


def found(diagnosis: Diagnosis) -> list[tuple[str, str, str]]:
    return [(each.severity, each.kind, each.id) for each in diagnosis.findings]


def test_a_sound_corpus_has_no_findings(corpus: Corpus) -> None:
    corpus.add(np.zeros(RATE), sentence="", sentences=[])  # no speech: silence is right
    corpus.add(np.zeros(RATE), sentence="", sentences=[])  # and all silence is alike
    corpus.add(
        speech(99, 3.0),
        sentences=[{"start": 0, "end": 1.5, "text": "a"}, {"start": 1.5, "end": 3.0, "text": "b"}],
    )
    corpus.add(speech(98, 4.0), audio={"start_time": 1.0, "end_time": 4.05}, duration=3.05)
    corpus.add(speech(97, 30.0), sentence="今天" * 50)
    diagnosis = corpus.check()
    assert found(diagnosis) == []
    assert diagnosis.exit_code == 0


def write_whole(path: Path) -> bytes:
    soundfile.write(path, speech(1, 2.0), RATE)
    return path.read_bytes()


def write_truncated(path: Path) -> bytes:
    soundfile.write(path, speech(1, 2.0), RATE)
    return path.read_bytes()[:30_000]


PLANTED: dict[str, tuple[str, str, Callable[[Path], dict[str, Any]]]] = {
    "missing": ("error", "missing audio", lambda _: {"audio": {"path": "none.wav"}}),
    "empty": ("error", "empty audio", lambda _: {"samples": b""}),
    "no samples": ("error", "empty audio", lambda _: {"samples": np.zeros(0)}),
    "no audio": ("error", "undecodable audio", lambda _: {"samples": b"a text" * 99}),
    "truncated": (
        "error",
        "truncated audio",
        lambda folder: {"samples": write_truncated(folder / "whole.wav")},
    ),
    "nan": (
        "error",
        "not finite audio",
        lambda _: {"samples": np.full(RATE, np.nan), "subtype": "FLOAT"},
    ),
    "joined": (
        "error",
        "joined audio",
        lambda folder: {"samples": 2 * write_whole(folder / "half.wav")},
    ),
    "channel": ("error", "channel audio", lambda _: {"audio": {"channel": 1}}),
    "placeholder": ("warning", "placeholder", lambda _: {"sentence": "[noise]"}),
    "late piece": ("error", "piece outside the file", lambda _: {"audio": {"start_time": 5.0}}),
    "long piece": ("error", "piece outside the file", lambda _: {"audio": {"end_time": 1.5}}),
    "sentence end": (
        "error",
        "sentence outside the audio",
        lambda _: {"sentences": [{"start": 0, "end": 1.5, "text": "x"}]},
    ),
    "sentence order": (
        "warning",
        "sentences overlap",
        lambda _: {
            "sentences": [
                {"start": 0, "end": 0.8, "text": "x"},
                {"start": 0.4, "end": 1, "text": "x"},
            ]
        },
    ),
    "unordered": (
        "error",
        "sentences out of order",
        lambda _: {
            "sentences": [
                {"start": 0.5, "end": 1, "text": "x"},
                {"start": 0, "end": 0.5, "text": "x"},
            ]
        },
    ),
    "shifted": ("warning", "shifted", lambda _: {"samples": speech(1010) + 0.05}),
    "control": ("warning", "control characters", lambda _: {"sentence": "a\u0007 word"}),
    "undecoded": ("warning", "control characters", lambda _: {"sentence": "caf\ufffd"}),
    "html": ("warning", "markup", lambda _: {"sentence": "a <i>word</i>"}),
    "entity": ("warning", "markup", lambda _: {"sentence": "this &amp; that"}),
    "subtitle tag": ("warning", "markup", lambda _: {"sentence": r"{\an8}a word"}),
    "special token": ("warning", "markup", lambda _: {"sentence": "a word<|endoftext|>"}),
    "encoding": ("warning", "wrong encoding", lambda _: {"sentence": "un cafÃ©"}),
    "digits": ("note", "digits", lambda _: {"sentence": "gate 12"}),
    "script": (
        "warning",
        "another script",
        lambda _: {"sentence": "turn it off", "language": "zh"},
    ),
    "han": ("warning", "another script", lambda _: {"sentence": "今天天气", "language": "en"}),
    "language": (
        "warning",
        "another language",
        lambda _: {
            "samples": speech(1011, 4.0),
            "sentence": "heute ist das Wetter sehr schön und wir gehen alle in den Park",
            "language": "en",
        },
    ),
    "long text": (
        "note",
        "perhaps too many tokens",
        lambda _: {"samples": speech(1012, 29.0), "sentence": "word " * 90},
    ),
    "duration": ("warning", "other duration", lambda _: {"duration": 1.3}),
    "silent": ("warning", "silent", lambda _: {"samples": np.full(RATE, 0.0005)}),
    "digital silence": ("warning", "silent", lambda _: {"samples": np.zeros(RATE)}),
    "clipped": (
        "warning",
        "clipped",
        lambda _: {"samples": np.clip(3 * np.sin(np.arange(RATE) * 0.1), -1, 1)},
    ),
    "wrong scale": (
        "warning",
        "out of range",
        lambda _: {"samples": speech(1005, level=20_000.0), "subtype": "FLOAT"},
    ),
    "too long": (
        "warning",
        "too long",
        lambda _: {"samples": speech(1006, 31.0), "sentence": "word " * 60},
    ),
    "too fast": ("warning", "too fast to be true", lambda _: {"sentence": "今天天气" * 4}),
    "too slow": (
        "warning",
        "too slow to be true",
        lambda _: {"samples": speech(1007, 20.0), "sentence": "a"},
    ),
    "empty text": ("warning", "empty text", lambda _: {"sentence": ""}),
    "8 kHz": ("note", "low sampling rate", lambda _: {"samples": speech(1008), "rate": 8000}),
    "stereo": ("note", "several channels", lambda _: {"samples": speech(1009).reshape(-1, 2)}),
    "said twice": ("note", "repeated text", lambda _: {"sentence": "text b"}),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_and_nothing_else(corpus: Corpus, fault: str) -> None:
    severity, kind, plant = PLANTED[fault]
    planted = corpus.add(**plant(corpus.folder))
    diagnosis = corpus.check()
    assert found(diagnosis) == [(severity, kind, planted)]
    assert diagnosis.exit_code == {"error": 2, "warning": 1, "note": 0}[severity]
    assert diagnosis.findings[0].line == 4
    assert diagnosis.findings[0].manifest.name == "train.json"


def test_all_planted_faults_are_found_together(corpus: Corpus) -> None:
    expected = sorted(
        (severity, kind, corpus.add(to="test", **plant(corpus.folder)))
        for severity, kind, plant in PLANTED.values()
    )
    # What is said twice is now said by the other set's speaker.
    expected = [
        ("note", "text in two sets", name) if kind == "repeated text" else each
        for each in expected
        for _, kind, name in [each]
    ]
    assert sorted(found(corpus.check())) == sorted(expected)


def test_parts_tell_each_finding_once_and_a_part_may_be_empty(corpus: Corpus) -> None:
    corpus.lines["train"].insert(1, "{")
    corpus.lines["train"].append(corpus.lines["train"][0])
    paths = [corpus.folder / "train.json"]
    corpus.check()
    told = [
        (each.kind, each.line)
        for number in range(1, 10)
        for each in check_manifests(paths, shard=Shard(number, 9)).findings
    ]
    assert told == [("broken line", 2), ("repeated id", 5)]


def test_a_wrong_extension_is_named_and_the_sound_is_read(corpus: Corpus) -> None:
    path = corpus.folder / "flac.wav"
    soundfile.write(path, speech(70), RATE, format="FLAC")
    named = corpus.add(audio={"path": path.name})
    assert found(corpus.check()) == [("note", "wrong extension", named)]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("我听 hip hop 歌曲", "zh"),
        ("OK", "zh"),
        ("T恤", "zh"),
        ("カラオケ", "ja"),
        ("می\u200cخواهم", "fa"),
        ("x < y & z", "en"),
        ("naïve café – “quoted” ©", "fr"),
        ("Ça coûte £5…".replace("5", "cinq"), "fr"),
        ("добар дан свима", "sr"),
        ("dobar dan svima", "sr"),
        ("नमस्ते दुनिया", "hi"),
    ],
)
def test_unusual_text_that_is_right_is_left_alone(corpus: Corpus, text: str, language: str) -> None:
    corpus.add(sentence=text, language=language)
    assert found(corpus.check()) == []


def test_broken_and_repeated_lines_are_found(corpus: Corpus) -> None:
    corpus.lines["train"].insert(1, "{")
    corpus.lines["train"].append(corpus.lines["train"][0])
    diagnosis = corpus.check()
    assert [(each.kind, each.line) for each in diagnosis.findings] == [
        ("broken line", 2),
        ("repeated id", 5),
        ("repeated audio", 5),
    ]
    assert diagnosis.summaries[0].lines == 5


def test_the_same_sound_in_two_sets_is_a_leak(corpus: Corpus) -> None:
    corpus.add(speech(50), to="train", sentence="one text", speaker="A")
    leaked = corpus.add(speech(50), to="test", sentence="one text", speaker="B")
    diagnosis = corpus.check()
    assert found(diagnosis) == [("error", "audio in two sets", leaked)]
    assert "train.json line 4" in diagnosis.findings[0].message


def test_the_same_sound_is_known_in_another_format(corpus: Corpus) -> None:
    path = corpus.folder / "1.flac"
    soundfile.write(path, soundfile.read(corpus.folder / "1.wav")[0], RATE)
    corpus.add(to="test", audio={"path": "1.flac"})
    assert [each.kind for each in corpus.check().findings] == ["audio in two sets"]


def test_one_sound_with_two_texts_is_an_error(corpus: Corpus) -> None:
    twice = corpus.add(speech(1), sentence="something else")
    assert found(corpus.check()) == [("error", "one sound, two texts", twice)]
    again = corpus.add(speech(2), sentence="text c")
    assert ("warning", "repeated audio", again) in found(corpus.check())


def test_the_same_words_of_a_speaker_in_two_sets_are_a_warning(corpus: Corpus) -> None:
    said = corpus.add(to="test", sentence="text b", speaker="speaker of train")
    other = corpus.add(to="test", sentence="text c", speaker="another")
    assert found(corpus.check()) == [
        ("warning", "text of a speaker in two sets", said),
        ("warning", "speaker in two sets", said),
        ("note", "text in two sets", other),
    ]


def test_a_speaker_in_two_sets_is_told_once(corpus: Corpus) -> None:
    first = corpus.add(to="test", speaker="speaker of train")
    corpus.add(to="test", speaker="speaker of train")
    assert found(corpus.check()) == [("warning", "speaker in two sets", first)]


def test_data_of_one_speaker_is_what_it_is_for(tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    corpus.add(to="train", speaker="S")
    again = corpus.add(to="test", speaker="S")
    assert found(corpus.check()) == [("note", "speaker in two sets", again)]


def test_the_summary_counts_what_is_there(corpus: Corpus) -> None:
    corpus.add(speech(60, 3.0), speaker="S2", language="Chinese", sentence="", sentences=[])
    corpus.add(None, audio={"path": "none.wav"}, speaker=None)
    train, test = corpus.check().summaries
    assert (train.lines, train.usable, train.speakers, train.no_speech) == (5, 4, 2, 1)
    assert (train.shortest, train.median, train.longest, train.seconds) == (1.0, 1.0, 3.0, 6.0)
    assert train.distinct_texts == 4
    assert train.languages == {"?": 4, "zh": 1}
    assert (train.sampling_rates, train.channels) == ({16_000: 4}, {1: 4})
    assert test.lines == 3


def test_a_manifest_without_a_usable_line_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("\n\n")
    diagnosis = check_manifests([tmp_path / "a.json"])
    assert [each.kind for each in diagnosis.findings] == ["empty manifest"]
    assert diagnosis.exit_code == 2


def test_processes_find_what_one_finds(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "FEW_LINES", 2)
    monkeypatch.setattr(check, "LINES_A_TASK", 2)
    for _, _, plant in PLANTED.values():
        corpus.add(**plant(corpus.folder))
    assert corpus.check(num_workers=2) == corpus.check(num_workers=0)


def test_a_process_that_dies_is_a_clear_failure() -> None:
    with pytest.raises(Failure, match="one of 2 processes that read data died"):
        list(in_order(os._exit, [9, 9, 9], 2))  # the simplest way to die


def test_loudness_and_clipping_are_measured(tmp_path: Path) -> None:
    sine = np.sin(np.arange(RATE) * 2 * np.pi * 100 / RATE)
    soundfile.write(tmp_path / "a.wav", 0.5 * sine, RATE, subtype="FLOAT")
    facts = probe(AudioRef(str(tmp_path / "a.wav")))
    assert isinstance(facts, AudioFacts)
    assert facts.peak == pytest.approx(-6.02, abs=0.01)
    assert facts.loudness == pytest.approx(-9.03, abs=0.01)
    assert facts.clipped == 0.0
    # 160 samples a period; |1.25 sin| is above 1 for 4 * arccos(0.8) / (2 pi) of it.
    soundfile.write(tmp_path / "b.wav", np.clip(1.25 * sine, -1, 1), RATE)
    facts = probe(AudioRef(str(tmp_path / "b.wav")))
    assert isinstance(facts, AudioFacts)
    assert facts.clipped == pytest.approx(4 * np.arccos(0.8) / (2 * np.pi), abs=0.02)


@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_a_long_sound_is_measured_in_parts_and_gives_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"long{ending}"
    samples = np.stack([speech(1, 7.3, 0.5), speech(2, 7.3, 0.1) + 0.02], axis=1)
    samples[20_000:20_400] = 1.0
    soundfile.write(path, samples, RATE)
    whole = probe(AudioRef(str(path)))
    cut = probe(AudioRef(str(path), 1.0, 6.5))
    monkeypatch.setattr("utils.audio.limits.BLOCK_SECONDS", 2.0)
    for one, ref in ((whole, AudioRef(str(path))), (cut, AudioRef(str(path), 1.0, 6.5))):
        parts = probe(ref)
        assert isinstance(one, AudioFacts)
        assert isinstance(parts, AudioFacts)
        assert (parts.sha256, parts.duration, parts.peak) == (one.sha256, one.duration, one.peak)
        assert parts.shift == pytest.approx(one.shift)
        assert parts.loudness == pytest.approx(one.loudness)
        assert parts.clipped == pytest.approx(one.clipped)


def test_single_full_scale_samples_are_not_clipping(tmp_path: Path) -> None:
    samples = speech(1)
    samples[::50] = 1.0
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    facts = probe(AudioRef(str(tmp_path / "a.wav")))
    assert isinstance(facts, AudioFacts)
    assert facts.clipped == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0.0),
        ("。！?", 0.0),
        ("今天天气很好今天天气很好", 1.0),
        ("a" * 35, 1.0),
        ("今天ok", 2 / 12 + 2 / 35),
    ],
)
def test_speaking_time_counts_signs_by_their_kind(text: str, seconds: float) -> None:
    assert speaking_time(text) == pytest.approx(seconds)
