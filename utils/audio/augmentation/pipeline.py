"""The augmentation file, and what it does to the sound and the features of an utterance.

An augmentation file is a JSON list, applied in its order (or {"default": [...], "overrides":
{"name of a source": [...]}}, where utterances of some sources get other steps):

    [{"type": "speed", "prob": 0.5, "params": {"min_speed_rate": 0.9, "max_speed_rate": 1.1}}]

`prob` is the share of utterances that it changes (1 where absent); parameters that are absent have
the defaults of the dataclasses in `augmentations.py`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from utils.audio.augmentation.channel import Reverb
from utils.audio.augmentation.effects import (
    AUGMENTATIONS,
    Augmentation,
    Noise,
    Sentences,
    Shift,
    SpecAugment,
    Speed,
)
from utils.audio.clip import Seconds
from utils.cli.data_files import read_json
from utils.cli.errors import UserError

# "aug_type" stands in files made for other tools; the type says it already.
KEYS = ("type", "prob", "params", "aug_type")


Steps = tuple[tuple[float, Augmentation], ...]


@dataclass(frozen=True)
class Augmenter:
    """Augmentations with their probabilities, applied in order.

    The same state of the random generator gives the same result. `of_sources` has the steps of
    utterances whose `source` (or `data_source`) has steps of its own.
    """

    steps: Steps
    of_sources: Mapping[str, Steps] = field(default_factory=dict)

    @classmethod
    def from_file(cls, path: str | Path) -> Augmenter:
        """Read an augmentation file.

        Raises:
            UserError: the file is missing or no JSON list, a name is misspelt (the nearest is
                given), a value is out of range, or noise is wanted and there is none.
        """
        path = Path(path)
        try:
            items = read_json(path, "configs/augmentation.json is one.")
        except FileNotFoundError:
            raise UserError(
                f"there is no augmentation file {path}",
                "configs/augmentation.json is one; None augments nothing",
            ) from None
        if isinstance(items, dict) and "default" in items:
            for key in items:
                _expect_known(key, ("default", "overrides"), f"{path}: key")
            overrides = _overrides(items.get("overrides") or {}, f"{path}, overrides")
            if any(
                isinstance(step, SpecAugment) for some in overrides.values() for _, step in some
            ):
                raise UserError(
                    f"{path}: spec_augment stands in overrides, but masks are the same for all",
                    "put it into default",
                )
            return cls(_steps(items["default"], f"{path}, default"), overrides)
        return cls(_steps(items, str(path)))

    def of(self, source: str | None) -> Augmenter:
        """Return what the sound of an utterance of a source gets; masks are those of all."""
        steps = self.of_sources.get(source or "")
        return self if steps is None else Augmenter(steps)

    @property
    def _all_steps(self) -> Sequence[Steps]:
        return (self.steps, *self.of_sources.values())

    @property
    def files(self) -> list[str]:
        """The recordings that are mixed in, in their order."""
        steps = [step for some in self._all_steps for _, step in some]
        return [path for step in steps for path, _ in getattr(step, "files", ())]

    @property
    def longest_stretch(self) -> float:
        """How many times longer an utterance can become, at most."""
        slowest = [
            math.prod(
                1.0 / step.min_speed_rate
                for probability, step in steps
                if isinstance(step, Speed) and probability > 0
            )
            for steps in self._all_steps
        ]
        return max(1.0, *slowest)

    @property
    def longest_delay(self) -> Seconds:
        """How much silence can be put before an utterance, at most."""
        return max(
            sum(
                max(0.0, -step.min_shift_ms / 1000)
                for probability, step in steps
                if isinstance(step, Shift) and probability > 0
            )
            for steps in self._all_steps
        )

    def waveform(
        self, samples: np.ndarray, sentences: Sentences, rng: np.random.Generator
    ) -> tuple[np.ndarray, Sentences]:
        """Change the sound of one utterance.

        Args:
            samples: float32 (num_samples,), 16 kHz, in [-1, 1]; not changed.
            sentences: what is said when, or None.
            rng: decides what is done.

        Returns:
            Samples of the same kind, at most 30 s unless they were longer before; and the
            sentences at their new times, within the sound.
        """
        for probability, step in self.steps:
            applied = rng.random() < probability
            if applied and not isinstance(step, SpecAugment) and len(samples):
                samples, sentences = step.waveform(samples, sentences, rng)
        return np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False), sentences

    def features(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Mask the features of one utterance.

        Args:
            features: float32 (n_mels, F), the F spoken frames without padding; not changed.
            rng: decides what is hidden.

        Returns:
            Features of the same shape.
        """
        for probability, step in self.steps:
            if isinstance(step, SpecAugment) and rng.random() < probability:
                features = step.features(features, rng)
        return features


