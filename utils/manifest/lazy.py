"""The utterances of a large manifest, read from its file when they are asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast, overload

import numpy as np

from utils.manifest.json_lines import MOST_BYTES_A_LINE, parse_line
from utils.manifest.line_index import LineIndex, changed, utterance_of
from utils.manifest.paths import PathResolver
from utils.manifest.utterance import Utterance

# Walked through so much at a time.
BLOCK_LINES = 4096
BLOCK_BYTES = 4 << 20


class LazyManifest(Sequence[Utterance]):
    """Utterances that stay in their file; a slice is a view, and copies to processes are small.

    Args:
        manifest: the path that the user gave; audio paths are relative to it.
        index: where its lines are.
        places: which of the usable lines; None for all.
    """

    def __init__(self, manifest: Path, index: LineIndex, places: range | None = None) -> None:
        self.manifest = manifest
        self.line_index = index
        self._entries = index.entries()
        self.places = range(len(self._entries)) if places is None else places
        self._lines = _Source(manifest, index)
        self._resolver = PathResolver(manifest.parent)

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> LazyManifest: ...
    def __getitem__(self, index: int | slice) -> Utterance | LazyManifest:
        if isinstance(index, slice):
            return LazyManifest(self.manifest, self.line_index, self.places[index])
        place = self.places[index]
        return next(self._read(range(place, place + 1)))

    def __iter__(self) -> Iterator[Utterance]:
        if self.places.step != 1:
            for index in range(len(self)):
                yield self[index]
            return
        start, stop = self.places.start, self.places.stop
        while start < stop:
            begin = int(self._entries[start, 0])
            near = self._entries[start : start + BLOCK_LINES, 0]
            many = int(np.searchsorted(near, begin + BLOCK_BYTES, side="right"))
            after = min(stop, start + max(1, many))
            yield from self._read(range(start, after))
            start = after

    def __reduce__(self) -> Any:
        # Another process has no use for the complaints, of which there may be many.
        return LazyManifest, (self.manifest, replace(self.line_index, broken=()), self.places)

    def _read(self, places: range) -> Iterator[Utterance]:
        """Yield neighbours, read at once."""
        end = places.stop
        entries = self._entries[places.start : end].tolist()
        begin = entries[0][0]
        until = int(self._entries[end, 0]) if end < len(self._entries) else self.line_index.size
        # Behind the last of them may stand gigabytes that cannot be used.
        until = min(until, entries[-1][0] + MOST_BYTES_A_LINE)
        content = self._lines.read(begin, until - begin)
        for place, number in entries:
            # Lines that cannot be used may stand between those that can.
            stop = content.find(b"\n", place - begin)
            line = content[place - begin : stop if stop >= 0 else None]
            try:
                utterance = utterance_of(parse_line(line), self.manifest, number)
            except ValueError:
                raise changed(self.manifest) from None
            yield self._resolver.resolve(utterance)


class LazyLines(Sequence[int]):
    """The line numbers of a lazy manifest."""

    def __init__(self, index: LineIndex, places: range | None = None) -> None:
        self.line_index = index
        self._entries = index.entries()
        self.places = range(len(self._entries)) if places is None else places

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> LazyLines: ...
    def __getitem__(self, index: int | slice) -> int | LazyLines:
        if isinstance(index, slice):
            return LazyLines(self.line_index, self.places[index])
        return int(self._entries[self.places[index], 1])

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self), BLOCK_LINES):
            some = self.places[start : start + BLOCK_LINES]
            yield from self._entries[np.asarray(some), 1].tolist()

    def __reduce__(self) -> Any:
        return LazyLines, (replace(self.line_index, broken=()), self.places)


class _Source:
    """A file from which pieces are read, by several threads and processes.

    It is not mapped: a mapped file that somebody cuts short ends the process.
    """

    def __init__(self, manifest: Path, index: LineIndex) -> None:
        self._manifest = manifest
        self._line_index = index
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    def read(self, begin: int, size: int) -> bytes:
        file = self._file or self._open()
        if hasattr(os, "pread"):  # asks for no lock, and a fork shares no position
            content = os.pread(file.fileno(), size, begin)
        else:
            with self._lock:
                file.seek(begin)
                content = file.read(size)
        if len(content) < size:
            raise changed(self._manifest)
        return content

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()

    def _open(self) -> BinaryIO:
        with self._lock:
            if self._file is None:
                try:
                    file = cast(BinaryIO, open(self._line_index.source, "rb", buffering=0))  # noqa: SIM115
                except FileNotFoundError:
                    raise changed(self._manifest) from None
                status = os.fstat(file.fileno())
                if (status.st_size, status.st_mtime_ns) != (
                    self._line_index.size,
                    self._line_index.changed,
                ):
                    file.close()
                    raise changed(self._manifest)
                self._file = file
            return self._file
