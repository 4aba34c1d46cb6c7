"""A real recording through PortAudio, where PulseAudio can give a microphone that hears a file."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.load import load_audio
from utils.manifest.read import read_manifest

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("pulseaudio") and shutil.which("paplay")),
        reason="no PulseAudio (Debian: apt-get install pulseaudio pulseaudio-utils)",
    ),
    pytest.mark.skipif(
        not Path("/etc/alsa/conf.d/50-pulseaudio.conf").exists() or not find_library("portaudio"),
        reason="no PortAudio over PulseAudio (Debian: libportaudio2, libasound2-plugins)",
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("sounddevice") is None,
        reason="no sounddevice (requirements/microphone.txt)",
    ),
]
RECORD = (
    "import sys; from pathlib import Path\n"
    "from utils.transcription.infer.microphone import record\n"
    "print(record(Path(sys.argv[1]), float(sys.argv[2]) or None, float(sys.argv[3]) or None))"
)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """PulseAudio with a sink that nobody hears; what it plays is the default microphone."""
    own = {"XDG_RUNTIME_DIR": str(tmp_path), "PULSE_RUNTIME_PATH": str(tmp_path)}
    environment = {**os.environ, **own, "HOME": str(tmp_path)}
    modules = ["-L", "module-native-protocol-unix", "-L", "module-null-sink sink_name=spoken"]
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=yes"]
    with open(tmp_path / "pulseaudio.log", "wb") as log:
        server = subprocess.Popen([*command, *modules], env=environment, stderr=log, stdout=log)
        try:
            deadline = time.monotonic() + 30
            while subprocess.run(
                ["pactl", "info"], env=environment, capture_output=True
            ).returncode:
                assert time.monotonic() < deadline, "PulseAudio does not start"
                time.sleep(0.1)
            yield environment
        finally:
            server.terminate()
            server.wait(30)


@pytest.mark.parametrize(("seconds", "silence"), [(4.0, 0.0), (0.0, 1.0)])
def test_what_is_spoken_is_recorded(
    environment, demo_model, repository, tmp_path, seconds, silence
):
    spoken = next(iter(read_manifest(demo_model.parent / "en" / "test.jsonl").utterances))
    samples = load_audio(spoken.audio)
    soundfile.write(tmp_path / "spoken.wav", samples, 16_000)
    recording = subprocess.Popen(
        [sys.executable, "-u", "-c", RECORD, str(tmp_path / "out"), str(seconds), str(silence)],
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert recording.stdout is not None
    assert recording.stdout.readline() == "recording; press Enter to stop\n"
    play = ["paplay", "--device=spoken", str(tmp_path / "spoken.wav")]
    subprocess.run(play, env=environment, check=True)
    said, _ = recording.communicate(timeout=60)
    assert recording.returncode == 0
    heard = load_audio(AudioRef(said.strip()))
    if seconds:
        assert len(heard) == seconds * 16_000
    size = 1 << (len(heard) + len(samples)).bit_length()
    product = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(samples, size))
    likeness = np.fft.irfft(product).max() / np.linalg.norm(samples) / np.linalg.norm(heard)
    assert likeness > 0.7
