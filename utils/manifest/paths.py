"""Relative audio paths of a manifest -> paths relative to the current folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from utils.manifest.utterance import Utterance


class PathResolver:
    """Turns the paths of one manifest into paths that can be opened from the current folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._has_folder: dict[str, bool] = {}
        # The pieces of one long file follow each other: asking once for them is enough.
        self._last = ("", "")

    def resolve(self, utterance: Utterance) -> Utterance:
        """Return an utterance whose audio can be opened."""
        audio = utterance.audio
        if audio.path != self._last[0]:
            self._last = (audio.path, self._resolved(audio.path))
        path = self._last[1]
        if path == audio.path:
            return utterance
        return replace(utterance, audio=replace(audio, path=path))

    def _resolved(self, path: str) -> str:
        if os.path.isabs(path) or self._folder == ".":
            return path
        parent = os.path.dirname(path)
        if parent not in self._has_folder:
            self._has_folder[parent] = os.path.isdir(os.path.join(self._folder, parent))
        beside = os.path.join(self._folder, path)
        return beside if self._has_folder[parent] and os.path.exists(beside) else path
