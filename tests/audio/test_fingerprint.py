"""The same recording is known after re-encoding, louder, a little shifted; others are not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.validation.test_check import Corpus, found
from utils.audio import fingerprint
from utils.audio.decode import decode_audio
from utils.audio.fingerprint import Pairs, alike, audio_fingerprint, bytes_of, table_of
from utils.manifest.read import read_manifest

Change = Callable[[np.ndarray], np.ndarray]
CHANGES: dict[str, tuple[Change, int, str]] = {
    "louder": (lambda x: np.clip(2 * x, -1, 1), 16_000, "FLAC"),
    "quieter": (lambda x: 0.2 * x, 16_000, "FLAC"),
    "mp3": (lambda x: x, 16_000, "MP3"),
    "ogg": (lambda x: x, 16_000, "OGG"),
    "8 kHz": (lambda x: soxr.resample(x, 16_000, 8_000), 8_000, "FLAC"),
    "44.1 kHz": (lambda x: soxr.resample(x, 16_000, 44_100), 44_100, "FLAC"),
    "later": (lambda x: np.concatenate([np.zeros(1100, np.float32), x]), 16_000, "FLAC"),
    "cut": (lambda x: x[1100:], 16_000, "FLAC"),
    "stereo": (lambda x: np.stack([x, x], axis=1), 16_000, "FLAC"),
    "all": (lambda x: 0.5 * x[700:], 16_000, "MP3"),
}


@pytest.fixture(scope="session")
def clips(repository: Path) -> list[np.ndarray]:
    """Sixteen different sentences of a few voices, float32 (S,) at 16 kHz."""
    lines = [*read_manifest(repository / "demo/en/dev.jsonl")][:8]
    lines += [*read_manifest(repository / "demo/zh/dev.jsonl")][:8]
    return [decode_audio(line.audio)[0][:, 0] for line in lines]


def pairs_of(taken: list[bytes], durations: list[float]) -> Pairs:
    return alike(table_of(taken), np.array(durations))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_recording_is_known_and_no_other(
    clips: list[np.ndarray], tmp_path: Path, change: str
) -> None:
    changed, rate, kind = CHANGES[change]
    sounds = [(clip[:, None], 16_000) for clip in clips]
    for number, clip in enumerate(clips):
        soundfile.write(tmp_path / f"{number}", changed(clip), rate, format=kind)
        sounds.append(soundfile.read(tmp_path / f"{number}", dtype="float32", always_2d=True))
    taken = [audio_fingerprint(*sound) for sound in sounds]
    pairs = pairs_of(taken, [len(samples) / rate for samples, rate in sounds])
    count = len(clips)
    expected = {(number, number + count) for number in range(count)}
    told = set(zip(pairs.earlier.tolist(), pairs.later.tolist(), strict=True))
    assert told <= expected
    assert len(told) >= count - 1


def test_what_lasts_longer_is_another_recording(clips: list[np.ndarray]) -> None:
    longer = np.concatenate([clips[0], clips[1]])
    taken = [audio_fingerprint(each[:, None], 16_000) for each in (clips[0], longer)]
    assert not len(pairs_of(taken, [len(clips[0]) / 16_000, len(longer) / 16_000]).later)


def test_what_is_kept_is_what_was_taken() -> None:
    taken = [b"", b"\0\1\0", bytes(range(56, 256)), bytes(200)]
    assert [bytes_of(each) for each in table_of(taken)] == taken


def test_too_little_has_no_fingerprint() -> None:
    assert audio_fingerprint(np.zeros((16_000, 1), np.float32), 16_000) == b""
    tone = np.sin(np.arange(16_000) * 0.1).astype(np.float32)[:, None]
    assert audio_fingerprint(tone, 16_000) == b""
    assert audio_fingerprint(np.random.default_rng(0).uniform(-1, 1, (4000, 1)), 4000) == b""
    assert audio_fingerprint(np.ones((100, 2), np.float32), 16_000) == b""
    assert not len(pairs_of([], []).later)
    assert not len(pairs_of([b"", b""], [1.0, 1.0]).later)


def test_a_hum_in_every_sound_costs_no_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal fingerprints in great number are each compared with few."""
    compared = 0
    differences = fingerprint._differences

    def counted(*arguments: np.ndarray) -> object:
        nonlocal compared
        compared += len(arguments[0])
        return differences(*arguments)

    monkeypatch.setattr(fingerprint, "_differences", counted)
    rng = np.random.default_rng(0)
    sound = rng.uniform(-0.2, 0.2, (16_000, 1)).astype(np.float32)
    pairs = pairs_of([audio_fingerprint(sound, 16_000)] * 300, [1.0] * 300)
    assert pairs.later.tolist() == [*range(1, 300)]
    assert 0 < compared < 300 * 100


def test_keys_are_found_in_passes_too(
    clips: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds = [*clips, *(0.5 * clip for clip in clips)]
    taken = [audio_fingerprint(each[:, None], 16_000) for each in sounds]
    durations = [len(each) / 16_000 for each in sounds]
    at_once = pairs_of(taken, durations)
    monkeypatch.setattr(fingerprint, "_KEYS_A_PASS", 500)
    for name in ("_KEYS_A_BLOCK", "_PAIRS_A_BLOCK", "_FINGERPRINTS_A_BLOCK"):
        monkeypatch.setattr(fingerprint, name, 7)
    in_pieces = pairs_of(taken, durations)
    assert len(at_once.later) >= len(clips) - 1
    for whole, part in zip(at_once, in_pieces, strict=True):
        assert part.tolist() == whole.tolist()


def test_validation_names_what_is_nearly_the_same(clips: list[np.ndarray], tmp_path: Path) -> None:
    corpus = Corpus(tmp_path)
    for number, clip in enumerate(clips[:4]):
        corpus.add(clip, sentence=f"some words {'abcd'[number]}", speaker=f"S{number}")
    again = corpus.add(0.4 * clips[1], sentence="some words b", speaker="another")
    leaked = corpus.add(0.4 * clips[2], to="test", sentence="some words c", speaker="third")
    corpus.add(0.4 * clips[3], to="test", sentence="others", speaker="fourth")  # perhaps one voice
    diagnosis = corpus.check()
    assert found(diagnosis) == [
        ("warning", "nearly the same audio", again),
        ("warning", "nearly the same audio in two sets", leaked),
    ]
    assert "train.json line 2" in diagnosis.findings[0].message
