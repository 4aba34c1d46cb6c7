"""The window: a recording, its wave, its sentences, and what can be done with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QShortcut,
)
from PySide6.QtWidgets import QFileDialog, QMainWindow

from utils.audio.clip import Seconds
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.desktop.choices import language_name
from utils.desktop.messages import (
    Answer,
    Failed,
    Heard,
    Moved,
    Open,
    Opened,
    Transcribe,
    Transcribed,
)
from utils.desktop.process import Recogniser
from utils.desktop.settings import GuiSettings
from utils.desktop.sound import Player, Recorder
from utils.desktop.texts import Texts
from utils.desktop.view import View
from utils.transcription.writers import PLAIN, WRITERS, clock

LIVE_BARS = 600  # of a recording that is going on: its last minute


class Window(QMainWindow):
    """What a person sees.

    Args:
        settings: what is shown at first.
        tongue: language of the window, "en" or "zh".
    """

    def __init__(self, settings: GuiSettings, tongue: str) -> None:
        super().__init__()
        self.settings = settings
        self.text = Texts(tongue)
        self.path: Path | None = None
        self.found: dict[str, Any] | None = None
        self.is_working = False
        self._status: tuple[str, dict[str, object]] = ("drop", {})
        self._live: list[float] = []
        self._plays_sentence = False
        self.recogniser, self.player, self.recorder = Recogniser(), Player(), Recorder()
        self.view = View(settings)
        self.setCentralWidget(self.view)
        self._connect()
        self.translate()
        self.setAcceptDrops(True)
        self.resize(1080, 720)
        if settings.audio_path:
            self.open(Path(settings.audio_path))

    def _connect(self) -> None:
        view = self.view
        self.recogniser.answered.connect(self._take)
        view.open_button.clicked.connect(self._choose_recording)
        view.record_button.clicked.connect(self.toggle_recording)
        view.start_button.clicked.connect(self.transcribe)
        view.cancel_button.clicked.connect(self.cancel)
        view.copy_button.clicked.connect(self._copy)
        view.tongue_button.clicked.connect(self._switch_tongue)
        view.export_wanted.connect(self._choose_export)
        view.choices.model_wanted.connect(self._choose_model)
        view.choices.rewriting_changed.connect(self._rewrite)
        view.sentences.chosen.connect(self.play_sentence)
        view.waveform.clicked.connect(self._play_from)
        self.player.moved.connect(self._show_place)
        self.recorder.heard.connect(self._show_level)
        for keys, do in (
            (QKeySequence(QKeySequence.StandardKey.Open), self._choose_recording),
            (QKeySequence("Ctrl+R"), self.toggle_recording),
            (QKeySequence("Ctrl+Return"), self.transcribe),
            (QKeySequence("Escape"), self.cancel),
            (QKeySequence(QKeySequence.StandardKey.Save), view.export_button.showMenu),
            (QKeySequence("Ctrl+Space"), self._toggle_sound),
        ):
            QShortcut(keys, self, do)

    def translate(self) -> None:
        """Show every text in the window's language."""
        self.setWindowTitle(self.text("title"))
        self.view.translate(self.text, is_recording=self.recorder.is_recording)
        self._say(self._status[0], **self._status[1])
        self._enable()

    def _switch_tongue(self) -> None:
        self.text = Texts(self.text.other)
        self.translate()

    def _say(self, key: str, /, **values: object) -> None:
        self._status = (key, values)
        self.view.status.setText(self.text(key, **values))

    def _enable(self) -> None:
        self.view.enable(
            is_working=self.is_working,
            is_recording=self.recorder.is_recording,
            has_sound=self.path is not None,
            has_text=self.found is not None,
        )

    # A recording.

    def open(self, path: Path) -> None:
        """Show a sound or video file; what was being done is given up."""
        if self.is_working:
            self.recogniser.cancel()
        self._forget_text()
        self.path = None
        self.player.open(np.zeros(0, np.float32))
        self.view.waveform.show_recording(np.zeros(0, np.float32), 0.0)
        self.is_working = True
        self.view.show_share(None)
        self._say("opening", name=path.name)
        self.recogniser.ask(Open(str(path)))
        self._enable()

    def toggle_recording(self) -> None:
        """Begin to record the microphone, or end it and open the recording."""
        if self.recorder.is_recording:
            self.open(self.recorder.stop())
        elif not self.is_working:
            self.player.stop()
            try:
                self.recorder.start(Path(self.settings.recordings_dir))
            except (UserError, OSError) as error:
                self._complain(error)
            else:
                self._forget_text()
                self._live = []
                self._say("recording", length=_length(0))
        self.translate()

    def transcribe(self) -> None:
        """Transcribe the recording with the model and the settings that are chosen."""
        if self.path is None or self.is_working or self.recorder.is_recording:
            return
        try:
            settings = self.view.choices.infer_settings()
        except UserError as error:
            self._complain(error)
            return
        self._forget_text()
        self.view.sentences.language = settings.language
        self.is_working = True
        self.view.show_share(None)
        self._say("loading")
        self.recogniser.ask(Transcribe(str(self.path), settings))
        self._enable()

    def cancel(self) -> None:
        """End what is being done, at once."""
        if not self.is_working:
            self.player.stop()
            return
        self.recogniser.cancel()
        self.is_working = False
        self._say("cancelled")
        self._enable()

    def _forget_text(self) -> None:
        self.player.stop()
        self.found = None
        self.view.sentences.clear_all()

    # Answers.

    def _take(self, answer: Answer) -> None:
        if isinstance(answer, Moved):
            self.view.show_share(answer.share)
            self._say("working", share=round(100 * answer.share))
            return
        if isinstance(answer, Heard):
            for sentence in answer.sentences:
                self.view.sentences.add(*sentence)
            self.view.sentences.scrollToBottom()
            return
        self.is_working = False
        if isinstance(answer, Failed):
            self._say("problem")
            self._complain(UserError(answer.message, answer.hint))
        elif isinstance(answer, Opened):
            self._show_recording(answer)
        else:
            self._show_transcript(answer)
        self._enable()

    def _show_recording(self, answer: Opened) -> None:
        self.path = Path(answer.path)
        count = Path(answer.samples_path).stat().st_size // 4
        if count:
            samples: np.ndarray = np.memmap(answer.samples_path, np.float32, "r", shape=(count,))
            self.player.open(samples)
        self.view.waveform.show_recording(answer.peaks, answer.seconds)
        self._say("opened", name=self.path.name, length=_length(answer.seconds))

    def _show_transcript(self, answer: Transcribed) -> None:
        self.found = answer.transcript
        language = self.found["language"]
        is_english = self.view.choices.task.currentData() == "translate"
        self.view.sentences.show_transcript(self.found, "en" if is_english else language)
        count = len(self.view.sentences.sentences)
        name = "nothing" if not count else "done_one" if count == 1 else "done"
        self._say(name, sentences=count, language=language_name(language))

    def _complain(self, error: UserError | OSError) -> None:
        message = error.message if isinstance(error, UserError) else str(error)
        hint = error.hint if isinstance(error, UserError) else ""
        self.view.complain(self.text("problem"), message, hint or "")

    # Sound.

    def play_sentence(self, number: int) -> None:
        """Play one sentence, and show where it is."""
        each = self.view.sentences.sentences[number]
        self.view.waveform.mark(each.start, each.end)
        self._plays_sentence = True
        self._play(each.start, each.end)

    def _play_from(self, seconds: Seconds) -> None:
        self._plays_sentence = False
        self.view.waveform.stretch = None
        self._play(seconds, None)

    def _play(self, start: Seconds, end: Seconds | None) -> None:
        try:
            self.player.play(start, end)
        except UserError as error:
            self._complain(error)

    def _toggle_sound(self) -> None:
        if self.player.is_playing:
            self.player.stop()
        else:
            self._play_from(self.view.waveform.position)

    def _show_place(self, seconds: Seconds) -> None:
        self.view.waveform.move_to(seconds)
        if not self._plays_sentence:
            self.view.sentences.mark(seconds)

    def _show_level(self, peak: float) -> None:
        if not self.recorder.is_recording:
            return
        self._live.append(peak)
        shown = np.array(self._live[-LIVE_BARS:], np.float32)
        self.view.waveform.show_recording(shown, 0.0)
        self._say("recording", length=_length(len(self._live) / 10))

    # Text.

    def _rewrite(self) -> None:
        self.view.sentences.rewrite(
            to_simple=self.view.choices.simple.isChecked(),
            with_marks=self.view.choices.marks.isChecked(),
        )

    def export(self, path: Path) -> None:
        """Write the transcript, as it is shown, in the format of the file's ending.

        Args:
            path: ends in a key of `WRITERS`.
        """
        assert self.found is not None
        content = WRITERS[path.suffix[1:]](self.view.sentences.transcript(self.found), PLAIN)
        try:
            with atomic_write(path) as file:
                file.write(content)
        except OSError as error:
            self._complain(error)
            return
        self._say("saved", path=path)

    def _copy(self) -> None:
        if self.found is not None:
            text = WRITERS["txt"](self.view.sentences.transcript(self.found), PLAIN)
            QGuiApplication.clipboard().setText(text)
            self._say("copied")

    # Dialogs.

    def _choose_recording(self) -> None:
        kinds = f"{self.text('any_file')} (*)"
        name, _ = QFileDialog.getOpenFileName(self, self.text("open"), "", kinds)
        if name:
            self.open(Path(name))

    def _choose_export(self, name: str) -> None:
        assert self.path is not None
        proposed = str(self.path.with_suffix(f".{name}"))
        chosen, _ = QFileDialog.getSaveFileName(self, self.text("export"), proposed, f"*.{name}")
        if chosen:
            path = Path(chosen)
            self.export(path if path.suffix == f".{name}" else Path(f"{path}.{name}"))

    def _choose_model(self, what: str) -> None:
        title = self.text("browse")
        if what == "folder":
            name = QFileDialog.getExistingDirectory(self, title, "models")
        else:
            name, _ = QFileDialog.getOpenFileName(self, title, "models", "*.bin *.pt")
        if name:
            self.view.choices.add_model(name)

    # Qt's own.

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 (Qt's name)
        """Take files."""
        if event.mimeData().hasUrls() and not self.recorder.is_recording:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 (Qt's name)
        """Open the first file that is dropped."""
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            self.open(Path(files[0]))

    def closeEvent(self, event: QCloseEvent) -> None:  # noqa: N802 (Qt's name)
        """End the sound and the process."""
        self.player.stop()
        if self.recorder.is_recording:
            self.recorder.stop()
        self.recogniser.close()
        event.accept()


def _length(seconds: Seconds) -> str:
    return clock(seconds, ".", hours=False)[:-2]
