"""Memory that runs out in mid-run costs pieces, not the run, and changes no gradient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import finetune
import finetune_all
from tests.training.test_run import flags, gradient_norms, losses
from utils.cli.errors import Failure, run_script
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.training.memory.out_of_memory import MemoryGuard, is_out_of_memory

Script = Callable[[list[str]], None]


def full_memory(monkeypatch: pytest.MonkeyPatch, most: int, where: str) -> list[int]:
    """A device on which more than `most` examples at once do not fit; the sizes that it was given.

    Args:
        where: "forward", or "backward" after some of the gradients have been added up.
    """
    forward = FlexibleWhisper.forward
    tried: list[int] = []

    def run_out(*_: Any) -> None:
        raise torch.OutOfMemoryError("no more memory (said by the test)")

    def limited(self: FlexibleWhisper, *args: Any, **kwargs: Any) -> Any:
        features = kwargs.get("input_features")
        if not self.training or features is None:
            return forward(self, *args, **kwargs)
        tried.append(len(features))
        if len(features) <= most:
            return forward(self, *args, **kwargs)
        if where == "forward":
            run_out()
        # The encoder's gradient comes last: the decoder's has been added up by then.
        handle = self.model.encoder.layers[1].register_full_backward_hook(run_out)
        self._handles = [*getattr(self, "_handles", []), handle]
        try:
            return forward(self, *args, **kwargs)
        finally:
            handle.remove()

    monkeypatch.setattr(FlexibleWhisper, "forward", limited)
    return tried


@pytest.mark.parametrize("script", [finetune.main, finetune_all.main], ids=["lora", "full"])
@pytest.mark.parametrize("where", ["forward", "backward"])
@pytest.mark.parametrize(("batch", "accumulation"), [(8, 1), (4, 2)])
def test_smaller_pieces_give_the_same_gradient(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    script: Script,
    where: str,
    batch: int,
    accumulation: int,
) -> None:
    more = {
        "max_steps": 2,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "audio_context": "dynamic",
        "learning_rate": 1e-3,
        "gradient_checkpointing": False,
    }
    script(flags(tiny_model, speech_manifest, tmp_path / "whole", **more))
    tried = full_memory(monkeypatch, 2, where)
    script(flags(tiny_model, speech_manifest, tmp_path / "pieces", **more))
    whole, pieces = tmp_path / "whole" / "tiny", tmp_path / "pieces" / "tiny"
    assert gradient_norms(pieces) == pytest.approx(gradient_norms(whole), rel=1e-5)
    assert losses(pieces) == pytest.approx(losses(whole), rel=1e-5)
    assert max(tried) == batch
    said = capsys.readouterr().err
    assert said.count("going on with 2 at once") == 1


def test_an_utterance_that_fits_nowhere_is_named(
    tiny_model: Path,
    speech_manifest: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    full_memory(monkeypatch, 0, "forward")
    more = {"max_steps": 1, "gradient_checkpointing": False}
    run = flags(tiny_model, speech_manifest, tmp_path, **more)
    assert run_script(lambda _: finetune.main(run)) == 1
    said = capsys.readouterr().err
    assert "out of memory with a single utterance: clip-" in said
    assert "--gradient_checkpointing=True" in said


def inputs(rows: int, frames: int) -> dict[str, Any]:
    names = [(f"clip-{row}", 1.0) for row in range(rows)]
    return {
        "input_features": torch.arange(rows * frames).view(rows, 1, frames),
        "utterances": names,
    }


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_every_row_is_computed_once_and_no_piece_is_too_large(rows: int, most: int) -> None:
    guard, seen = MemoryGuard(), []

    def run_piece(piece: dict[str, Any], share: float, is_last: bool) -> torch.Tensor:
        if len(piece["input_features"]) > most:
            raise torch.OutOfMemoryError
        assert "utterances" not in piece
        seen.append((len(piece["input_features"]), share, is_last))
        return piece["input_features"].sum()

    batch = inputs(rows, 4)
    total = guard.run(batch, run_piece, lambda: False)
    assert total == batch["input_features"].sum()
    assert sum(size for size, _, _ in seen) == rows
    assert sum(share for _, share, _ in seen) == pytest.approx(1.0)
    assert [last for _, _, last in seen] == [False] * (len(seen) - 1) + [True]


def test_what_did_not_fit_is_not_tried_again_in_a_shorter_window_or_a_longer_one() -> None:
    guard, tried = MemoryGuard(), []

    def run_piece(piece: dict[str, Any], _share: float, _last: bool) -> torch.Tensor:
        rows, _, frames = piece["input_features"].shape
        tried.append((rows, frames))
        if rows * frames > 400:
            raise torch.OutOfMemoryError
        return torch.zeros(())

    guard.run(inputs(8, 100), run_piece, lambda: False)
    tried.clear()
    guard.run(inputs(8, 50), run_piece, lambda: False)
    guard.run(inputs(8, 200), run_piece, lambda: False)
    assert tried == [(8, 50)] + 4 * [(2, 200)]


def test_gradients_that_were_lost_are_computed_again() -> None:
    guard, gradient, calls = MemoryGuard(), [], []

    def run_piece(piece: dict[str, Any], _share: float, is_last: bool) -> torch.Tensor:
        gradient.extend(piece["input_features"][:, 0, 0].tolist())
        calls.append(is_last)
        if len(piece["input_features"]) > 2 and len(calls) > 1:
            raise torch.OutOfMemoryError
        return torch.zeros(())

    def drop() -> bool:
        gradient.clear()
        return True

    guard.begin_step()
    first, second = inputs(4, 4), inputs(4, 4)
    guard.run(first, run_piece, drop)
    calls.append(False)
    guard.run(second, run_piece, drop)
    both = torch.cat([first["input_features"], second["input_features"]])
    assert sorted(gradient) == sorted(both[:, 0, 0].tolist())
    assert sum(calls[2:]) == 2  # the one that failed, and the one that ended the step


def test_other_errors_pass_through() -> None:
    def broken(*_: Any) -> torch.Tensor:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        MemoryGuard().run(inputs(2, 4), broken, lambda: False)


def test_what_the_cpu_says_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


def test_the_failure_names_the_seconds() -> None:
    def never(*_: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError("full")

    with pytest.raises(Failure, match=r"clip-0 \(1\.0 s of sound in a window of 2\.0 s\): full"):
        MemoryGuard().run(inputs(1, 200), never, lambda: False)
