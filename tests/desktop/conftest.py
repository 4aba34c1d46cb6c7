"""A real window on a screen that nobody sees, and a loudspeaker that writes what it plays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.audio.load import SAMPLE_RATE, load_audio
from utils.manifest.read import read_manifest

PATIENCE_SECONDS = 120.0


@pytest.fixture(scope="session")
def screen() -> Iterator[None]:
    """Xvfb where it is installed, and else Qt's own drawing without a screen."""
    before = dict(os.environ)
    server = None
    if sys.platform.startswith("linux") and shutil.which("Xvfb"):
        reading, writing = os.pipe()
        command = ["Xvfb", "-noreset", "-displayfd", str(writing), "-screen", "0", "1400x900x24"]
        server = subprocess.Popen(command, pass_fds=[writing], stderr=subprocess.DEVNULL)
        os.close(writing)
        # Stays open: the end of the line is written by itself, and a closed pipe would end Xvfb.
        number = os.read(reading, 20).decode().strip()
        os.environ |= {"DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
        if not number or not _xcb_starts():
            os.environ["QT_QPA_PLATFORM"] = "offscreen"
    else:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
    yield
    os.environ.clear()
    os.environ.update(before)
    if server is not None:
        server.terminate()
        server.wait(30)


def _xcb_starts() -> bool:
    """Whether Qt's part for X is complete; where a library lacks, it ends the process."""
    code = "from PySide6.QtWidgets import QApplication; QApplication([])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of what the loudspeaker played: float32, 16 kHz; ALSA's null device takes it at once."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "asound.conf").write_text(
        "pcm.null { type null }\nctl.!default { type null }\n"
        f'pcm.!default {{ type file\nslave.pcm "null"\nformat "raw"\nfile "{folder}/played" }}\n'
    )
    os.environ["ALSA_CONFIG_PATH"] = str(folder / "asound.conf")
    try:
        import sounddevice
    except (ImportError, OSError):
        pytest.skip("no sounddevice or no PortAudio (Debian: libportaudio2)")
    if not sounddevice.query_devices():
        pytest.skip("PortAudio has no ALSA")
    return folder / "played"


@pytest.fixture(scope="session")
def talk(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demo sentences so far apart that each is a stretch of its own."""
    sentences = list(read_manifest(demo_model.parent / "en" / "train.jsonl"))[:7]
    pause = np.zeros(28 * SAMPLE_RATE, np.float32)
    pieces = [piece for each in sentences for piece in (load_audio(each.audio), pause)]
    path = tmp_path_factory.mktemp("talks") / "talk.flac"
    soundfile.write(path, np.concatenate(pieces), SAMPLE_RATE)
    return path


@pytest.fixture(scope="session")
def settle(screen: None) -> Callable[[Callable[[], bool]], float]:
    """Let the window live until something is true; returns the longest it did not answer, in s."""
    from utils.desktop.run import make_application

    application = make_application()

    def wait(condition: Callable[[], bool]) -> float:
        deadline = time.monotonic() + PATIENCE_SECONDS
        longest = 0.0
        while not condition():
            began = time.monotonic()
            application.processEvents()
            longest = max(longest, time.monotonic() - began)
            assert began < deadline, "it did not come to that"
            time.sleep(0.005)
        return longest

    return wait
