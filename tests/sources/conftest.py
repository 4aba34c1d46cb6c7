"""Sounds that several tests of sources read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four seconds in which the left side hums low and the right side high."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(4 * RATE) / RATE
    sides = [0.3 * np.sin(2 * np.pi * pitch * time) for pitch in (200, 1000)]
    soundfile.write(tmp_path / "call.wav", np.stack(sides, axis=1), RATE)
    soundfile.write(tmp_path / "mono.wav", sides[0], RATE)
    return tmp_path
