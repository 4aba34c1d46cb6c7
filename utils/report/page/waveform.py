"""What the page draws under a player: how loud the sound is over time, and who said what when."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError
from utils.audio.load import SAMPLE_RATE, load_audio
from utils.report.page.utterance_labels import MOST_LISTENED
from utils.report.report_data import SetView

# Longer recordings are played, not drawn: each takes its memory and its second.
LONGEST_SECONDS = 1800.0
FEWEST_BARS, BARS_A_SECOND, MOST_BARS = 100, 10, 1500
LONGEST_TEXT = 300  # characters of a segment


def timelines(
    sets: Sequence[SetView], order: Sequence[int], most: int = MOST_LISTENED
) -> dict[str, Any]:
    """Return what is drawn of each utterance.

    Args:
        sets: The test sets, one after another.
        order: Numbers of the utterances, those to draw first in front.
        most: Of how many the sound is decoded.

    Returns:
        {"waves": {number: base64 of a byte a bar, 0 to 255}, "segments": {number: {"" (the
        reference) or model: [[start, end, text]]}}}; times in seconds from the utterance's start.
    """
    places = [(view, place) for view in sets for place in range(len(view.ids))]
    waves = {}
    for number in order[:most]:
        view, place = places[number]
        utterance = view.utterances.get(view.ids[place])
        if utterance is None or view.lines[place].audio_seconds > LONGEST_SECONDS:
            continue
        bars = _bars_of(utterance.audio)
        if bars is not None:
            waves[number] = base64.b64encode(bars.tobytes()).decode("ascii")
    found = {number: _segments(*places[number]) for number in order[:most]}
    return {"waves": waves, "segments": {number: each for number, each in found.items() if each}}


def _bars_of(ref: AudioRef) -> NDArray[np.uint8] | None:
    try:
        return bars_of(load_audio(ref))
    except (AudioError, OSError):
        return None


def bars_of(samples: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the height of each bar of a waveform.

    Args:
        samples: float32 `(num_samples,)`, 16 kHz.

    Returns:
        uint8 `(bars,)`: the largest amplitude within each bar, relative to the whole.
    """
    wanted = int(np.clip(len(samples) / SAMPLE_RATE * BARS_A_SECOND, FEWEST_BARS, MOST_BARS))
    edges = np.linspace(0, len(samples), min(wanted, len(samples)) + 1).astype(int)[:-1]
    if not len(edges):
        return np.zeros(0, dtype=np.uint8)
    heights = np.maximum.reduceat(np.abs(samples), edges)
    return np.rint(255 * heights / max(float(heights.max()), 1e-6)).astype(np.uint8)


def _segments(view: SetView, place: int) -> dict[str, list[list[Any]]]:
    """Return the times of the reference and of each model, where there are more than none."""
    utterance = view.utterances.get(view.ids[place])
    found = {"": _times(utterance.sentences or ()) if utterance else []}
    for model, score in view.scores.items():
        found[model] = _times(score.predictions[place].segments)
    return {name: times for name, times in found.items() if times}


def _times(parts: Sequence[Any]) -> list[list[Any]]:
    return [[round(p.start, 2), round(p.end, 2), p.text[:LONGEST_TEXT]] for p in parts]
