"""A micro-batch that does not fit into memory is computed in smaller pieces.

The step's loss is a sum over its tokens divided by their number, so a micro-batch can be cut
anywhere between two examples: the pieces' gradients add up to the whole's.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import torch

from utils.audio.features import FRAMES_PER_SECOND
from utils.cli.console import warn
from utils.cli.errors import Failure

Inputs = dict[str, Any]
RunPiece = Callable[[Inputs, float, bool], torch.Tensor]
"""Inputs, their share of the micro-batch, whether they end it -> loss; adds up the gradient."""

_CPU_MESSAGES = ("DefaultCPUAllocator", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _CPU_MESSAGES)


def free_cached_memory() -> None:
    """Give back what the failed attempt left behind."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class MemoryGuard:
    """Computes micro-batches, in pieces once one did not fit.

    Args:
        limit: examples times frames that are computed at once, or None as long as all fit.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._done: list[Inputs] = []

    def begin_step(self) -> None:
        """Forget the micro-batches of the step before."""
        self._done.clear()

    def run(
        self, inputs: Inputs, run_piece: RunPiece, drop_gradients: Callable[[], bool]
    ) -> torch.Tensor:
        """Add a micro-batch's gradient to the step's.

        Args:
            inputs: the micro-batch: tensors `(B, ...)`, with `input_features (B, M, F)`, and
                `utterances`, a list of B pairs of id and seconds.
            run_piece: computes loss and gradient of some of its rows.
            drop_gradients: called after a failure. It returns False if the gradients of the step
                are as they were before the piece; otherwise it clears them and returns True, and
                what the step had computed is computed again.

        Returns:
            The micro-batch's loss, float scalar.

        Raises:
            Failure: if a single example does not fit.
        """
        again: list[Inputs] = []
        while True:
            try:
                for earlier in again:
                    self._run_in_pieces(earlier, _never_last(run_piece), drop_gradients)
                loss = self._run_in_pieces(inputs, run_piece, drop_gradients)
            except _GradientsLost:
                again = list(self._done)
            else:
                self._done.append(inputs)
                return loss

    def _run_in_pieces(
        self, inputs: Inputs, run_piece: RunPiece, drop_gradients: Callable[[], bool]
    ) -> torch.Tensor:
        rows = len(inputs["utterances"])
        frames = inputs["input_features"].shape[-1]
        losses: list[torch.Tensor] = []
        begin = 0
        while begin < rows:
            size = rows if self.limit is None else max(1, self.limit // frames)
            end = min(begin + size, rows)
            piece = _rows_of(inputs, begin, end)
            try:
                losses.append(run_piece(piece, (end - begin) / rows, end == rows))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            else:
                begin = end
                continue
            # Outside the handler: while an exception is handled its frames hold their tensors.
            self._halve(inputs, begin, end, reason)
            lost = drop_gradients()
            free_cached_memory()
            if lost:
                raise _GradientsLost
        return torch.stack(losses).sum()

    def _halve(self, inputs: Inputs, begin: int, end: int, reason: str) -> None:
        frames = inputs["input_features"].shape[-1]
        window = frames / FRAMES_PER_SECOND
        if end - begin == 1:
            name, seconds = inputs["utterances"][begin]
            raise Failure(
                f"out of memory with a single utterance: {name} ({seconds:.1f} s of sound in a "
                f"window of {window:.1f} s): {reason}",
                "Give one of: --gradient_checkpointing=True, --max_audio_len below its length, "
                "--audio_context=dynamic,\n--use_8bit=True or --use_4bit=True (finetune.py), "
                "--optim=adamw_8bit, or a smaller model.",
            )
        half = (end - begin) // 2
        self.limit = half * frames
        warn(
            f"out of memory with {end - begin} utterances in windows of {window:.1f} s; going on "
            f"with {half} at once, and the same step size (--auto_batch=True finds what fits "
            "before training)"
        )


class _GradientsLost(Exception):  # noqa: N818 (a signal to compute the step's gradient again)
    pass


def _never_last(run_piece: RunPiece) -> RunPiece:
    return lambda piece, share, _last: run_piece(piece, share, False)


def _rows_of(inputs: Inputs, begin: int, end: int) -> Inputs:
    """Some rows of a micro-batch, without the names that the model does not take."""
    return {name: value[begin:end] for name, value in inputs.items() if name != "utterances"}
