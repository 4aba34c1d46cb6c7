"""What is heard and recorded, in the window."""

from __future__ import annotations

import os
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PySide6.QtCore import QObject, QTimer, Signal

from utils.audio.clip import Seconds
from utils.audio.devices import open_loudspeaker, open_microphone
from utils.audio.load import SAMPLE_RATE
from utils.cli.leftovers import unfinished

BETWEEN_LOOKS = 40  # milliseconds, at which the place that is heard is told


class Player(QObject):
    """Plays stretches of a recording.

    Attributes:
        moved: signal, the second that is heard.
        stopped: signal, at the end of a stretch or of the recording.
    """

    moved = Signal(float)
    stopped = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.samples: np.ndarray = np.zeros(0, np.float32)
        self.place = self.end = 0
        self._stream: Any = None
        self._timer = QTimer(self)
        self._timer.setInterval(BETWEEN_LOOKS)
        self._timer.timeout.connect(self._look)

    @property
    def is_playing(self) -> bool:
        """Whether something is heard."""
        return self._stream is not None

    def open(self, samples: np.ndarray) -> None:
        """Take a recording: float32 `(num_samples,)`, mono, 16 kHz."""
        self.stop()
        self.samples = samples
        self.place = self.end = 0

    def play(self, start: Seconds, end: Seconds | None = None) -> None:
        """Play from a second on, to another one or to the recording's end.

        Raises:
            UserError: there is no loudspeaker.
        """
        self.stop()
        length = len(self.samples)
        self.place = min(round(start * SAMPLE_RATE), length)
        self.end = length if end is None else min(round(end * SAMPLE_RATE), length)
        stream = open_loudspeaker(self._next)
        stream.start()
        self._stream = stream
        self._timer.start()

    def stop(self) -> None:
        """Fall silent."""
        stream, self._stream = self._stream, None
        self._timer.stop()
        if stream is not None:
            stream.abort()
            stream.close()
            self.stopped.emit()

    def _next(self, count: int) -> np.ndarray:
        found = np.array(self.samples[self.place : min(self.place + count, self.end)])
        self.place += len(found)
        return found

    def _look(self) -> None:
        self.moved.emit(self.place / SAMPLE_RATE)
        if not self._stream.active:
            self.stop()


class Recorder(QObject):
    """Records the default microphone into a file.

    Attributes:
        heard: signal, the loudest sample of each tenth of a second, in [0, 1].
    """

    heard = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self._path: Path | None = None
        self._part = Path()
        self._name_to_be = ExitStack()
        self._streams = ExitStack()

    @property
    def is_recording(self) -> bool:
        """Whether the microphone is on."""
        return self._path is not None

    def start(self, folder: Path) -> None:
        """Begin a recording, FLAC, in a folder.

        Raises:
            UserError: there is no microphone.
            OSError: the folder cannot be written to.
        """
        path = folder / datetime.now().astimezone().strftime("recording-%Y%m%d-%H%M%S.flac")
        with ExitStack() as outer, ExitStack() as inner:
            self._part = outer.enter_context(unfinished(path))
            file = inner.enter_context(
                soundfile.SoundFile(self._part, "w", SAMPLE_RATE, 1, format="FLAC")
            )

            def keep(samples: np.ndarray) -> None:
                file.write(samples)
                self.heard.emit(float(np.abs(samples).max()))

            inner.enter_context(open_microphone(keep))
            self._streams, self._name_to_be = inner.pop_all(), outer.pop_all()
        self._path = path

    def stop(self) -> Path:
        """End the recording; returns its file."""
        path, self._path = self._path, None
        assert path is not None
        self._streams.close()
        with self._name_to_be:
            os.replace(self._part, path)
        return path
