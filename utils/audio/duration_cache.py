"""Measured durations, remembered between runs in the user's cache folder.

A manifest without durations costs a look into every file. The manifest is the user's and is never
changed; what was measured is kept in `$XDG_CACHE_HOME/whisper-finetune/durations.sqlite`
(`~/.cache` where the variable is not set) and believed as long as the file has the same size and
time of change. The file can be deleted at any time. Where it cannot be used, everything is
measured again, and nothing else changes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from utils.audio.clip import AudioRef, Seconds
from utils.cli.files import cache_folder

# Several processes of one run come at the same time.
SECONDS_TO_WAIT_FOR_OTHERS = 10.0

# The number goes up where files are measured in another way, so that nothing old is believed.
_TABLE = """CREATE TABLE IF NOT EXISTS durations_2
    (piece TEXT PRIMARY KEY, bytes INTEGER, changed INTEGER, seconds REAL) WITHOUT ROWID"""


def cache_file() -> Path:
    """Where measured durations are kept."""
    return cache_folder() / "durations.sqlite"


def remembered_durations(audio: Sequence[AudioRef]) -> list[Seconds | None]:
    """Return what was measured earlier of each sound, in seconds; None where it is not known."""
    if not audio or not cache_file().is_file():
        return [None] * len(audio)
    try:
        with closing(_open()) as cache:
            return [_look_up(cache, each) for each in audio]
    except (OSError, sqlite3.Error):
        return [None] * len(audio)


def remember_durations(audio: Sequence[AudioRef], durations: Sequence[Seconds]) -> None:
    """Keep what was measured; where that is not possible, it is left."""
    try:
        cache_file().parent.mkdir(parents=True, exist_ok=True)
        with closing(_open()) as cache, cache:
            cache.execute(_TABLE)
            pairs = zip(audio, durations, strict=True)
            rows = [(_piece(each), *_fingerprint(each), seconds) for each, seconds in pairs]
            cache.executemany("INSERT OR REPLACE INTO durations_2 VALUES (?, ?, ?, ?)", rows)
    except (OSError, sqlite3.Error):
        return


def _open() -> sqlite3.Connection:
    return sqlite3.connect(cache_file(), timeout=SECONDS_TO_WAIT_FOR_OTHERS)


def _look_up(cache: sqlite3.Connection, audio: AudioRef) -> Seconds | None:
    row = cache.execute(
        "SELECT bytes, changed, seconds FROM durations_2 WHERE piece = ?", (_piece(audio),)
    ).fetchone()
    if row is None:
        return None
    try:
        return float(row[2]) if tuple(row[:2]) == _fingerprint(audio) else None
    except OSError:
        return None


def _piece(audio: AudioRef) -> str:
    """The key of a sound: its file's full path and what of it is meant."""
    cut = (audio.start_time, audio.end_time, audio.offset, audio.size, audio.channel)
    return f"{os.path.abspath(audio.path)}|{'|'.join('' if c is None else repr(c) for c in cut)}"


def _fingerprint(audio: AudioRef) -> tuple[int, int]:
    """Size in bytes and time of change in ns; a changed file is measured again."""
    status = os.stat(audio.path)
    return status.st_size, status.st_mtime_ns
