"""Which channel of a call an utterance of Kaldi's is: as files say it, or as names do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError
from utils.sources.audio.measure import channels_of
from utils.sources.files import channel_number, table_lines

_SIDE = re.compile(r"[-_.](?:(?:ch|channel|c)?([0-7])|([AB])|(left|right))$", re.IGNORECASE)


def channels_of_recordings(path: Path) -> dict[str, int]:
    """Read lines of recording, file and channel, A or B; nothing where there is no such file."""
    if not path.is_file():
        return {}
    rows = [line.split() for _, line in table_lines(path)]
    return {row[0]: channel_number(row[2]) for row in rows if len(row) == 3}


def side_of_name(recording: str) -> int | None:
    """Return the channel that a recording's name ends in, None where it names none.

    >>> [side_of_name(name) for name in ("sw02001-A", "call_right", "sw02001")]
    [0, 1, None]
    """
    found = _SIDE.search(recording)
    if found is None:
        return None
    if found[1]:
        return int(found[1])
    return channel_number(found[2]) if found[2] else int(found[3].lower() == "right")


def has_sides(audio: AudioRef) -> bool:
    """Whether a file has several channels; one that cannot be read is somebody else's to name."""
    try:
        return channels_of(AudioRef(audio.path)) > 1
    except AudioError:
        return False


def counted_from_0(audio: dict[str, AudioRef]) -> list[str]:
    """Bring channels that are counted from 1 to ours, from 0.

    They are where none is 0 and one is the number of a file's channels.

    Args:
        audio: by utterance; changed.

    Returns:
        A sentence for the user; none where nothing was changed.
    """
    named = {name: each for name, each in audio.items() if each.channel is not None}
    if not named or any(each.channel == 0 for each in named.values()):
        return []
    if not any(_is_last(each) for each in named.values()):
        return []
    for name, each in named.items():
        audio[name] = replace(each, channel=(each.channel or 1) - 1)
    return ["channels are counted from 1 in segments: 1 is taken as audio.channel 0"]


def _is_last(audio: AudioRef) -> bool:
    try:
        return channels_of(AudioRef(audio.path)) == audio.channel
    except AudioError:
        return False


def sides(
    recordings: Mapping[str, AudioRef], stated: Mapping[str, int]
) -> tuple[dict[str, AudioRef], dict[str, str]]:
    """Give several recordings of one file the channel of each.

    Args:
        recordings: which all name a file that others name too.
        stated: channels by recording.

    Returns:
        The recordings with channels, and of those whose channel nobody knows the reason.
    """
    found, unknown = {}, {}
    for name, each in recordings.items():
        channel = stated.get(name)
        if channel is None and has_sides(each):
            channel = side_of_name(name)
            if channel is None:
                unknown[name] = (
                    f"unknown channel: several recordings are {each.path}, and neither "
                    "reco2file_and_channel nor the name says which side this is"
                )
                continue
        found[name] = replace(each, channel=channel)
    return found, unknown
