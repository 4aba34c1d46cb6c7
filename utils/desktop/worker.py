"""The process that decodes sound and recognises, as infer.py does, and tells the window.

A process and not a thread: the loop that generates tokens is Python and would make the window
wait; what is cancelled ends at once, whatever it is doing; and an engine in C that fails takes
nothing with it.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE
from utils.cli.errors import Failure, UserError
from utils.desktop.messages import (
    Answer,
    Failed,
    Heard,
    Moved,
    Open,
    Opened,
    Question,
    Transcribe,
    Transcribed,
)
from utils.parallel.journal import Journal
from utils.transcription.cache import hash_of
from utils.transcription.engines.registry import Engine
from utils.transcription.engines.whisper_cpp import WhisperCpp
from utils.transcription.infer.inputs import Source
from utils.transcription.infer.model import check_model, decoding_of
from utils.transcription.infer.run import Run
from utils.transcription.infer.settings import InferSettings
from utils.transcription.infer.sound import read_samples
from utils.transcription.longform import Samples
from utils.transcription.transcript import TimedText

BARS = 2000  # of a waveform: more than a window has pixels for
COPIED_SECONDS = 60  # of sound at a time


class Worker:
    """Answers the window, one question after another.

    Args:
        folder: for its files; it goes with the window.
        tell: sends an answer.
    """

    def __init__(self, folder: Path, tell: Callable[[Answer], None]) -> None:
        self.folder = folder
        self.tell = tell
        # What a cancelled transcription had recognised is not recognised again.
        self.journal = Journal(folder / "infer.jsonl")
        self._last: Run | None = None

    def answer(self, question: Question) -> None:
        """Do what is asked; everything is told through `tell`, failures too."""
        try:
            if isinstance(question, Open):
                self.tell(self._open(question))
            else:
                self.tell(Transcribed(self._transcribe(question)))
        except (UserError, Failure) as error:
            self.tell(Failed(error.message, error.hint or ""))
        except (MemoryError, OSError, RuntimeError, ValueError) as error:
            traceback.print_exc()
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self.tell(Failed(reason))

    def _open(self, question: Open) -> Opened:
        samples = read_samples(Path(question.path), self.folder)
        place = self.folder / f"{hash_of([question.path])[:16]}.f32"
        peaks = _store(samples, place)
        return Opened(question.path, len(samples) / SAMPLE_RATE, str(place), peaks)

    def _transcribe(self, question: Transcribe) -> dict[str, object]:
        settings = replace(
            question.settings,
            output_dir=str(self.folder / "transcripts"),
            output_format="json",
            # On a CPU a stretch takes as long by itself as in a batch, and is seen sooner.
            batch_size=question.settings.batch_size if torch.cuda.is_available() else 1,
        )
        check_model(settings)
        run = Run(
            settings,
            decoding_of(settings),
            self.journal,
            _Told(self.tell),
            self._loaded_for(settings),
        )
        self._last = run
        source = Source(
            Path(question.path).name,
            Path(question.path),
            Path(hash_of([question.path, run.digest])[:16]),
        )
        run.transcribe([source])
        if run.failed:
            raise UserError(f"{source.name}: {run.failed[0].reason}")
        written = run.folder / f"{source.stem}.json"
        found: dict[str, object] = json.loads(written.read_text(encoding="utf-8"))
        return found

    def _loaded_for(self, settings: InferSettings) -> Engine | WhisperCpp | None:
        """The model of the last run, if this one wants the same in the same place."""
        if self._last is None:
            return None
        last = self._last.settings
        names = ("model_path", "engine", "device", "use_gpu", "use_int8", "fp16", "threads")
        same = all(getattr(last, name) == getattr(settings, name) for name in names)
        return self._last.engine if same else None


class _Told:
    """Tells the window how a run gets on; see `Display`."""

    def __init__(self, tell: Callable[[Answer], None]) -> None:
        self.tell = tell
        self.total: Seconds = 0.0
        self.done: Seconds = 0.0

    def begin(self, seconds: Seconds) -> None:
        """See `Display`."""
        self.total = seconds

    def move(self, seconds: Seconds) -> None:
        """See `Display`."""
        self.done += seconds
        self.tell(Moved(min(self.done / self.total, 1.0) if self.total else 0.0))

    def show(self, segments: Sequence[TimedText]) -> None:
        """See `Display`."""
        self.tell(Heard(tuple((each.start, each.end, each.text) for each in segments)))

    def say(self, text: str) -> None:
        """The window has the transcript, or the failure, itself."""

    def end(self) -> None:
        """See `say`."""


def _store(samples: Samples, place: Path) -> np.ndarray:
    """Write samples into a file; returns the loudest of each of `BARS` parts."""
    bar = max(1, -(-len(samples) // BARS))
    step = max(1, COPIED_SECONDS * SAMPLE_RATE // bar) * bar
    peaks = []
    with open(place, "wb") as file:
        for begin in range(0, len(samples), step):
            piece = samples[begin : begin + step]
            file.write(np.ascontiguousarray(piece, np.float32).tobytes())
            filled = np.pad(np.abs(piece), (0, -len(piece) % bar))
            peaks.append(filled.reshape(-1, bar).max(axis=1))
    return np.concatenate(peaks).astype(np.float32) if peaks else np.zeros(0, np.float32)


def serve(pipe: Connection, folder: str) -> None:
    """Answer what comes through a pipe until it is closed."""
    worker = Worker(Path(folder), pipe.send)
    while True:
        try:
            question = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            worker.answer(question)
        except (BrokenPipeError, ConnectionError):
            return