# ---------------------------------------------------------------------------------------------
# Reading the file.


def _steps(items: Any, where: str) -> Steps:
    if not isinstance(items, list):
        raise UserError(f"{where} holds no list", 'expected [{"type": ..., "prob": ...}, ...]')
    return tuple(_step(item, f"{where}, item {n}") for n, item in enumerate(items, start=1))


def _overrides(items: Any, where: str) -> dict[str, Steps]:
    """Read steps by the name of a source: an object of lists, or a list of objects with a name.

    Such an object has `data_source` (a name or several), and its only list beside it is the steps.
    """
    if isinstance(items, dict):
        return {name: _steps(steps, f"{where}, {name}") for name, steps in items.items()}
    if not isinstance(items, list):
        raise UserError(f"{where} is {items!r}", 'expected {"name of a source": [...]}')
    found: dict[str, Steps] = {}
    for number, item in enumerate(items, start=1):
        place = f"{where}, item {number}"
        names = item.get("data_source") if isinstance(item, dict) else None
        names = [names] if isinstance(names, str) else names
        lists = [value for key, value in item.items() if key != "data_source"] if names else []
        if not names or len(lists) != 1:
            raise UserError(f"{place} names no source", 'expected {"data_source": "name", ...}')
        found |= dict.fromkeys(map(str, names), _steps(lists[0], place))
    return found


def _step(item: Any, where: str) -> tuple[float, Augmentation]:
    """Read one item of an augmentation file; `where` names it in errors."""
    if not isinstance(item, dict):
        raise UserError(
            f"{where} is no object", 'expected {"type": ..., "prob": ..., "params": ...}'
        )
    for key in item:
        _expect_known(key, KEYS, f"{where}: key")
    kind = str(item.get("type"))
    _expect_known(kind, tuple(AUGMENTATIONS), f"{where}: type")
    probability = item.get("prob", 1.0)
    if not _is_number(probability) or not 0.0 <= probability <= 1.0:
        raise UserError(f"{where} ({kind}): prob is {probability!r}", "expected 0 to 1")
    params = item.get("params", {})
    if not isinstance(params, dict):
        raise UserError(f"{where} ({kind}): params is {params!r}", "expected an object")
    try:
        step = AUGMENTATIONS[kind](**_parameters(AUGMENTATIONS[kind], params, f"{where} ({kind})"))
    except ValueError as error:
        raise UserError(f"{where} ({kind}): {error}", "fix it in the file") from None
    if isinstance(step, Noise | Reverb) and probability > 0:
        try:
            step = step.prepared()
        except UserError as error:
            raise UserError(f"{where} ({kind}): {error.message}", error.hint) from error
    return float(probability), step


def _parameters(kind: type[Augmentation], params: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Check names and types of `params` against the fields of an augmentation."""
    defaults = {each.name: each.default for each in dataclasses.fields(kind) if each.init}
    checked: dict[str, Any] = {}
    for name, value in params.items():
        _expect_known(name, tuple(defaults), f"{where}: parameter")
        default = defaults[name]
        if isinstance(default, tuple):
            good = isinstance(value, list) and all(_is_whole(each) for each in value)
            expected, value = "a list of whole numbers", tuple(value) if good else value
        elif isinstance(default, str):
            good, expected = isinstance(value, str), "text"
        elif isinstance(default, int):
            good, expected = _is_whole(value), "a whole number"
        else:
            good, expected = _is_number(value), "a number"
        if not good:
            raise UserError(f"{where}: {name} is {value!r}", f"expected {expected}")
        checked[name] = value
    return checked


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _expect_known(name: Any, known: Sequence[str], where: str) -> None:
    if name in known:
        return
    nearest = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {', '.join(known)}"
    raise UserError(f"{where} {name!r} is unknown", hint)
