"""The search for a learning rate finds the slope, and leaves everything as it was."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import finetune
import finetune_all
from tests.training.test_learning_runs import flags
from utils.cli.errors import UserError
from utils.training import run as training_run
from utils.training.rate_search import suggest

RATES = np.geomspace(1e-7, 1.0, 100)


def curve(noise: float = 0.0, falls: float = 2.0, bursts: bool = True) -> list[tuple[float, float]]:
    """A loss that falls around 1e-4 and bursts beyond 1e-2."""
    decades = np.log10(RATES)
    losses = 5.0 - falls / (1 + np.exp(-4 * (decades + 4)))
    if bursts:
        losses += np.exp(np.clip(3 * (decades + 1.5), None, 3))
    losses += noise * np.random.default_rng(0).standard_normal(len(losses))
    return list(zip(RATES.tolist(), losses.tolist(), strict=True))


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3])
def test_the_suggestion_is_where_the_loss_falls_fastest(noise: float) -> None:
    found = suggest(curve(noise))
    assert found.suggestion is not None and found.burst is not None
    assert 10**-4.5 < found.suggestion < 10**-3.5
    assert found.suggestion <= found.burst / 10
    assert found.steepest is not None and found.lowest is not None
    assert found.steepest < found.lowest < found.burst


def test_the_suggestion_keeps_away_from_the_burst() -> None:
    # The loss falls fastest right before it bursts.
    pairs = [(rate, 5.0 - 2.0 * (rate > 1e-3) + 9.0 * (rate > 3e-3)) for rate in RATES.tolist()]
    found = suggest(pairs)
    assert found.burst is not None
    assert found.suggestion == pytest.approx(found.burst / 10)


def test_a_loss_that_never_bursts_is_said_so() -> None:
    assert suggest(curve(bursts=False)).burst is None


@pytest.mark.parametrize("pairs", [curve(noise=0.3, falls=0.0), curve()[:1], []])
def test_nothing_is_suggested_where_nothing_was_learned(pairs: list[tuple[float, float]]) -> None:
    assert suggest(pairs).suggestion is None


@pytest.mark.parametrize("script", [finetune, finetune_all])
def test_a_search_writes_its_curve_and_leaves_a_run_as_it_is(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    script: Any,
) -> None:
    script.main(flags(tiny_model, speech_manifest, tmp_path, max_steps=2))
    run = tmp_path / "tiny"
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    more = {"find_learning_rate": True, "max_steps": 24, "average_best": 3, "save_steps": 1}
    script.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    found = json.loads((run / "learning_rate.json").read_text())
    rates = [point["learning_rate"] for point in found["points"]]
    assert rates[0] == pytest.approx(1e-7) and rates == sorted(rates)
    assert len(rates) > 10
    assert (run / "learning_rate.png").read_bytes().startswith(b"\x89PNG")
    assert found["suggestion"] is not None
    assert f"--learning_rate={found['suggestion']:.1e}" in capsys.readouterr().out
    names = {"learning_rate.json", "learning_rate.png"}
    after = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and p.name not in names}
    assert after == before


def test_weights_and_randomness_are_put_back(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, seen = training_run.find_learning_rate, []

    def state(trainer: Any) -> list[Any]:
        weights = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
        generators = [torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1]]
        return [weights, *generators]

    def watched(trainer: Any) -> Any:
        before = state(trainer)
        found = search(trainer)
        seen.extend([before, state(trainer), found])
        return found

    monkeypatch.setattr(training_run, "find_learning_rate", watched)
    more = {"find_learning_rate": True, "max_steps": 20, "lora_dropout": 0.1}
    finetune.main(flags(tiny_model, speech_manifest, tmp_path, **more))
    before, after, found = seen
    assert len({point.loss for point in found.points}) > 1  # it did train
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    assert before[1:3] == after[1:3]
    assert np.array_equal(before[3], after[3])


def test_a_search_of_too_few_steps_is_refused(
    tiny_model: Path, speech_manifest: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="too few for --find_learning_rate"):
        finetune.main(flags(tiny_model, speech_manifest, tmp_path, find_learning_rate=True))
