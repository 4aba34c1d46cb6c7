"""The recording as a wave: what is heard, where the sentence is, and a click that plays."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from utils.audio.clip import Seconds

PITCH = 3  # pixels from one bar to the next
WIDTH = 2
QUIETEST_SCALE = 0.05  # a recording of noise is not drawn as loud as speech


class Waveform(QWidget):
    """Bars of a recording's loudness.

    Attributes:
        clicked: signal, the second that was clicked.
    """

    clicked = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.peaks = np.zeros(0, np.float32)
        self.seconds: Seconds = 0.0
        self.position: Seconds = 0.0
        self.stretch: tuple[Seconds, Seconds] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def sizeHint(self) -> QSize:  # noqa: N802 (Qt's name)
        """As high as a few lines of text."""
        return QSize(400, 84)

    def show_recording(self, peaks: np.ndarray, seconds: Seconds) -> None:
        """Draw a recording.

        Args:
            peaks: float32 `(num_bars,)`, in [0, 1].
            seconds: length.
        """
        self.peaks, self.seconds = peaks, seconds
        self.position, self.stretch = 0.0, None
        self.update()

    def move_to(self, position: Seconds) -> None:
        """Show what is heard."""
        self.position = position
        self.update()

    def mark(self, start: Seconds, end: Seconds) -> None:
        """Show where a sentence is."""
        self.stretch = (start, end)
        self.update()

    def bars(self, count: int) -> np.ndarray:
        """The heights of so many bars, float32 `(at most count,)`, in [0, 1]."""
        if not len(self.peaks):
            return self.peaks
        edges = np.linspace(0, len(self.peaks), min(count, len(self.peaks)) + 1)[:-1].astype(int)
        heights: np.ndarray = np.maximum.reduceat(self.peaks, edges)
        return heights / max(float(heights.max()), QUIETEST_SCALE)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 (Qt's name)
        """Draw what is there."""
        del event
        pen = QPainter(self)
        palette = self.palette()
        if self.stretch and self.seconds:
            start, end = (each / self.seconds * self.width() for each in self.stretch)
            tint = palette.color(QPalette.ColorRole.Highlight)
            tint.setAlpha(48)
            pen.fillRect(QRectF(start, 0, max(end - start, 2), self.height()), tint)
        heard = palette.color(QPalette.ColorRole.Highlight)
        rest = palette.color(QPalette.ColorRole.PlaceholderText)
        bars = self.bars(max(1, self.width() // PITCH))
        for place, height in enumerate(bars):
            left = place * self.width() / len(bars)
            is_heard = place / len(bars) * self.seconds < self.position
            tall = max(2.0, float(height) * (self.height() - 8))
            top = (self.height() - tall) / 2
            pen.fillRect(QRectF(left, top, WIDTH, tall), heard if is_heard else rest)
        pen.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 (Qt's name)
        """Play from there on."""
        if self.seconds:
            share = min(max(event.position().x() / self.width(), 0.0), 1.0)
            self.clicked.emit(share * self.seconds)
