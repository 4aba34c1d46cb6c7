"""How long a sound is, from its file's header where that says so."""

from __future__ import annotations

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode_av import sound_chunks, sound_track, stated_duration
from utils.audio.limits import (
    AudioError,
    describe,
    expect_content,
    open_source,
    outside,
)


def header_duration(ref: AudioRef) -> Seconds:
    """Return how long the sound that `ref` names lasts.

    Raises:
        AudioError: the file is missing, empty or not decodable.
    """
    if ref.end_time is not None and ref.start_time is not None:
        return ref.end_time - ref.start_time
    expect_content(ref)
    total = _file_duration(ref)
    start = ref.start_time or 0.0
    if start >= total:
        raise outside(ref, total)
    return (total if ref.end_time is None else min(total, ref.end_time)) - start


def _file_duration(ref: AudioRef) -> Seconds:
    import soundfile

    try:
        info = soundfile.info(open_source(ref))
        return float(info.frames / info.samplerate)
    except (soundfile.SoundFileError, RuntimeError, TypeError):
        return _av_duration(ref)


def _av_duration(ref: AudioRef) -> Seconds:
    import av

    try:
        with av.open(open_source(ref)) as container:
            stream = sound_track(ref, container)
            stated = stated_duration(container, stream)
            if stated is not None:
                return stated
            # Recordings that were streamed state no duration: count the samples, keep none.
            seconds = 0.0
            for chunk, _, rate in sound_chunks(container, stream):
                seconds += len(chunk) / rate
    except (av.error.FFmpegError, ValueError) as error:
        raise AudioError(f"{describe(ref)} is no audio that can be read: {error}") from None
    if not seconds:
        raise AudioError(f"{describe(ref)} holds no samples", kind="empty")
    return seconds
