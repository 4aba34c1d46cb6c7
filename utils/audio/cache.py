"""Sound as it was decoded, kept on disk, so that epochs after the first need not decode again.

One file holds the samples of all utterances, one after another, and one the table of where each
lies; workers and processes on a machine share both through memory maps, so that what one has
decoded all others read. An utterance is kept in 16 bits where that loses nothing (16-bit recordings
at 16 kHz), otherwise as the float32 that the decoder gave: what is read is always what was decoded,
bit for bit. What passes the budget is decoded anew each time; nothing is ever thrown out to make
room, since an epoch reads everything once and would throw out what it needs next.

S samples (16 kHz).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from filelock import FileLock

from utils.cli.console import warn

FOLDER = ".audio-cache"
GB = 10**9
FREE_SHARE = 0.25  # of the free disk space, for a budget of "auto"
_POLL_SECONDS = 0.001
_SCALE = 32768.0  # of 16-bit samples
_ENTRY = np.dtype([("offset", "<i8"), ("length", "<i4"), ("is_16_bit", "<i4")])


class AudioCache:
    """Samples of the rows of a training table.

    Args:
        folder: where its files are, or will be; shared by all processes of one machine.
        rows: of the table.
        budget: bytes that the samples may take.
    """

    def __init__(self, folder: Path, rows: int, budget: int) -> None:
        self.folder = folder
        self.rows = rows
        self.budget = budget
        folder.mkdir(parents=True, exist_ok=True)
        self._end, self._samples = folder / "end", folder / "samples"
        with self._locked():
            if not (folder / "table").exists():
                self._end.touch()
                np.zeros(rows, _ENTRY).tofile(folder / "table")
                self._samples.touch()
        self._table = np.memmap(folder / "table", _ENTRY, "r+", shape=(rows,))
        self._is_full = False

    def __reduce__(self) -> tuple[type[AudioCache], tuple[Path, int, int]]:
        # A worker that is not forked opens the same files; a copied table would be its own.
        return type(self), (self.folder, self.rows, self.budget)

    def get(self, row: int, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """A row's samples, decoded if they are not held.

        Args:
            row: of the table.
            decode: gives float32 `(S,)`, within [-1, 1].

        Returns:
            float32 `(S,)`, the caller's own.
        """
        held = self._read(row)
        if held is not None:
            return held
        samples = decode()
        if not self._is_full and len(samples):
            self._write(row, samples)
        return samples

    def _read(self, row: int) -> np.ndarray | None:
        entry = self._table[row]
        length = int(entry["length"])
        if not length:
            return None
        kind = np.int16 if entry["is_16_bit"] else np.float32
        held = np.memmap(self._samples, kind, "r", int(entry["offset"]), (length,))
        if kind is np.float32:
            return np.array(held)
        samples: np.ndarray = held.astype(np.float32) / np.float32(_SCALE)
        return samples

    def _write(self, row: int, samples: np.ndarray) -> None:
        packed = pack(samples)
        offset = self._reserve(packed.nbytes)
        if offset is None:
            self._is_full = True
            return
        try:
            with open(self._samples, "r+b") as file:
                file.seek(offset)
                file.write(packed.tobytes())
        except OSError as error:  # a full disk: the run goes on without
            self._is_full = True
            warn(f"the audio cache {self._samples} cannot grow: {error.strerror}; decoding instead")
            return
        entry = self._table[row : row + 1]
        entry["offset"], entry["is_16_bit"] = offset, packed.dtype == np.int16
        # Last: whoever sees a length finds all that belongs to it.
        entry["length"] = len(samples)

    def _reserve(self, size: int) -> int | None:
        """Where so many bytes may go, or None if they pass the budget."""
        with self._locked(), open(self._end, "r+b") as file:
            end = int.from_bytes(file.read(8), "little")
            if end + size > self.budget:
                return None
            file.seek(0)
            # A multiple of 4, as float32 wants.
            file.write((end + size + (-size) % 4).to_bytes(8, "little"))
            return end

    def _locked(self) -> AbstractContextManager[object]:
        """A lock that one process at a time holds, for microseconds."""
        return FileLock(self.folder / "end.lock").acquire(poll_interval=_POLL_SECONDS)

    @property
    def held(self) -> int:
        """Rows whose samples are held."""
        return int(np.count_nonzero(self._table["length"]))


def open_cache(setting: float | str, run: Path, rows: int) -> AudioCache | None:
    """The cache in a run's folder that was asked for, if any.

    Args:
        setting: of `--audio_cache`: GB, "auto", or 0 for none.
        run: the run's folder, existing.
        rows: of the training table.
    """
    if not setting:
        return None
    return AudioCache(run / FOLDER, rows, cache_budget(setting, run))


def discard_cache(run: Path) -> None:
    """Remove what a run has cached, or what a killed one left behind."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def pack(samples: np.ndarray) -> np.ndarray:
    """Samples in the smallest form that gives them back bit for bit.

    Args:
        samples: float32 `(S,)` within [-1, 1].

    Returns:
        int16 `(S,)` if nothing is lost by it, else the same float32.
    """
    whole = samples * np.float32(_SCALE)
    short = np.clip(whole, -32768, 32767).astype(np.int16)
    back = short.astype(np.float32) / np.float32(_SCALE)
    # Compared as bits: -0.0 equals 0.0 and is another number.
    return short if np.array_equal(back.view(np.int32), samples.view(np.int32)) else samples


def cache_budget(setting: float | str, folder: Path) -> int:
    """Bytes for a setting of `--audio_cache`.

    Args:
        setting: GB, or "auto" for a quarter of the free space.
        folder: existing, on the disk that will be used.
    """
    if setting == "auto":
        return int(FREE_SHARE * shutil.disk_usage(folder).free)
    return int(float(setting) * GB)
