"""The window's end of the process that recognises: started, asked, ended, and started again."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import threading
from multiprocessing.connection import Connection
from typing import Any

from PySide6.QtCore import QObject, Signal

from utils.cli.chatter import silence_libraries
from utils.desktop.messages import Answer, Failed, Heard, Moved, Question


class Recogniser(QObject):
    """A process, which is another one after it was cancelled or died.

    Attributes:
        answered: signal, emitted in the window's thread with each `Answer`.
    """

    answered = Signal(object)
    _arrived = Signal(int, object)

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="whisper-", ignore_cleanup_errors=True)
        self._number = 0
        self._process: Any = None
        self._pipe: Connection | None = None
        self._is_busy = False
        # From the thread that reads the pipe to the window's.
        self._arrived.connect(self._take)
        self._start()

    def ask(self, question: Question) -> None:
        """Send a question; its answers come through `answered`."""
        if self._pipe is None:
            self._start()
        self._is_busy = True
        assert self._pipe is not None
        try:
            self._pipe.send(question)
        except OSError:  # it died a moment ago, which the reading thread tells
            return

    def cancel(self) -> None:
        """End whatever is being done; nothing more is answered of it."""
        self._end()
        self._start()

    def close(self) -> None:
        """End the process, and remove its files."""
        self._end()
        self._folder.cleanup()

    def _start(self) -> None:
        self._number += 1
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_run, args=(theirs, self._folder.name), daemon=True)
        self._process.start()
        # Only the child holds its end now, so that its death ends the pipe.
        theirs.close()
        arguments = (self._number, self._pipe)
        threading.Thread(target=self._read, args=arguments, daemon=True).start()

    def _end(self) -> None:
        self._number += 1  # what still arrives of the old one is of no interest
        self._is_busy = False
        if self._process is not None:
            self._process.kill()
            self._process.join()
        self._pipe = self._process = None

    def _read(self, number: int, pipe: Connection) -> None:
        while True:
            try:
                answer = pipe.recv()
            except (EOFError, OSError):
                answer = None
            try:
                self._arrived.emit(number, answer)
            except RuntimeError:  # the window is gone
                return
            if answer is None:
                return

    def _take(self, number: int, answer: Answer | None) -> None:
        if number != self._number:
            return
        if answer is not None:
            self._is_busy = isinstance(answer, Moved | Heard)
            self.answered.emit(answer)
            return
        self._process.join()
        code, was_busy = self._process.exitcode, self._is_busy
        self._end()
        if was_busy:
            hint = "Is there memory enough for this model? A smaller one may do."
            self.answered.emit(Failed(f"the recognising process ended (exit code {code})", hint))


def _run(pipe: Connection, folder: str) -> None:
    """The process: it loads the libraries while a person looks for a file."""
    silence_libraries()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from utils.desktop.worker import serve

    serve(pipe, folder)
