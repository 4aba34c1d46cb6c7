"""Audio files -> samples as they are: every channel, at the file's own rate.

soundfile reads wav, flac, ogg, opus and mp3; PyAV reads those and everything else (m4a, mp4, webm,
amr, ...). Only the wanted piece is read, and a member of an uncompressed tar by its byte range.
Whatever cannot be read completely raises `AudioError`; nothing is repaired or replaced.

Dimensions: S samples of one channel, C channels.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from utils.cli.errors import UserError
from utils.manifest.utterance import AudioRef, Seconds

# A file may end this much earlier than a cut says: frames of codecs and rounded times.
END_TOLERANCE: Seconds = 0.1

# Containers with an index: a seek lands where it says, and the duration in the header is true.
_INDEXED_CONTAINERS = ("mp4", "matroska", "webm")
# A seek goes to an earlier packet: decoders need some sound before what they give is right.
_PREROLL: Seconds = 0.5
# Writers that cannot go back leave the largest number, or one near it, or 0 as the data's size.
_UNKNOWN_WAV_SIZE = 0x7FFF0000
# Formats (as libsndfile calls them) whose headers count every sample.
_LOSSLESS = ("WAV", "WAVEX", "FLAC", "AIFF", "AU", "W64", "RF64", "CAF")


class AudioError(UserError):
    """An audio file that cannot be read; `kind` groups such files in a report.

    Kinds: `missing`, `empty`, `truncated`, `undecodable`, `not finite` and `outside` (the piece
    wanted begins after the end of the file).
    """

    def __init__(self, message: str, hint: str = "", kind: str = "undecodable") -> None:
        super().__init__(message, hint)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        # Crosses from a worker process with its hint and kind.
        return type(self), (self.message, self.hint, self.kind)


def decode_audio(ref: AudioRef) -> tuple[np.ndarray, int]:
    """Read the samples that `ref` names.

    Args:
        ref: a file, with times a piece of it, with a byte range a file inside an uncompressed tar.

    Returns:
        samples, float32 (S, C) with S >= 1, nominally in [-1, 1] (a file of floats may pass it);
        and the sampling rate in Hz.

    Raises:
        AudioError: missing, empty, truncated, not decodable, not finite, or the piece lies outside.
    """
    expect_content(ref)
    samples, rate = _read(ref)
    if len(samples) == 0:
        raise AudioError(f"{describe(ref)} holds no samples", kind="empty")
    bad = samples.size - int(np.count_nonzero(np.isfinite(samples)))
    if bad:
        raise AudioError(
            f"{describe(ref)} has {bad} of {samples.size} samples that are no finite numbers",
            "make the file again, or leave the utterance out",
            kind="not finite",
        )
    return samples, rate


def header_duration(ref: AudioRef) -> Seconds:
    """Return how long the sound that `ref` names lasts, from the file's header where it says so.

    Raises:
        AudioError: the file is missing, empty or not decodable.
    """
    if ref.end_time is not None and ref.start_time is not None:
        return ref.end_time - ref.start_time
    expect_content(ref)
    total = _file_duration(ref)
    start = ref.start_time or 0.0
    if start >= total:
        raise _outside(ref, total)
    return (total if ref.end_time is None else min(total, ref.end_time)) - start


def describe(ref: AudioRef) -> str:
    """Name the audio in an error: its path, and the byte range or the piece if it is one."""
    name = ref.path
    if ref.offset is not None and ref.size is not None:
        name += f" (bytes {ref.offset} to {ref.offset + ref.size})"
    if ref.start_time is not None or ref.end_time is not None:
        end = "end" if ref.end_time is None else f"{ref.end_time:g} s"
        name += f" ({ref.start_time or 0.0:g} s to {end})"
    return name


# ---------------------------------------------------------------------------------------------
# Before decoding.


def expect_content(ref: AudioRef) -> int:
    """Refuse what is missing, no file, or empty, and a byte range outside its file.

    Returns:
        The size of the file in bytes.

    Raises:
        AudioError: naming which.
    """
    path = ref.path
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(
            f"there is no audio file {path}",
            "paths are relative to the manifest's folder, or to the current folder",
            kind="missing",
        ) from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{path!r} cannot be opened: {error}", kind="missing") from None
    if os.path.isdir(path):
        raise AudioError(f"{path} is a folder, not an audio file", kind="missing")
    if size == 0:
        raise AudioError(f"{path} is empty (0 bytes)", "copy it again", kind="empty")
    if ref.offset is not None and ref.size is not None and ref.offset + ref.size > size:
        raise AudioError(
            f"{describe(ref)} lies outside the file, which has {size} bytes",
            "the tar and its manifest do not belong together, or the tar was cut off",
            kind="truncated",
        )
    return size


def _source(ref: AudioRef) -> str | BinaryIO:
    """Return what the libraries open: the path, or the bytes of a tar member."""
    if ref.offset is None or ref.size is None:
        return ref.path
    try:
        with open(ref.path, "rb") as file:
            file.seek(ref.offset)
            return io.BytesIO(file.read(ref.size))
    except OSError as error:
        raise AudioError(f"{describe(ref)} cannot be read: {error}") from None


def _outside(ref: AudioRef, total: Seconds) -> AudioError:
    return AudioError(
        f"{describe(ref)} begins after the end of the sound, which lasts {total:g} s",
        "mend the start_time, or copy the file again if it should be longer",
        kind="outside",
    )


def _truncated(ref: AudioRef, found: Seconds, stated: Seconds) -> AudioError:
    return AudioError(
        f"{describe(ref)} is truncated: {found:.2f} s of {stated:.2f} s can be read",
        "copy or download it again",
        kind="truncated",
    )


# ---------------------------------------------------------------------------------------------
# soundfile, then PyAV.


def _read(ref: AudioRef) -> tuple[np.ndarray, int]:
    import soundfile

    source = _source(ref)
    try:
        file = soundfile.SoundFile(source)
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        # Not its format (a name that ends in .raw is a TypeError): PyAV knows the rest.
        return _read_with_av(ref, _source(ref))
    with file:
        _expect_whole_wav(ref, file)
        return _read_with_soundfile(ref, file)


def _read_with_soundfile(ref: AudioRef, file: Any) -> tuple[np.ndarray, int]:
    """Read the wanted piece; float32 (S, C), rate in Hz."""
    import soundfile

    rate, frames = file.samplerate, file.frames
    first = round((ref.start_time or 0.0) * rate)
    last = frames if ref.end_time is None else min(frames, round(ref.end_time * rate))
    if first >= frames > 0:
        raise _outside(ref, frames / rate)
    wanted = max(0, last - first)
    try:
        if first:
            file.seek(first)
        samples = file.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise AudioError(
            f"{describe(ref)} is damaged: {str(error).strip()}",
            "copy or download it again",
            kind="truncated",
        ) from None
    # The header of a lossy file counts whole frames, of which the decoder leaves some out.
    tolerance = 0 if file.format in _LOSSLESS else round(END_TOLERANCE * rate)
    if len(samples) < wanted - tolerance:
        raise _truncated(ref, (first + len(samples)) / rate, frames / rate)
    return samples, rate


def _expect_whole_wav(ref: AudioRef, file: Any) -> None:
    """Refuse a wav file that ends before its header says; libsndfile takes what is there."""
    if file.format not in ("WAV", "WAVEX"):
        return
    with open(ref.path, "rb") as raw:
        start = ref.offset or 0
        end = start + ref.size if ref.size is not None else os.fstat(raw.fileno()).st_size
        raw.seek(start + 12)
        while raw.tell() + 8 <= end:
            name, size = struct.unpack("<4sI", raw.read(8))
            if name == b"data":
                available = end - raw.tell()
                if size > available and size < _UNKNOWN_WAV_SIZE:
                    found = file.frames / file.samplerate
                    raise _truncated(ref, found, found * size / max(available, 1))
                return
            raw.seek(size + size % 2, os.SEEK_CUR)


def _read_with_av(ref: AudioRef, source: str | BinaryIO) -> tuple[np.ndarray, int]:
    """Decode the wanted piece; float32 (S, C), rate in Hz."""
    import av

    try:
        with av.open(source) as container:
            if not container.streams.audio:
                raise AudioError(f"{describe(ref)} has no sound track", "is it an audio file?")
            return _decode_stream(ref, container, container.streams.audio[0])
    except (av.error.FFmpegError, ValueError, UnicodeDecodeError) as error:
        raise AudioError(
            f"{describe(ref)} is no audio that can be read: {error}",
            "play it to see whether it is whole; anything that ffmpeg reads will do",
        ) from None


def _decode_stream(ref: AudioRef, container: Any, stream: Any) -> tuple[np.ndarray, int]:
    start = ref.start_time or 0.0
    indexed = any(name in container.format.name for name in _INDEXED_CONTAINERS)
    stated = _stated_duration(container, stream) if indexed else None
    if stated is not None and start >= stated + END_TOLERANCE:
        raise _outside(ref, stated)
    if indexed and start > _PREROLL:
        origin = stream.start_time or 0
        stream_time = int((start - _PREROLL) / stream.time_base)
        container.seek(origin + stream_time, stream=stream)
    rate, chunks = 0, []
    position = 0  # of the next sample, in samples from the beginning of the sound
    for chunk, chunk_position, rate in _chunks(container, stream):
        position = chunk_position if chunk_position is not None else position
        first = max(0, round(start * rate) - position)
        last = None if ref.end_time is None else round(ref.end_time * rate) - position
        position += len(chunk)
        if last is not None and last <= 0:
            break
        chunks.append(chunk[first:last])
    samples = np.concatenate(chunks) if chunks else np.zeros((0, 1), np.float32)
    if rate and position <= round(start * rate):
        raise _outside(ref, position / rate)
    wanted = stated if ref.end_time is None or stated is None else min(stated, ref.end_time)
    if wanted is not None and rate and position / rate < wanted - max(0.5, 0.02 * wanted):
        raise _truncated(ref, position / rate, wanted)
    return np.ascontiguousarray(samples, dtype=np.float32), rate


def _chunks(container: Any, stream: Any) -> Iterator[tuple[np.ndarray, int | None, int]]:
    """Yield (samples float32 (S, C), position in samples of the first if known, rate in Hz).

    Only the first position is asked of the file: later ones would turn jitter of time stamps into
    gaps and overlaps.
    """
    import av

    resampler = av.AudioResampler(format="fltp")
    known = False
    for frame in container.decode(stream):
        position = None
        if not known and frame.pts is not None:
            seconds = (frame.pts - (stream.start_time or 0)) * stream.time_base
            # Before 0 lies the codec's run-in, which decoders leave out by themselves.
            position = max(0, round(seconds * frame.sample_rate))
        known = True
        for plain in resampler.resample(frame):
            yield plain.to_ndarray().T, position, plain.sample_rate
            position = None


# ---------------------------------------------------------------------------------------------
# Durations without decoding.


def _file_duration(ref: AudioRef) -> Seconds:
    import soundfile

    try:
        info = soundfile.info(_source(ref))
        return float(info.frames / info.samplerate)
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        pass
    whole = AudioRef(ref.path, offset=ref.offset, size=ref.size)
    stated = _av_duration(ref)
    if stated is not None:
        return stated
    # Recordings that were streamed state no duration: count the samples.
    samples, rate = decode_audio(whole)
    return len(samples) / rate


def _av_duration(ref: AudioRef) -> Seconds | None:
    import av

    try:
        with av.open(_source(ref)) as container:
            if not container.streams.audio:
                raise AudioError(f"{describe(ref)} has no sound track", "is it an audio file?")
            if any(name in container.format.name for name in _INDEXED_CONTAINERS):
                return _stated_duration(container, container.streams.audio[0])
            return None
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(f"{describe(ref)} is no audio that can be read: {error}") from None


def _stated_duration(container: Any, stream: Any) -> Seconds | None:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None:
        return float(container.duration / 1_000_000)
    return None
