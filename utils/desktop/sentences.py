"""The sentences: a click plays one, a double click corrects it, and the files they become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QPalette, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from utils.audio.clip import Seconds
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES
from utils.transcription.rewriting import rewritten
from utils.transcription.writers import clock

TIME, TEXT = 0, 1  # columns


@dataclass
class Sentence:
    """A sentence of a transcript.

    Attributes:
        start: in the recording.
        end: in the recording.
        heard: the text as the model wrote it.
        corrected: the text as a person wrote it; None where nobody did.
    """

    start: Seconds
    end: Seconds
    heard: str
    corrected: str | None = None


class Sentences(QTableWidget):
    """A table of times and texts.

    Attributes:
        chosen: signal, the number of a sentence that is to be heard.
    """

    chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__(0, 2)
        self.sentences: list[Sentence] = []
        self.language: str | None = None
        self.to_simple = self.with_marks = True
        self._is_filling = False
        self.setShowGrid(False)
        self.setWordWrap(True)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(TEXT, QHeaderView.ResizeMode.Stretch)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(
            QAbstractItemView.EditTrigger.DoubleClicked
            | QAbstractItemView.EditTrigger.EditKeyPressed
        )
        self.cellClicked.connect(lambda row, column: self.chosen.emit(row))
        self.cellActivated.connect(lambda row, column: self.chosen.emit(row))
        self.itemChanged.connect(self._corrected)
        # Heights follow the width, once after a window was drawn larger or smaller.
        self._fitting = QTimer(self)
        self._fitting.setSingleShot(True)
        self._fitting.setInterval(50)
        self._fitting.timeout.connect(self.resizeRowsToContents)

    def clear_all(self) -> None:
        """Forget every sentence."""
        self.sentences = []
        self.language = None
        self.setRowCount(0)

    def add(self, start: Seconds, end: Seconds, text: str) -> None:
        """Show one more sentence."""
        self.sentences.append(Sentence(start, end, text))
        row = self.rowCount()
        self._is_filling = True
        self.insertRow(row)
        time = QTableWidgetItem(clock(start, ".", hours=False)[:-2])
        time.setFlags(time.flags() & ~Qt.ItemFlag.ItemIsEditable)
        time.setForeground(self.palette().color(QPalette.ColorRole.Highlight))
        time.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.setItem(row, TIME, time)
        self.setItem(row, TEXT, QTableWidgetItem(self.text_of(row)))
        self._is_filling = False
        self.resizeRowToContents(row)

    def show_transcript(self, transcript: Mapping[str, Any], language: str | None) -> None:
        """Show all of a transcript, in place of what was shown as it was recognised."""
        self.clear_all()
        self.language = language
        for each in transcript["segments"]:
            self.add(each["start"], each["end"], each["text"])

    def rewrite(self, *, to_simple: bool, with_marks: bool) -> None:
        """Show the texts otherwise; those that were corrected stay as they are.

        Args:
            to_simple: Chinese in simplified characters.
            with_marks: with punctuation.
        """
        self.to_simple, self.with_marks = to_simple, with_marks
        self._is_filling = True
        for row in range(self.rowCount()):
            item = self.item(row, TEXT)
            assert item is not None
            item.setText(self.text_of(row))
        self._is_filling = False
        self._fitting.start()

    def text_of(self, row: int) -> str:
        """The text of a sentence as it is shown."""
        sentence = self.sentences[row]
        if sentence.corrected is not None:
            return sentence.corrected
        return rewritten(
            sentence.heard.strip(),
            self.language,
            to_simple=self.to_simple,
            remove_pun=not self.with_marks,
        )

    def mark(self, seconds: Seconds) -> None:
        """Select the sentence that is heard, without playing it."""
        for row, each in enumerate(self.sentences):
            if each.start <= seconds < each.end:
                if row != self.currentRow():
                    self.selectRow(row)
                return

    def transcript(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The transcript with the texts as they are shown.

        Args:
            found: as it was recognised.
        """
        segments: Sequence[Mapping[str, Any]] = found["segments"]
        shown = [
            {**each, "text": self.text_of(row)}
            for row, each in enumerate(segments[: len(self.sentences)])
        ]
        separator = "" if self.language in LANGUAGES_WITHOUT_SPACES else " "
        return {**found, "text": separator.join(e["text"] for e in shown), "segments": shown}

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 (Qt's name)
        """Fit the rows' heights to the new width."""
        super().resizeEvent(event)
        self._fitting.start()

    def _corrected(self, item: QTableWidgetItem) -> None:
        if self._is_filling or item.column() != TEXT:
            return
        text = " ".join(item.text().split())
        sentence = self.sentences[item.row()]
        if text != self.text_of(item.row()):
            sentence.corrected = text
        self.resizeRowToContents(item.row())
