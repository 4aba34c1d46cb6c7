"""What stands where in the window, and what it is called."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from utils.desktop.choices import Choices, menu_of
from utils.desktop.sentences import Sentences
from utils.desktop.settings import GuiSettings
from utils.desktop.texts import Texts
from utils.desktop.waveform import Waveform

EXPORTED = ("txt", "srt", "vtt", "json")


class View(QWidget):
    """All that is seen.

    Args:
        settings: what is shown at first.

    Attributes:
        export_wanted: signal, the ending of a file that the text is to become.
    """

    export_wanted = Signal(str)

    def __init__(self, settings: GuiSettings) -> None:
        super().__init__()
        self.choices = Choices(settings)
        self.waveform, self.sentences = Waveform(), Sentences()
        self.open_button, self.record_button = QPushButton(), QPushButton()
        self.start_button, self.cancel_button = QPushButton(), QPushButton()
        self.start_button.setObjectName("main")
        self.copy_button, self.export_button = QPushButton(), QPushButton()
        self.tongue_button = QPushButton()
        self.tongue_button.setFlat(True)
        self.export_menu = menu_of(self, EXPORTED, self.export_wanted)
        self.export_button.setMenu(self.export_menu)
        self.status, self.bar, self.hint = QLabel(), QProgressBar(), QLabel()
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.bar.setTextVisible(False)
        self._place()

    def _place(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(16, 14, 16, 14)
        rows.setSpacing(12)
        first = (self.open_button, self.record_button, self.start_button, self.cancel_button)
        rows.addLayout(_row(*first, None, self.tongue_button))
        rows.addWidget(self.choices)
        rows.addWidget(self.waveform)
        rows.addLayout(_row(self.status, None, self.bar))
        rows.addWidget(self.sentences, 1)
        rows.addLayout(_row(self.hint, None, self.copy_button, self.export_button))

    def translate(self, text: Texts, *, is_recording: bool) -> None:
        """Show every text in another language.

        Args:
            text: words of the language.
            is_recording: whether the microphone is on.
        """
        for widget, name in (
            *((self.open_button, "open"), (self.start_button, "transcribe")),
            *((self.cancel_button, "cancel"), (self.copy_button, "copy")),
            *((self.export_button, "export"), (self.tongue_button, "other_language")),
            (self.record_button, "stop_recording" if is_recording else "record"),
        ):
            widget.setText(text(name))
        self.hint.setText(text("play"))
        self.waveform.setToolTip(text("wave"))
        for named, name in (
            *((self.waveform, "wave"), (self.sentences, "sentences")),
            (self.bar, "progress"),
        ):
            named.setAccessibleName(text(name))
        self.sentences.setHorizontalHeaderLabels([text("time"), text("text")])
        self.choices.translate(text)
        for action in self.export_menu.actions():
            action.setText(text("export_as", format=action.data()))

    def enable(
        self, *, is_working: bool, is_recording: bool, has_sound: bool, has_text: bool
    ) -> None:
        """Let those buttons be pressed that mean something now."""
        self.start_button.setEnabled(has_sound and not is_working and not is_recording)
        self.cancel_button.setEnabled(is_working)
        self.open_button.setEnabled(not is_recording)
        self.record_button.setEnabled(not is_working)
        self.choices.setEnabled(not is_working)
        self.copy_button.setEnabled(has_text)
        self.export_button.setEnabled(has_text)
        self.bar.setVisible(is_working)

    def show_share(self, share: float | None) -> None:
        """Show how much is done, in [0, 1]; None where that is not known."""
        self.bar.setRange(0, 0 if share is None else 1000)
        if share is not None:
            self.bar.setValue(round(1000 * share))

    def complain(self, title: str, message: str, hint: str) -> None:
        """Say in a box, which nothing waits for, what did not work."""
        box = QMessageBox(QMessageBox.Icon.Warning, title, message, parent=self)
        box.setInformativeText(hint)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()


def _row(*widgets: QWidget | None) -> QHBoxLayout:
    """Widgets beside each other; None is the room that is left."""
    row = QHBoxLayout()
    for widget in widgets:
        if widget is None:
            row.addStretch(1)
        else:
            row.addWidget(widget)
    return row
