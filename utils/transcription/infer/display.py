"""What is seen of a run while it works: on a terminal, or in a window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from utils.audio.clip import Seconds
from utils.cli.console import say
from utils.cli.progress import progress
from utils.transcription.transcript import TimedText
from utils.transcription.writers import clock


class Display(Protocol):
    """Is told how a run gets on."""

    def begin(self, seconds: Seconds) -> None:
        """So much sound is to be transcribed."""

    def move(self, seconds: Seconds) -> None:
        """So much more of it is done."""

    def show(self, segments: Sequence[TimedText]) -> None:
        """Segments were recognised; their times are the recording's."""

    def say(self, text: str) -> None:
        """A recording is done, or failed."""

    def end(self) -> None:
        """Nothing more comes of this run."""


class TerminalDisplay:
    """A progress bar on stderr, and the text on stdout."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._done: Seconds = 0.0

    def begin(self, seconds: Seconds) -> None:
        """See `Display`."""
        self._done = 0.0
        self._bar = progress(total=round(seconds), desc="transcribing", unit="s")

    def move(self, seconds: Seconds) -> None:
        """See `Display`; the bar counts whole seconds."""
        before = round(self._done)
        self._done += seconds
        self._bar.update(round(self._done) - before)

    def show(self, segments: Sequence[TimedText]) -> None:
        """See `Display`."""
        self._bar.clear()
        for each in segments:
            begin, end = (clock(t, ".", hours=False) for t in (each.start, each.end))
            say(f"[{begin} --> {end}] {each.text}")

    def say(self, text: str) -> None:
        """See `Display`."""
        if self._bar is not None:
            self._bar.clear()
        say(text)

    def end(self) -> None:
        """See `Display`."""
        self._bar.close()
