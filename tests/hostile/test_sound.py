"""Sound files that lie, are damaged, or are larger than any memory: measured, or named."""

from __future__ import annotations

import io
import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.hostility import fuzz, mutations
from utils.audio import limits as audio_file
from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError, decode_audio, decode_blocks
from utils.audio.header import header_duration
from utils.audio.probe import AudioFacts, UnreadableAudio, probe
from utils.validation.check import check_manifests
from utils.validation.inspect import speech_seconds

DAY = 24 * 3600


def wav_header(rate: int, samples: int, channels: int = 1) -> bytes:
    """Return the header of 16-bit PCM."""
    block = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, rate, (rate * block) % 2**32, block, 16)
    size = samples * block
    return (
        b"RIFF" + struct.pack("<I", min(36 + size, 2**32 - 1)) + b"WAVE"
        b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size)
    )


def long_wav(path: Path, rate: int, seconds: int, channels: int = 1) -> AudioRef:
    """Write a wav file of silence that takes no room on the disk."""
    samples = rate * seconds
    with open(path, "wb") as file:
        file.write(wav_header(rate, samples, channels))
        file.truncate(44 + 2 * channels * samples)
    return AudioRef(str(path))


def sounds() -> dict[str, bytes]:
    """Return a sixth of a second of noise in each of some formats."""
    samples = np.random.default_rng(0).uniform(-0.2, 0.2, 2667)
    found = {}
    for kind in ("WAV", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF"):
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, 16_000, format=kind)
        found[kind.lower()] = buffer.getvalue()
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        shaped = samples.astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(shaped, format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    return found | {"m4a": buffer.getvalue()}


SOUNDS = sounds()


def test_a_day_of_sound_is_read_a_little_at_a_time(tmp_path: Path) -> None:
    ref = long_wav(tmp_path / "day.wav", 1000, DAY)
    lengths = [samples.size for samples, _ in decode_blocks(ref)]
    assert sum(lengths) == 1000 * DAY
    assert max(lengths) <= min(audio_file.BLOCK_VALUES, 600 * 1000)
    line = json.dumps({"audio": {"path": "day.wav"}, "sentence": "a word"})
    (tmp_path / "a.json").write_text(line)
    kinds = {each.kind for each in check_manifests([tmp_path / "a.json"]).findings}
    assert kinds == {"silent", "too long", "too slow to be true", "low sampling rate"}


def test_many_channels_at_a_high_rate_make_smaller_parts(tmp_path: Path) -> None:
    ref = long_wav(tmp_path / "wide.wav", 192_000, 10, channels=8)
    sizes = [samples.shape for samples, _ in decode_blocks(ref)]
    assert sum(length for length, _ in sizes) == 1_920_000
    assert max(length * channels for length, channels in sizes) <= audio_file.BLOCK_VALUES


@pytest.mark.parametrize("ending", ["m4a", "aac", "webm"])
def test_formats_of_ffmpeg_are_read_a_little_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path, codec = tmp_path / f"a.{ending}", {"webm": "libopus"}.get(ending, "aac")
    samples = np.random.default_rng(0).uniform(-0.2, 0.2, (1, 96_000)).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    whole, _ = decode_audio(AudioRef(str(path)))
    monkeypatch.setattr(audio_file, "BLOCK_VALUES", 20_000)
    blocks = [samples for samples, _ in decode_blocks(AudioRef(str(path)))]
    assert len(blocks) >= 4
    assert max(map(len, blocks)) <= 20_000
    assert np.array_equal(np.concatenate(blocks), whole)
    assert header_duration(AudioRef(str(path))) == pytest.approx(2.0, abs=0.1)


def test_a_header_that_states_years_costs_no_memory(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(16_000), 16_000, format="FLAC")
    content = bytearray(buffer.getvalue())
    content[21] |= 0x0F  # the 36 bits that count samples
    content[22:26] = b"\xff" * 4
    (tmp_path / "years.flac").write_bytes(content)
    probed = probe(AudioRef(str(tmp_path / "years.flac")))
    assert isinstance(probed, UnreadableAudio)
    assert probed.kind == "truncated"


@pytest.mark.parametrize("rate", [1, 999, 2_000_000, 2**31 - 1])
def test_a_rate_that_no_recording_has_is_damage(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_header(rate, 2000) + bytes(4000))
    with pytest.raises(AudioError) as caught:
        decode_audio(AudioRef(str(path)))
    assert caught.value.kind == "undecodable"


@pytest.mark.parametrize("times", [(1e308, None), (0.0, 1e308), (1e300, 1e308), (5e-324, 1e-300)])
@pytest.mark.parametrize("ending", ["wav", "ogg", "m4a"])
def test_times_beyond_all_bounds_are_a_finding(
    tmp_path: Path, times: tuple[float, float | None], ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "m4a":
        path.write_bytes(SOUNDS["m4a"])
    else:
        soundfile.write(path, np.zeros(8000), 16_000)
    probed = probe(AudioRef(str(path), *times))
    if times[0] > 1:
        assert isinstance(probed, UnreadableAudio)
        assert probed.kind == "outside"
    elif times[1] == 1e308:
        assert isinstance(probed, AudioFacts)
    else:
        assert isinstance(probed, UnreadableAudio)
        assert probed.kind == "empty"


@fuzz
@given(kind=st.sampled_from(sorted(SOUNDS)), change=mutations())
def test_a_damaged_sound_is_measured_or_named(
    kind: str, change: Callable[[bytes], bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("sound") / f"a.{kind}"
    path.write_bytes(change(SOUNDS[kind]))
    ref = AudioRef(str(path))
    probed = probe(ref)
    if isinstance(probed, UnreadableAudio):
        assert probed.kind and str(path) in probed.message
    else:
        assert probed.duration > 0
        assert np.isfinite([probed.clipped, probed.shift]).all()
        speech_seconds(ref)
    try:
        assert header_duration(ref) >= 0
    except AudioError:
        return


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "folder", "long name", "zero byte"])
def test_what_is_no_file_is_named_and_waited_for_by_nobody(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.wav"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    name = {"device": "/dev/zero", "long name": "a" * 5000, "zero byte": "a\0.wav"}.get(kind)
    probed = probe(AudioRef(name or str(path)))
    assert isinstance(probed, UnreadableAudio)
    assert probed.kind in ("missing", "empty")
