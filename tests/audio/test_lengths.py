"""The length of a file is what can be decoded, and a piece is what the whole has there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError, decode_audio
from utils.audio.header import header_duration
from utils.audio.mpeg_frames import mpeg_length

SECONDS = 6.0
PIECES = ((0.0, 1.0), (0.3, 1.3), (2.5, 3.25), (4.75, 5.9))


def sweep(rate: int, seconds: float = SECONDS) -> np.ndarray:
    """Return float32 (S,): a rising tone, of which no two places are alike."""
    time = np.arange(round(rate * seconds)) / rate
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time)
    return (0.4 * loudness * np.sin(2 * np.pi * (200 + 40 * time) * time)).astype(np.float32)


class Pipe(io.RawIOBase):
    """Somewhere to write to that nobody can go back in."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, content: Any) -> int:
        self.content += bytes(content)
        return len(content)

    def seekable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


def encode(
    target: Any, container: str, codec: str, samples: np.ndarray, rate: int, **options: Any
) -> None:
    """Write samples (S,) with FFmpeg."""
    of_codec, bit_rate = options.pop("codec_options", {}), options.pop("bit_rate", None)
    with av.open(target, "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono", options=of_codec)
        if bit_rate:
            stream.bit_rate = bit_rate
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        for place in range(0, len(samples), 1024):
            some = samples[None, place : place + 1024]
            frame = av.AudioFrame.from_ndarray(some, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, place
            for each in resampler.resample(frame):
                file.mux(stream.encode(each))
        for each in resampler.resample(None):
            file.mux(stream.encode(each))
        file.mux(stream.encode(None))


SOUNDFILE = {
    "gsm.wav": ("WAV", "GSM610", 8000),
    "nms.wav": ("WAV", "NMS_ADPCM_32", 8000),
    "g721.au": ("AU", "G721_32", 8000),
    "g723.au": ("AU", "G723_40", 8000),
    "dialogic.vox": ("RAW", "VOX_ADPCM", 8000),
    "gsm.aiff": ("AIFF", "GSM610", 8000),
    "ima.wav": ("WAV", "IMA_ADPCM", 16000),
    "pcm.w64": ("W64", "PCM_16", 16000),
    "alac.caf": ("CAF", "ALAC_16", 16000),
    "nist.sph": ("NIST", "PCM_16", 16000),
    "vorbis.ogg": ("OGG", "VORBIS", 16000),
    "opus.ogg": ("OGG", "OPUS", 16000),
    "libsndfile.mp3": ("MP3", "MPEG_LAYER_III", 16000),
}
NO_XING = {"write_xing": "0"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
VBR = {"codec_options": {"abr": "1"}, "bit_rate": 64000}
AV: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "xing.mp3": ("mp3", "libmp3lame", 16000, {}),
    "no-xing.mp3": ("mp3", "libmp3lame", 16000, NO_XING | VBR),
    "constant.mp3": ("mp3", "libmp3lame", 44100, NO_XING | {"bit_rate": 64000}),
    "piped-to.mp3": ("mp3", "libmp3lame", 16000, VBR),
    "layer2.mp2": ("mp2", "mp2", 44100, {"bit_rate": 128000}),
    "layer2.mp3": ("mp2", "mp2", 16000, {"bit_rate": 64000}),
    "adts.aac": ("adts", "aac", 16000, {}),
    "aac.m4a": ("ipod", "aac", 44100, {}),
    "fragments.mp4": ("mp4", "aac", 16000, FRAGMENTS),
    "piped-to.webm": ("webm", "libopus", 48000, {}),
    "opus.webm": ("webm", "libopus", 48000, {}),
    "aac.mkv": ("matroska", "aac", 44100, {}),
    "mp3.mkv": ("matroska", "libmp3lame", 44100, {}),
    "flac.mkv": ("matroska", "flac", 16000, {}),
    "mp3.avi": ("avi", "libmp3lame", 44100, {}),
    "aac.ts": ("mpegts", "aac", 44100, {}),
    "aac.flv": ("flv", "aac", 44100, {}),
    "ac3.ac3": ("ac3", "ac3", 44100, {}),
    "piped-to.flac": ("flac", "flac", 16000, {}),
    "piped-to.wav": ("wav", "pcm_s16le", 16000, {}),
    "piped-to.w64": ("w64", "pcm_s16le", 16000, {}),
}
# Opus keeps what it decoded before for longer than a seek gives it.
TOLERANCE = {"opus.webm": 0.02, "opus.ogg": 0.02}


def written(folder: Path, name: str) -> Path:
    path = folder / name
    if name in SOUNDFILE:
        container, subtype, rate = SOUNDFILE[name]
        soundfile.write(path, sweep(rate), rate, format=container, subtype=subtype)
        return path
    container, codec, rate, options = AV[name]
    target: Any = Pipe() if name.startswith("piped-to") else str(path)
    encode(target, container, codec, sweep(rate), rate, **options)
    if isinstance(target, Pipe):
        path.write_bytes(target.content)
    return path


@pytest.mark.parametrize("name", [*SOUNDFILE, *AV])
def test_pieces_are_what_the_whole_has_there(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name)
    whole, rate = decode_audio(AudioRef(str(path)))
    assert len(whole) / rate == pytest.approx(SECONDS, abs=0.15)
    assert header_duration(AudioRef(str(path))) == pytest.approx(len(whole) / rate, abs=0.05)
    for start, end in PIECES:
        piece, _ = decode_audio(AudioRef(str(path), start, end))
        expected = whole[round(start * rate) : round(end * rate)]
        assert len(piece) == len(expected), (start, end)
        assert np.abs(piece - expected).max() <= TOLERANCE.get(name, 1e-5), (start, end)


def test_silence_first_does_not_make_an_mp3_longer(tmp_path: Path) -> None:
    rate = 16000
    samples = np.concatenate([np.zeros(rate * 5, np.float32), sweep(rate)])
    path = tmp_path / "silence-first.mp3"
    encode(str(path), "mp3", "libmp3lame", samples, rate, **NO_XING, codec_options={"q": "4"})
    seconds = len(samples) / rate
    assert header_duration(AudioRef(str(path))) == pytest.approx(seconds, abs=0.15)
    assert len(decode_audio(AudioRef(str(path)))[0]) / rate == pytest.approx(seconds, abs=0.15)


def joined(folder: Path, name: str) -> Path:
    """Return a file that is followed by another of its kind, of other length, as cat makes it."""
    first = written(folder, name)
    container, subtype, rate = {"libsndfile.mp3": SOUNDFILE["libsndfile.mp3"]}.get(
        name, ("", "", 16000)
    )
    second = folder / f"second-{name}"
    samples = sweep(rate)[: 2 * rate]
    if name == "xing.mp3":
        encode(str(second), "mp3", "libmp3lame", samples, rate)
    else:
        container, subtype, rate = SOUNDFILE[name]
        soundfile.write(second, samples, rate, format=container, subtype=subtype)
    path = folder / f"joined-{name}"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    return path


@pytest.mark.parametrize("name", ["xing.mp3", "libsndfile.mp3", "vorbis.ogg", "opus.ogg"])
def test_joined_files_are_read_to_the_end_of_the_last(tmp_path: Path, name: str) -> None:
    path = joined(tmp_path, name)
    whole, rate = decode_audio(AudioRef(str(path)))
    assert len(whole) / rate == pytest.approx(SECONDS + 2, abs=0.1)
    assert header_duration(AudioRef(str(path))) == pytest.approx(SECONDS + 2, abs=0.1)
    piece, _ = decode_audio(AudioRef(str(path), 6.5, 7.5))
    assert np.abs(piece - whole[round(6.5 * rate) : round(7.5 * rate)]).max() < 1e-5


def test_joined_flac_files_are_read_to_the_end_of_the_last(tmp_path: Path) -> None:
    parts = []
    for seconds in (6.0, 2.0):
        soundfile.write(tmp_path / "part.flac", sweep(16000, seconds), 16000)
        parts.append((tmp_path / "part.flac").read_bytes())
    path = tmp_path / "joined.flac"
    path.write_bytes(b"".join(parts))
    assert len(decode_audio(AudioRef(str(path)))[0]) == 8 * 16000
    assert header_duration(AudioRef(str(path))) == pytest.approx(8.0)


def test_a_wav_file_behind_another_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", sweep(16000), 16000)
    path = tmp_path / "joined.wav"
    path.write_bytes((tmp_path / "a.wav").read_bytes() * 2)
    with pytest.raises(AudioError, match="a second file behind the first") as error:
        decode_audio(AudioRef(str(path)))
    assert error.value.kind == "joined"
    with pytest.raises(AudioError, match="a second file"):
        header_duration(AudioRef(str(path)))


@pytest.mark.parametrize("stated", [0, 0xFFFFFFFF])
def test_a_wav_file_of_no_stated_size_is_read_to_its_end(tmp_path: Path, stated: int) -> None:
    path = tmp_path / "stream.wav"
    soundfile.write(path, sweep(16000), 16000)
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = stated.to_bytes(4, "little")
    content[4:8] = stated.to_bytes(4, "little")
    path.write_bytes(content)
    whole, rate = decode_audio(AudioRef(str(path)))
    assert len(whole) == SECONDS * rate
    assert header_duration(AudioRef(str(path))) == SECONDS
    piece, _ = decode_audio(AudioRef(str(path), 2.0, 3.0))
    assert np.array_equal(piece, whole[2 * rate : 3 * rate])


def test_a_true_xing_frame_is_believed_and_a_cut_file_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "xing.mp3")
    assert mpeg_length(AudioRef(str(path)))[1]
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(AudioError) as error:
        header_duration(AudioRef(str(path)))
    assert error.value.kind == "truncated"


