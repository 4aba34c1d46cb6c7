"""Files that end before their header says, or have another behind them, lose nothing in silence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.test_lengths import SECONDS, encode, sweep
from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError, decode_audio
from utils.audio.header import header_duration

RATE = 16000
SOUNDFILE = {
    "a.wav": ("WAV", "PCM_16"),
    "a.aiff": ("AIFF", "PCM_16"),
    "a.au": ("AU", "PCM_16"),
    "a.caf": ("CAF", "PCM_16"),
    "a.w64": ("W64", "PCM_16"),
    "a.rf64": ("RF64", "PCM_16"),
    "a.sph": ("NIST", "PCM_16"),
}
AV = {
    "a.m4a": ("ipod", "aac"),
    "a.mka": ("matroska", "aac"),
    "a.webm": ("webm", "libopus"),
    "a.wma": ("asf", "wmav2"),
    "a.flv": ("flv", "aac"),
}
RATES = {"a.webm": 48000, "a.wma": 44100, "a.flv": 44100}


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name in SOUNDFILE:
        container, subtype = SOUNDFILE[name]
        soundfile.write(path, sweep(RATE), RATE, format=container, subtype=subtype)
    else:
        rate = RATES.get(name, RATE)
        options = {"bit_rate": 64000} if name == "a.wma" else {}
        encode(str(path), *AV[name], sweep(rate), rate, **options)
    return path


def decoded(path: Path, *times: float) -> np.ndarray:
    return decode_audio(AudioRef(str(path), *times))[0]


@pytest.mark.parametrize("name", [*SOUNDFILE, *AV])
def test_a_second_file_behind_the_first_is_named(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    path.write_bytes(path.read_bytes() * 2)
    for read in (decode_audio, header_duration):
        with pytest.raises(AudioError) as error:
            read(AudioRef(str(path)))
        assert error.value.kind == "joined"


@pytest.mark.parametrize("name", [name for name in (*SOUNDFILE, *AV) if name != "a.flv"])
def test_a_file_that_was_cut_is_named(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 5])
    for read in (decode_audio, header_duration):
        with pytest.raises(AudioError) as error:
            read(AudioRef(str(path)))
        assert error.value.kind == "truncated"


@pytest.mark.parametrize("kind", [("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_an_ogg_file_that_ends_within_a_page_is_named(
    tmp_path: Path, kind: tuple[str, str]
) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, sweep(RATE), RATE, format=kind[0], subtype=kind[1])
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(AudioError, match="ends within a page"):
        decoded(path)


@pytest.mark.parametrize("junk", [bytes(5000), b"\xff" * 5000, b"<html>error</html>" * 50])
def test_an_mp3_behind_junk_is_read_to_its_end(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "a.mp3"
    vbr = {"write_xing": "0", "codec_options": {"abr": "1"}, "bit_rate": 64000}
    encode(str(path), "mp3", "libmp3lame", sweep(RATE), RATE, **vbr)
    plain = decoded(path)
    path.write_bytes(junk + path.read_bytes())
    assert np.array_equal(decoded(path), plain)
    assert header_duration(AudioRef(str(path))) == pytest.approx(len(plain) / RATE)


def test_a_vbri_frame_is_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    encode(str(path), "mp3", "libmp3lame", sweep(24000), 24000, write_xing="0", id3v2_version="0")
    plain, content = decoded(path), path.read_bytes()
    header = content[:2] + bytes([content[2] & 0x0F | 0x80]) + content[3:4]
    frame = header + bytes(32) + b"VBRI" + bytes(22)
    path.write_bytes(frame.ljust(192, b"\0") + content)
    assert np.array_equal(decoded(path), plain)


def riff(size: int, content: bytes, behind: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(head) + size) + head + content + behind


PCM = (sweep(RATE) * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize(
    "content",
    [
        riff(len(PCM) + 44, PCM),  # its writer counted the header
        riff(len(PCM), PCM, bytes(40_000)),
        riff(len(PCM), PCM, b"TAG" + bytes(125)),
        riff(len(PCM), PCM, b"LIST\x04\0\0\0INFO"),
        riff(0x7FFFFFFF, PCM),
        riff(0x80000000, PCM),
        riff(0, PCM),
    ],
)
def test_a_wav_file_is_all_of_its_sound(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    whole = decoded(path)
    assert len(whole) == SECONDS * RATE
    assert np.array_equal(decoded(path, 2.0, 3.0), whole[2 * RATE : 3 * RATE])


def test_sound_behind_what_the_header_counts_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff(2 * RATE, PCM))  # a recorder that wrote its header once
    with pytest.raises(AudioError, match="goes on behind") as error:
        decoded(path)
    assert "--ignore-length" in error.value.hint


@pytest.mark.parametrize("kind", ["AU", "AIFF"])
def test_a_stated_size_of_0_is_none(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.snd"
    soundfile.write(path, sweep(RATE), RATE, format=kind, subtype="PCM_16")
    whole, content = decoded(path), bytearray(path.read_bytes())
    places = [8] if kind == "AU" else [4, content.index(b"SSND") + 4]
    for place in places:
        content[place : place + 4] = bytes(4)
    path.write_bytes(content)
    assert np.array_equal(decoded(path), whole)


@pytest.mark.parametrize("subtype", ["DWVW_16", "DWVW_24"])
def test_dwvw_in_aiff_is_read(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.aiff"
    soundfile.write(path, sweep(RATE), RATE, format="AIFF", subtype=subtype)
    whole = decoded(path)
    assert np.abs(whole[:, 0] - sweep(RATE)).max() < 1e-4
    assert np.array_equal(decoded(path, 2.0, 3.0), whole[2 * RATE : 3 * RATE])


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [("wav", "libmp3lame", 16000), ("voc", "pcm_s16le", 16000), ("asf", "wmav2", 44100)],
)
def test_rarer_kinds_are_read_whole_and_in_pieces(
    tmp_path: Path, container: str, codec: str, rate: int
) -> None:
    path = tmp_path / f"a.{container}"
    options = {} if codec.startswith("pcm") else {"bit_rate": 64000}
    encode(str(path), container, codec, sweep(rate), rate, **options)
    whole = decoded(path)[:, 0]
    assert len(whole) / rate == pytest.approx(SECONDS, abs=0.15)
    length = min(len(whole), round(SECONDS * rate))
    spectra = np.fft.rfft(whole[:length]), np.fft.rfft(sweep(rate)[:length])
    alike = np.fft.irfft(spectra[0] * np.conj(spectra[1])).max()  # whatever the delay
    assert alike / np.linalg.norm(whole) / np.linalg.norm(sweep(rate)) > 0.9
    piece = decoded(path, 2.5, 3.25)[:, 0]
    assert (
        np.abs(piece - whole[round(2.5 * rate) : round(3.25 * rate)]).max() < 5e-3
    )  # bit reservoir
