"""Every kind of audio file is read completely, or refused by name."""

from __future__ import annotations

import io
import pickle
import tarfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError, decode_audio
from utils.audio.header import header_duration

SECONDS = 2.0


def tone(rate: int = 16000, seconds: float = SECONDS, channels: int = 1) -> np.ndarray:
    """Return float32 (S, C): channel c is a sine of 200 * (c + 1) Hz."""
    time = np.arange(round(rate * seconds)) / rate
    columns = [0.4 * np.sin(2 * np.pi * 200 * (c + 1) * time) for c in range(channels)]
    return np.stack(columns, axis=1).astype(np.float32)


def write_with_av(path: Path, codec: str, rate: int = 48000, seconds: float = SECONDS) -> Path:
    """Encode a mono tone of 200 Hz in the container that the path's ending names."""
    samples = tone(rate, seconds)[:, 0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono", bit_rate=64000)
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=rate)
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for each in resampler.resample(frame):
            fifo.write(each)
        size = stream.frame_size or 1024
        while (piece := fifo.read(size)) or (piece := fifo.read()):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path


def pitch(samples: np.ndarray, rate: int) -> float:
    """Return the frequency of the strongest component of samples (S,), in Hz."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def kind_of_error(ref: AudioRef) -> str:
    with pytest.raises(AudioError) as error:
        decode_audio(ref)
    assert Path(ref.path).name in error.value.message
    return error.value.kind


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_16"),
        ("a.wav", "PCM_U8"),
        ("a.wav", "PCM_24"),
        ("a.wav", "FLOAT"),
        ("a.flac", "PCM_16"),
        ("a.ogg", "VORBIS"),
        ("a.ogg", "OPUS"),
        ("a.mp3", "MPEG_LAYER_III"),
        ("a.aiff", "PCM_16"),
        ("wrongly named.raw", "PCM_16"),
        ("语音 'ü'.wav", "PCM_16"),
    ],
)
def test_files_of_soundfile_are_read(tmp_path: Path, name: str, subtype: str) -> None:
    path = tmp_path / name
    container = {"PCM_U8": "WAV", "VORBIS": "OGG", "OPUS": "OGG", "MPEG_LAYER_III": "MP3"}
    default = {".flac": "FLAC", ".aiff": "AIFF"}.get(path.suffix, "WAV")
    soundfile.write(path, tone(), 16000, subtype=subtype, format=container.get(subtype, default))
    samples, rate = decode_audio(AudioRef(str(path)))
    assert samples.dtype == np.float32
    assert samples.shape[1] == 1
    assert len(samples) / rate == pytest.approx(SECONDS, abs=0.08)
    assert pitch(samples[:, 0], rate) == pytest.approx(200, abs=1)
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(0.4 / np.sqrt(2), abs=0.01)
    assert header_duration(AudioRef(str(path))) == pytest.approx(len(samples) / rate, abs=0.001)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.m4a", "aac"),
        ("a.mp4", "aac"),
        ("a.aac", "aac"),
        ("a.webm", "libopus"),
        ("a.opus", "libopus"),
        ("a.mkv", "flac"),
        ("a.wma", "wmav2"),
    ],
)
def test_files_of_pyav_are_read(tmp_path: Path, name: str, codec: str) -> None:
    path = write_with_av(tmp_path / name, codec)
    samples, rate = decode_audio(AudioRef(str(path)))
    assert samples.dtype == np.float32
    assert rate == 48000
    assert len(samples) / rate == pytest.approx(SECONDS, abs=0.08)
    assert pitch(samples[:, 0], rate) == pytest.approx(200, abs=1)
    assert header_duration(AudioRef(str(path))) == pytest.approx(len(samples) / rate, abs=0.08)


@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_every_channel_is_kept(tmp_path: Path, channels: int, rate: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(rate, channels=channels), rate)
    samples, found_rate = decode_audio(AudioRef(str(path)))
    assert (samples.shape, found_rate) == ((round(rate * SECONDS), channels), rate)
    assert pitch(samples[:, -1], rate) == pytest.approx(200 * channels, abs=1)


def ramp_file(folder: Path, name: str) -> str:
    """Write ten seconds whose value says the time: 0.05 in the first second, 0.10 in the next."""
    rate = 16000
    levels = np.repeat(np.arange(1, 11) * 0.05, rate)
    carrier = np.where(np.arange(len(levels)) % 16 < 8, 1.0, -1.0)
    path = folder / name
    if path.suffix in (".wav", ".flac", ".ogg"):
        soundfile.write(path, levels * carrier, rate)
        return str(path)
    source = av.AudioFrame.from_ndarray(
        (levels * carrier).astype(np.float32)[None], format="fltp", layout="mono"
    )
    source.sample_rate, source.pts, source.time_base = rate, 0, Fraction(1, rate)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono", bit_rate=128000)
        fifo = av.AudioFifo()
        fifo.write(source)
        while (piece := fifo.read(1024)) or (piece := fifo.read()):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.m4a", "a.mkv", "a.aac"])
def test_times_cut_out_the_right_piece(tmp_path: Path, name: str) -> None:
    path = ramp_file(tmp_path, name)
    # A raw AAC stream has no edit list: what it decodes to begins with the encoder's run-in.
    late = 0.13 if name == "a.aac" else 0.0
    whole, rate = decode_audio(AudioRef(path))
    for start, end in ((0.0, 1.0), (3.0, 4.0), (8.5, None), (None, 2.0), (6.25, 6.5)):
        piece, _ = decode_audio(AudioRef(path, start, end))
        first = round((start or 0) * rate)
        expected = whole[first : None if end is None else round(end * rate)]
        assert len(piece) == len(expected)
        # A lossy decoder that started elsewhere differs a little, never by a second's step.
        assert np.abs(np.abs(piece).mean() - np.abs(expected).mean()) < 0.01
        level = 0.05 * (int(start or 0) + 1)
        middle = np.abs(piece[int(late * rate) + 200 : 3000]).mean()
        assert middle == pytest.approx(level, rel=0.25)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.m4a", "a.aac"])
def test_a_piece_after_the_end_is_refused(tmp_path: Path, name: str) -> None:
    assert kind_of_error(AudioRef(ramp_file(tmp_path, name), 12.0, 13.0)) == "outside"


def test_a_piece_that_passes_the_end_stops_there(tmp_path: Path) -> None:
    samples, rate = decode_audio(AudioRef(ramp_file(tmp_path, "a.wav"), 9.0, 12.0))
    assert len(samples) == rate
    assert header_duration(AudioRef(ramp_file(tmp_path, "a.wav"), None, 12.0)) == 10.0


@pytest.mark.parametrize("name", ["first.wav", "second.flac", "third.m4a"])
def test_members_of_a_tar_are_read_by_their_byte_range(tmp_path: Path, name: str) -> None:
    for each in ("first.wav", "second.flac", "third.m4a"):
        ramp_file(tmp_path, each)
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for each in ("first.wav", "second.flac", "third.m4a"):
            tar.add(tmp_path / each, each)
    with tarfile.open(tmp_path / "shard.tar") as tar:
        member = tar.getmember(name)
    ref = AudioRef(str(tmp_path / "shard.tar"), 2.0, 4.0, member.offset_data, member.size)
    samples, _ = decode_audio(ref)
    np.testing.assert_array_equal(
        samples, decode_audio(AudioRef(str(tmp_path / name), 2.0, 4.0))[0]
    )
    whole = AudioRef(ref.path, offset=ref.offset, size=ref.size)
    assert header_duration(whole) == pytest.approx(10.0, abs=0.2)


def test_a_byte_range_outside_its_tar_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    path.write_bytes(b"x" * 100)
    assert kind_of_error(AudioRef(str(path), offset=50, size=51)) == "truncated"


@pytest.mark.parametrize("name", ["a.wav", "a.flac"])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    path = Path(ramp_file(tmp_path, name))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert kind_of_error(AudioRef(str(path))) == "truncated"


@pytest.mark.parametrize("name", ["a.m4a", "a.webm"])
def test_a_truncated_container_is_refused(tmp_path: Path, name: str) -> None:
    codec = "aac" if name == "a.m4a" else "libopus"
    path = write_with_av(tmp_path / name, codec, seconds=10.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert kind_of_error(AudioRef(str(path))) in ("truncated", "undecodable")


def test_a_wav_of_unknown_size_is_read(tmp_path: Path) -> None:
    # A program that writes into a pipe cannot go back to fill in the sizes.
    path = Path(ramp_file(tmp_path, "a.wav"))
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    assert bytes(content[36:40]) == b"data"
    path.write_bytes(content)
    samples, rate = decode_audio(AudioRef(str(path)))
    assert len(samples) == 10 * rate


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"this is a text, not a sound\n" * 100, "undecodable"),
        (b"\0" * 5000, "undecodable"),
        (b"RIFF\x24\x00\x00\x00WAVE", "undecodable"),
    ],
)
@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_what_is_no_audio_is_refused(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert kind_of_error(AudioRef(str(path))) == kind
    with pytest.raises(AudioError):
        header_duration(AudioRef(str(path)))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    assert kind_of_error(AudioRef(str(tmp_path / "none.wav"))) == "missing"
    assert kind_of_error(AudioRef(str(tmp_path))) == "missing"


def test_a_file_of_no_samples_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((0, 1), np.float32), 16000)
    assert kind_of_error(AudioRef(str(tmp_path / "a.wav"))) == "empty"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    samples = tone()
    samples[100] = bad
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert kind_of_error(AudioRef(str(tmp_path / "a.wav"))) == "not finite"


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert kind_of_error(AudioRef(str(path))) == "undecodable"


def test_an_error_keeps_its_hint_and_kind_across_processes() -> None:
    error = pickle.loads(pickle.dumps(AudioError("message", "hint", "empty")))
    assert (error.message, error.hint, error.kind) == ("message", "hint", "empty")


def test_streamed_webm_without_a_duration_is_measured(tmp_path: Path) -> None:
    # Browsers record webm live: no duration stands in the header.
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="webm", options={"live": "1"}) as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(tone(48000).T.copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        resampler = av.AudioResampler(format=stream.format, layout="mono", rate=48000)
        fifo = av.AudioFifo()
        for each in resampler.resample(frame):
            fifo.write(each)
        while (piece := fifo.read(960)) or (piece := fifo.read()):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    path = tmp_path / "a.webm"
    path.write_bytes(buffer.getvalue())
    assert header_duration(AudioRef(str(path))) == pytest.approx(SECONDS, abs=0.05)