def test_tags_around_mp3_frames_are_no_sound(tmp_path: Path) -> None:
    path = written(tmp_path, "no-xing.mp3")
    whole, _ = decode_audio(AudioRef(str(path)))
    tagged = tmp_path / "tagged.mp3"
    id3 = b"ID3\x03\x00\x00" + bytes((0, 0, 2, 0)) + bytes(256)
    tagged.write_bytes(id3 + path.read_bytes() + b"TAG" + b"\xff\xfb\x90\x00" + bytes(121))
    assert np.array_equal(decode_audio(AudioRef(str(tagged)))[0], whole)


def test_mp3_files_of_two_rates_cannot_be_one_sound(tmp_path: Path) -> None:
    content = b""
    for rate in (16000, 44100):
        encode(str(tmp_path / "part.mp3"), "mp3", "libmp3lame", sweep(rate, 1.0), rate)
        content += (tmp_path / "part.mp3").read_bytes()
    (tmp_path / "two.mp3").write_bytes(content)
    with pytest.raises(AudioError, match="16000 Hz to layer 3 at 44100 Hz"):
        decode_audio(AudioRef(str(tmp_path / "two.mp3")))


def test_one_channel_is_heard_alone(tmp_path: Path) -> None:
    sides = np.stack([sweep(16000), -0.5 * sweep(16000)[::-1]], axis=1)
    for name in ("call.wav", "call.flac"):
        soundfile.write(tmp_path / name, sides, 16000)
        both, _ = decode_audio(AudioRef(str(tmp_path / name)))
        for channel in (0, 1):
            one, _ = decode_audio(AudioRef(str(tmp_path / name), channel=channel))
            assert np.array_equal(one, both[:, [channel]])


def test_a_channel_that_is_not_there_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "mono.wav", sweep(16000), 16000)
    ref = AudioRef(str(tmp_path / "mono.wav"), 0.5, 1.0, channel=1)
    for read in (decode_audio, header_duration):
        with pytest.raises(AudioError, match=r"mono.wav .*channel 1.* has only channel 0") as error:
            read(ref)
        assert error.value.kind == "channel"


@pytest.mark.parametrize(
    ("asked", "there", "said"),
    [
        ("caf\u00e9.wav", "cafe\u0301.wav", "Unicode form"),
        ("A.WAV", "a.wav", "case"),
        ("clips\\a.wav", "clips/a.wav", "write / in place of"),
    ],
)
def test_a_missing_file_that_ls_shows_is_named(
    tmp_path: Path, asked: str, there: str, said: str
) -> None:
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"x")
    with pytest.raises(AudioError) as error:
        header_duration(AudioRef(f"{tmp_path}/{asked}"))
    assert said in error.value.hint
