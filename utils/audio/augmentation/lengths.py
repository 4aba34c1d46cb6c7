"""What a sound of another length needs: its samples counted out, its sentences at new times."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from utils.audio.augmentation.channel import Sentences
from utils.audio.clip import Seconds
from utils.audio.features import SAMPLE_RATE


def of_length(samples: np.ndarray, length: int) -> np.ndarray:
    """Cut or pad with zeros: resamplers round lengths in their own way."""
    kept = samples[:length]
    return np.pad(kept, (0, length - len(kept)))


def moved(sentences: Sentences, factor: float, offset: Seconds, length: int) -> Sentences:
    """Return sentences at `factor * time + offset`, within `length` samples."""
    if not sentences or (factor == 1.0 and offset == 0.0):
        return sentences
    end_of_sound = length / SAMPLE_RATE

    def there(time: Seconds) -> Seconds:
        return min(max(0.0, factor * time + offset), end_of_sound)

    return tuple(replace(each, start=there(each.start), end=there(each.end)) for each in sentences)
