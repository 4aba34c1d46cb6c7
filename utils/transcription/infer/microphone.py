"""The microphone, recorded until Enter, for some time, or until nobody speaks any more."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy as np
import soundfile

from utils.audio.clip import Seconds
from utils.audio.devices import open_microphone
from utils.audio.features import SAMPLE_RATE
from utils.audio.vad import speech_in
from utils.cli.console import say
from utils.cli.leftovers import unfinished

LOOKED_AT: Seconds = 30.0  # of the end of the recording, for a voice
BETWEEN_LOOKS: Seconds = 0.5


def record(folder: Path, seconds: Seconds | None, silence: Seconds | None) -> Path:
    """Record the default microphone.

    Args:
        folder: for the recording, which is kept.
        seconds: how long; None until Enter is pressed or somebody falls silent.
        silence: stop after so many seconds without a voice; None does not listen for one.

    Returns:
        The recording, mono, 16 kHz.

    Raises:
        UserError: sounddevice or PortAudio is missing, or there is no microphone.
    """
    heard: Queue[np.ndarray] = Queue()
    name = datetime.now().astimezone().strftime("microphone-%Y%m%d-%H%M%S.flac")
    path = folder / name
    stream = open_microphone(heard.put)
    with unfinished(path) as part:
        with soundfile.SoundFile(part, "w", SAMPLE_RATE, 1, format="FLAC") as file, stream:
            say("recording; press Enter to stop")
            _until_stopped(heard, file, seconds, silence)
        os.replace(part, path)
    return path


def _until_stopped(
    heard: Queue[np.ndarray], file: Any, seconds: Seconds | None, silence: Seconds | None
) -> None:
    """Write what is heard until the time is over, nobody speaks, or Enter is pressed."""
    recent = np.zeros(0, np.float32)
    written = 0
    looked = time.monotonic()
    entered = _enter()
    while not entered.is_set():
        try:
            block = heard.get(timeout=1.0)
        except Empty:
            continue
        if seconds is not None:
            block = block[: round(seconds * SAMPLE_RATE) - written]
        file.write(block)
        written += len(block)
        if seconds is not None and written >= round(seconds * SAMPLE_RATE):
            return
        recent = np.concatenate([recent, block])[-round(LOOKED_AT * SAMPLE_RATE) :]
        if silence is not None and time.monotonic() - looked >= BETWEEN_LOOKS:
            looked = time.monotonic()
            if fell_silent(recent, silence):
                return


def fell_silent(recent: np.ndarray, silence: Seconds) -> bool:
    """Whether somebody spoke and has not for so long.

    Args:
        recent: float32 `(num_samples,)`, 16 kHz, the end of the recording.
        silence: in seconds.
    """
    spoken = speech_in(recent, LOOKED_AT)
    return bool(spoken) and len(recent) / SAMPLE_RATE - spoken[-1][1] >= silence


def _enter() -> threading.Event:
    """An event that is set when Enter is pressed; never without a terminal."""
    pressed = threading.Event()

    def wait() -> None:
        while not select.select([sys.stdin], [], [], 0.5)[0]:
            if pressed.is_set():
                return
        sys.stdin.readline()
        pressed.set()

    if sys.stdin is not None and sys.stdin.isatty():
        threading.Thread(target=wait, daemon=True).start()
    return pressed
