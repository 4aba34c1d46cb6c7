"""How long a sound is, from its file's header where that says so."""

from __future__ import annotations

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode_av import open_container, sound_chunks, sound_track, stated_duration
from utils.audio.limits import (
    AudioError,
    describe,
    expect_channel,
    expect_content,
    open_source,
    outside,
)
from utils.audio.mpeg_frames import is_mpeg, mpeg_channels, mpeg_length
from utils.audio.open_file import open_soundfile


def header_duration(ref: AudioRef) -> Seconds:
    """Return how long the sound that `ref` names lasts.

    Raises:
        AudioError: the file is missing, empty or not decodable, or lacks the channel.
    """
    if ref.end_time is not None and ref.start_time is not None and ref.channel is None:
        return ref.end_time - ref.start_time
    expect_content(ref)
    total, channels = _file_length(ref)
    expect_channel(ref, channels)
    start = ref.start_time or 0.0
    if start >= total:
        raise outside(ref, total)
    return (total if ref.end_time is None else min(total, ref.end_time)) - start


def header_channels(ref: AudioRef) -> int:
    """Return how many channels a file has.

    Raises:
        AudioError: as of `header_duration`.
    """
    expect_content(ref)
    return _file_length(ref)[1]


def _file_length(ref: AudioRef) -> tuple[Seconds, int]:
    """Return how long the whole file is, and its channels."""
    if is_mpeg(ref):
        return mpeg_length(ref)[0], mpeg_channels(ref)
    file = open_soundfile(ref)
    if file is None:
        return _av_length(ref)
    if file.format == "MP3":  # behind something that is no tag
        file.close()
        return mpeg_length(ref)[0], mpeg_channels(ref)
    with file:
        return float(file.frames / file.samplerate), int(file.channels)


def _av_length(ref: AudioRef) -> tuple[Seconds, int]:
    import av

    try:
        with open_container(open_source(ref)) as container:
            if container.format.name == "mp3":
                return mpeg_length(ref)[0], mpeg_channels(ref)
            stream = sound_track(ref, container)
            channels = int(stream.codec_context.channels)
            stated = stated_duration(container, stream)
            if stated is not None:
                return stated, channels
            # Recordings that were streamed state no duration: count the samples, keep none.
            samples, rate = 0, 1
            for chunk, _, sampling_rate in sound_chunks(container, stream):
                samples, rate = samples + len(chunk), sampling_rate
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(f"{describe(ref)} is no audio that can be read: {error}") from None
    if not samples:
        raise AudioError(f"{describe(ref)} holds no samples", kind="empty")
    return samples / rate, channels
