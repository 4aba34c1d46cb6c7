"""The files that a corpus names, found in spite of how other systems spell them.

A Mac decomposes the letters of names (NFD) where other systems compose them (NFC); Windows writes
backslashes and does not tell a.WAV from a.wav; many tables leave the ending out. What `ls` shows
is found; what is nowhere is looked for below the corpus, so that the right folder can be proposed.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PureWindowsPath

from utils.sources.files import AUDIO_SUFFIXES

_MOST_FILES = 500_000  # that are looked through for a proposal


class AudioFinder:
    """Finds files by the names that a corpus has for them.

    Args:
        folder: that the names are relative to.
        suffix: tried first where a name has no ending of a sound file.
    """

    def __init__(self, folder: Path, suffix: str = "") -> None:
        self.folder = folder
        self._suffix = suffix
        self._listed: dict[Path, dict[str, list[str]]] = {}
        self._elsewhere: str | None = None
        self.counts: Counter[str] = Counter()

    def find(self, name: str) -> Path | None:
        """Return the file of a name, None where there is none, or two that could be meant."""
        path = self.folder / name
        if self._suffix and path.suffix.lower() not in AUDIO_SUFFIXES:
            path = path.with_name(f"{path.name}{self._suffix}")
        if os.path.isfile(path):
            return path
        if "\\" in name:
            parts = PureWindowsPath(name)
            if parts.is_absolute():
                return self._moved(parts.as_posix())
            found = self._spelled(parts.as_posix())
            self.counts["with backslashes"] += found is not None
            return found
        return self._spelled(name) or (self._moved(name) if os.path.isabs(name) else None)

    def _moved(self, name: str) -> Path | None:
        """Return the file of an absolute path of another machine, by what it ends in.

        One beginning is replaced for all names, so that two names never lead to one file.
        """
        if self._elsewhere is None:
            parts = name.split("/")
            tails = ("/".join(parts[number:]) for number in range(1, len(parts)))
            tail = next((each for each in tails if os.path.isfile(self.folder / each)), None)
            if tail is None:
                return None
            self._elsewhere = name[: -len(tail)]
        path = self.folder / name[len(self._elsewhere) :]
        if not name.startswith(self._elsewhere) or not os.path.isfile(path):
            return None
        self.counts[f"in {self.folder} in place of {self._elsewhere}"] += 1
        return path

    def told(self) -> list[str]:
        """Say which names were found in another spelling; nothing where none was."""
        if not self.counts.total():
            return []
        kinds = ", ".join(f"{many} {kind}" for kind, many in self.counts.most_common() if many)
        return [f"audio found in spite of how its name is written: {kinds}"]

    def _spelled(self, name: str) -> Path | None:
        """Return the file whose path differs in Unicode form, in case, or by its ending alone."""
        parts = [part for part in Path(name).parts if part not in (os.sep, ".")]
        folder = Path(os.sep) if os.path.isabs(name) else self.folder
        for number, part in enumerate(parts):
            is_last = number == len(parts) - 1
            if not is_last and os.path.isdir(folder / part):
                folder = folder / part
                continue
            found = self._entry(folder, part, is_last)
            if found is None:
                return None
            folder = folder / found
        return folder if os.path.isfile(folder) else None

    def _entry(self, folder: Path, name: str, is_last: bool) -> str | None:
        known = self._names(folder)
        key = unicodedata.normalize("NFC", name)
        spellings = [("in another Unicode form", f"form:{key}")]
        spellings.append(("in another case", f"case:{key.casefold()}"))
        if is_last:
            spellings.append(("without an ending", f"stem:{key.casefold()}"))
        for kind, wanted in spellings:
            found = known.get(wanted, [])
            if len(found) == 1:
                self.counts[kind] += found[0] != name
                return found[0]
            if found:
                return None  # nobody knows which is meant
        return None

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """Return the names in a folder by each spelling that is tried."""
        if folder in self._listed:
            return self._listed[folder]
        names: dict[str, list[str]] = defaultdict(list)
        try:
            entries = sorted(os.listdir(folder))
        except (OSError, ValueError):
            entries = []
        for entry in entries:
            key = unicodedata.normalize("NFC", entry)
            stem, ending = os.path.splitext(key)
            names[f"form:{key}"].append(entry)
            names[f"case:{key.casefold()}"].append(entry)
            if ending.lower() in AUDIO_SUFFIXES:
                names[f"stem:{stem.casefold()}"].append(entry)
        self._listed[folder] = dict(names)
        return self._listed[folder]


def better_folder(folder: Path, names: Iterable[str]) -> tuple[Path, int] | None:
    """Return the folder from which most of the names that are missing would be found.

    Args:
        folder: below which is looked.
        names: as the corpus has them.

    Returns:
        The folder and how many of the names it has; None where no file of such a name is there.
    """
    wanted: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for name in names:
        parts = tuple(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))
        if parts:
            wanted[_key(parts[-1])].append(parts)
    counts: Counter[Path] = Counter()
    for path in islice(folder.rglob("*"), _MOST_FILES):
        if path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        for key in {_key(path.name), _key(path.stem)}:
            for parts in wanted.get(key, ()):
                above = path.parts[-len(parts) : -1]
                if tuple(map(_key, above)) == tuple(map(_key, parts[:-1])):
                    counts[path.parents[len(parts) - 1]] += 1
    if not counts:
        return None
    best = max(counts, key=lambda each: (counts[each], -len(each.parts)))
    return best, counts[best]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
