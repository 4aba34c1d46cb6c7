"""The application around the window."""

from __future__ import annotations

import signal
import sys

from PySide6.QtCore import QCoreApplication, QLocale, Qt, QTimer
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication

from utils.cli.console import say_result
from utils.cli.errors import Failure
from utils.desktop.messages import Failed, Opened, Transcribed
from utils.desktop.settings import GuiSettings
from utils.desktop.window import Window
from utils.transcription.writers import as_text

GREEN = {Qt.ColorScheme.Light: "#1f6f5c", Qt.ColorScheme.Dark: "#6cc5ab"}
ON_GREEN = {Qt.ColorScheme.Light: "#ffffff", Qt.ColorScheme.Dark: "#0d1f1a"}
SHAPES = (
    "QPushButton { padding: 6px 16px; } QPushButton#main { font-weight: 600; }"
    "QPushButton#main:enabled { background: palette(highlight); color: palette(highlighted-text);"
    " border: 1px solid palette(highlight); border-radius: 4px; }"
    "QComboBox { padding: 4px 8px; } QProgressBar { max-height: 10px; max-width: 320px; }"
    "QTableWidget::item { padding: 5px 8px; }"
)


def run(settings: GuiSettings) -> None:
    """Show the window until it is closed.

    Args:
        settings: what it shows at first.

    Raises:
        Failure: with `self_check`, what did not work.
    """
    application = make_application()
    window = Window(settings, settings.window_language or system_tongue())
    window.show()
    # Ctrl-C in the terminal ends the program; Qt's loop looks at Python's signals only in a timer.
    signal.signal(signal.SIGINT, lambda *_: window.close())
    awake = QTimer(application)
    awake.timeout.connect(lambda: None)
    awake.start(200)
    failures: list[Failed] = []
    if settings.self_check:
        _check(window, failures)
    application.exec()
    window.close()
    if failures:
        raise Failure(failures[0].message, failures[0].hint)


def make_application() -> QApplication:
    """The one application, in its colours."""
    found = QApplication.instance()
    application = found if isinstance(found, QApplication) else QApplication(sys.argv[:1])
    application.setStyle("Fusion")
    application.setApplicationName("Whisper")
    application.setStyleSheet(SHAPES)
    application.setWindowIcon(_icon())
    hints = QGuiApplication.styleHints()
    hints.colorSchemeChanged.connect(lambda _: _colour(application))
    _colour(application)
    return application


def system_tongue() -> str:
    """The window's language, by that of the system."""
    is_chinese = QLocale.system().language() == QLocale.Language.Chinese
    return "zh" if is_chinese else "en"


def _colour(application: QApplication) -> None:
    scheme = QGuiApplication.styleHints().colorScheme()
    scheme = scheme if scheme in GREEN else Qt.ColorScheme.Light
    palette = QPalette()
    palette.setColor(QPalette.ColorRole.Highlight, QColor(GREEN[scheme]))
    palette.setColor(QPalette.ColorRole.HighlightedText, QColor(ON_GREEN[scheme]))
    application.setPalette(palette)


def _icon() -> QIcon:
    """The page's icon: a wave of five bars."""
    picture = QPixmap(64, 64)
    picture.fill(Qt.GlobalColor.transparent)
    pen = QPainter(picture)
    pen.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen.setPen(Qt.PenStyle.NoPen)
    pen.setBrush(QColor(GREEN[Qt.ColorScheme.Light]))
    pen.drawRoundedRect(0, 0, 64, 64, 16, 16)
    pen.setBrush(Qt.GlobalColor.white)
    for place, (top, height) in enumerate(((28, 8), (20, 24), (12, 40), (22, 20), (28, 8))):
        pen.drawRoundedRect(11 + 10 * place, top, 5, height, 2, 2)
    pen.end()
    return QIcon(picture)


def _check(window: Window, failures: list[Failed]) -> None:
    """Transcribe what is opened, print it, and close the window."""

    def take(answer: object) -> None:
        if isinstance(answer, Opened):
            window.transcribe()
        elif isinstance(answer, Transcribed):
            say_result(as_text(answer.transcript).strip() or "no speech was found")
            QCoreApplication.quit()
        elif isinstance(answer, Failed):
            failures.append(answer)
            QCoreApplication.quit()

    # After the window's own, which makes the recording the one that is transcribed.
    window.recogniser.answered.connect(take)
