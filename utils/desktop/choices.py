"""The row of choices: which model, where it computes, which language, and how the text is shown."""

from __future__ import annotations

import sys
from pathlib import Path

from PySide6.QtCore import QLocale, Signal, SignalInstance
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMenu,
    QToolButton,
    QWidget,
)

from utils.desktop.settings import GuiSettings
from utils.desktop.texts import Texts
from utils.manifest.languages import LANGUAGES, language_code
from utils.transcription.infer.settings import InferSettings

FIRST_LANGUAGES = ("zh", "en")
# Where Qt names a region too, or another script.
NATIVE_NAMES = {"zh": "中文", "en": "English", "es": "español", "pt": "português"}
MODEL_FILES = ("config.json", "adapter_config.json", "model.bin")
MODEL_ENDINGS = (".bin", ".pt")
BATCH = 16  # windows at a time on a GPU


class Choices(QWidget):
    """Menus and boxes.

    Args:
        settings: what they show at first.

    Attributes:
        rewriting_changed: signal; how the text is shown is another one.
        model_wanted: signal, "folder" or "file": what is to be chosen as the model.
    """

    rewriting_changed = Signal()
    model_wanted = Signal(str)

    def __init__(self, settings: GuiSettings) -> None:
        super().__init__()
        self.settings = settings
        self.model, self.device = QComboBox(), QComboBox()
        self.model.setEditable(True)
        self.language, self.task = QComboBox(), QComboBox()
        self.simple, self.marks = QCheckBox(), QCheckBox()
        self.labels = {name: QLabel() for name in ("model", "device", "language", "task")}
        self.browse = QToolButton()
        self.browse.setText("…")
        self.browse.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = menu_of(self, ("folder", "file"), self.model_wanted)
        self.browse.setMenu(self.menu)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        for column, (name, label) in enumerate(self.labels.items()):
            grid.addWidget(label, 0, column)
            label.setBuddy(getattr(self, name))
        models = QHBoxLayout()
        models.addWidget(self.model, 1)
        models.addWidget(self.browse)
        grid.addLayout(models, 1, 0)
        for column, menu in enumerate((self.device, self.language, self.task), start=1):
            grid.addWidget(menu, 1, column)
        grid.setColumnStretch(0, 1)
        grid.addWidget(self.simple, 1, len(self.labels))
        grid.addWidget(self.marks, 1, len(self.labels) + 1)
        grid.setHorizontalSpacing(12)
        self._fill()
        self.simple.setChecked(True)
        self.marks.setChecked(True)
        self.simple.toggled.connect(self.rewriting_changed)
        self.marks.toggled.connect(self.rewriting_changed)

    def _fill(self) -> None:
        for path in dict.fromkeys([self.settings.model_path, *found_models(Path("models"))]):
            self.model.addItem(path)
        self.model.setMinimumContentsLength(24)
        self.device.addItem("", None)
        for name in dict.fromkeys(filter(None, [self.settings.device, *_devices()])):
            self.device.addItem(name, name)
        self.language.addItem("", None)
        spelled = {code: _spelled(code) for code in LANGUAGES}
        others = sorted(set(LANGUAGES) - set(FIRST_LANGUAGES), key=lambda c: spelled[c].casefold())
        for code in (*FIRST_LANGUAGES, *others):
            self.language.addItem(spelled[code], code)
        for task in ("transcribe", "translate"):
            self.task.addItem("", task)
        wanted = self.settings.language
        for menu, value in (
            (self.language, language_code(wanted) if wanted else None),
            *((self.task, self.settings.task), (self.device, self.settings.device)),
        ):
            menu.setCurrentIndex(menu.findData(value))

    def add_model(self, path: str) -> None:
        """Choose a model that was found in a dialog."""
        if self.model.findText(path) < 0:
            self.model.addItem(path)
        self.model.setCurrentText(path)

    def infer_settings(self) -> InferSettings:
        """What infer.py would be given.

        Raises:
            UserError: the choices do not fit together.
        """
        return InferSettings(
            model_path=self.model.currentText().strip(),
            language=self.language.currentData(),
            task=self.task.currentData(),
            device=self.device.currentData(),
            local_files_only=self.settings.local_files_only,
            batch_size=BATCH,
        )

    def translate(self, text: Texts) -> None:
        """Show every text in another language."""
        for name, label in self.labels.items():
            label.setText(text(name))
        self.device.setItemText(0, text("automatic"))
        self.language.setItemText(0, text("detect"))
        for place, task in enumerate(("task_transcribe", "task_translate")):
            self.task.setItemText(place, text(task))
        self.browse.setToolTip(text("browse"))
        self.browse.setAccessibleName(text("browse"))
        for action in self.menu.actions():
            action.setText(text(f"browse_{action.data()}"))
        self.simple.setText(text("simple"))
        self.marks.setText(text("marks"))


def menu_of(parent: QWidget, names: tuple[str, ...], wanted: SignalInstance) -> QMenu:
    """A menu whose entries send their names through a signal."""
    menu = QMenu(parent)
    for name in names:
        action = QAction(menu)
        action.setData(name)
        menu.addAction(action)
    menu.triggered.connect(lambda action: wanted.emit(action.data()))
    return menu


def found_models(folder: Path) -> list[str]:
    """The models in a folder: paths of folders, and of files of whisper.cpp and openai-whisper."""
    if not folder.is_dir():
        return []
    return [
        str(path)
        for path in sorted(folder.iterdir())
        if any((path / name).is_file() for name in MODEL_FILES)
        or (path.is_file() and path.suffix in MODEL_ENDINGS)
    ]


def _devices() -> list[str]:
    """What may be there; the process that recognises says what is not."""
    return ["cpu", "mps" if sys.platform == "darwin" else "cuda"]


def language_name(code: str | None) -> str:
    """A language as its speakers call it, where Qt knows; of none, a dash."""
    return _spelled(code) if code in LANGUAGES else "–"


def _spelled(code: str) -> str:
    known = QLocale(code).name().partition("_")[0] == code
    return NATIVE_NAMES.get(code) or (known and QLocale(code).nativeLanguageName()) or _title(code)


def _title(code: str) -> str:
    return LANGUAGES[code].title()
