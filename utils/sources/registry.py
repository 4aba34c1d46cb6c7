"""The sources of speech data that `custom.py` knows: a row each.

A source is one file with a settings dataclass and a function `gather` that reads what the settings
name and changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from utils.sources import (
    folder,
    hub,
    kaldi,
    lhotse,
    manifest,
    nemo,
    subtitles,
    table,
    wenetspeech,
)
from utils.sources.source_data import SourceData, SourceSettings


class Source(NamedTuple):
    """A kind of speech data: what it is asked, and how it is read."""

    settings: type[SourceSettings]
    gather: Callable[[Any], SourceData]


SOURCES: dict[str, Source] = {
    "folder": Source(folder.FolderSettings, folder.gather),
    "table": Source(table.TableSettings, table.gather),
    "kaldi": Source(kaldi.KaldiSettings, kaldi.gather),
    "subtitles": Source(subtitles.SubtitleSettings, subtitles.gather),
    "hub": Source(hub.HubSettings, hub.gather),
    "wenetspeech": Source(wenetspeech.WenetSpeechSettings, wenetspeech.gather),
    "nemo": Source(nemo.NemoSettings, nemo.gather),
    "lhotse": Source(lhotse.LhotseSettings, lhotse.gather),
    "manifest": Source(manifest.ManifestSettings, manifest.gather),
}
