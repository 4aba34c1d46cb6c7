"""SIGTERM and Ctrl-C let a run finish its step and save; the next command goes on from there."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any

from transformers import TrainerCallback

from utils.cli.console import process_rank
from utils.cli.errors import Stopped
from utils.model.distributed import sum_over_processes

# Some of them are missing on some systems.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT") if hasattr(signal, name))
SECOND_AFTER = 1.0
"""Seconds within which further signals are the same request: a scheduler and the launcher both
pass one on."""


class Interruption(TrainerCallback):
    """Ends a run in an orderly way; a context manager around the training.

    Args:
        grace_seconds: after them the process ends whether the step is done or not.

    Attributes:
        evaluation_due: whether the last step was to be scored and was not, to save time.
    """

    def __init__(self, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds
        self.evaluation_due = False
        self._received = 0
        self._agreed = 0
        self._since = 0.0
        self._pid = os.getpid()
        self._earlier: dict[int, Any] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._earlier[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)
        if self._timer is not None:
            self._timer.cancel()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            return  # a process that reads data: its parent needs it for the rest of the step
        if self._received:
            if time.monotonic() - self._since > SECOND_AFTER:
                self._end_now("a second signal: ended without saving")
            return
        self._received, self._since = number, time.monotonic()
        name = signal.Signals(number).name
        if process_rank() == 0:
            _write(f"{name}: finishing this step and saving; a second one ends at once")
        self._timer = threading.Timer(
            self.grace_seconds,
            self._end_now,
            [f"{name}: nothing was saved within --grace_seconds={self.grace_seconds:g}"],
        )
        self._timer.daemon = True
        self._timer.start()

    def _end_now(self, why: str) -> None:
        _write(f"error: {why}; finished checkpoints are intact")
        os._exit(128 + self._received)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save and stop, if any process was told to end."""
        told = sum_over_processes(*(float(self._received == number) for number in SIGNALS))
        self._agreed = next((n for n, count in zip(SIGNALS, told, strict=True) if count), 0)
        if self._agreed:
            self.evaluation_due = control.should_evaluate
            control.should_evaluate = False
            control.should_save = control.should_training_stop = True

    def raise_if_stopped(self, step: int, checkpoint: str) -> None:
        """End the script if a signal ended the training.

        Args:
            step: the last one done.
            checkpoint: what was saved.

        Raises:
            Stopped: with exit code 143 after SIGTERM, 130 after Ctrl-C.
        """
        if not self._agreed:
            return
        word = "interrupted" if self._agreed == signal.SIGINT else "stopped by SIGTERM"
        raise Stopped(
            f"{word} after step {step}; {checkpoint} is saved",
            "The same command goes on from there.",
            128 + self._agreed,
        )


def _write(text: str) -> None:
    # Not through print: a signal may come while another print holds the buffer.
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{text}\n".encode())
