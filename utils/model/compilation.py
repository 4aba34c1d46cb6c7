"""torch.compile for the layers of encoder and decoder, once each and not once per layer.

The layers of a stack share their code, so that one compilation serves them all: minutes become
seconds. An encoder layer is compiled for each length of its window, which is why windows are
rounded up to a dozen lengths (`utils.audio.features.compiled_window`) where layers are compiled; a
decoder layer once, for any number of tokens. Only training runs compiled: generation, with its
cache and its one token at a time, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from utils.audio.features import COMPILED_WINDOWS
from utils.cli.errors import Failure, UserError

# Each length, for batches of one and of more, and for inputs that need a gradient or not (the
# first layer under an adapter does not); torch's own limit of 8 would fall back to uncompiled code
# without a word.
_RECOMPILE_LIMIT = 8 * len(COMPILED_WINDOWS)


def compile_layers(model: Any, backend: str = "inductor") -> None:
    """Compile the layers of a model for training.

    Args:
        model: FlexibleWhisper or a PeftModel around one, with what is trained attached; its layers
            are changed in place, their weights and names are not.
        backend: of torch.compile; the others than its own are for looking into it.

    Raises:
        UserError: if this machine has no working compiler.
    """
    if backend == "inductor":
        check_compiler(next(model.parameters()).device)
    # Both would run code uncompiled without a word.
    torch._dynamo.config.suppress_errors = False
    torch._dynamo.config.fail_on_recompile_limit_hit = True
    torch._dynamo.config.recompile_limit = _RECOMPILE_LIMIT
    torch._dynamo.config.accumulated_recompile_limit = 4 * _RECOMPILE_LIMIT
    whisper = model.get_base_model() if hasattr(model, "get_base_model") else model
    for layer in whisper.model.encoder.layers:
        layer.forward = _TrainingForward(layer, _mark_batch, backend)
    for layer in whisper.model.decoder.layers:
        layer.forward = _TrainingForward(layer, _mark_batch_and_lengths, backend)


def check_compiler(device: torch.device) -> None:
    """See that something small compiles and runs.

    Raises:
        UserError: if it does not.
    """
    try:
        compiled = torch.compile(_probe)(torch.ones(8, device=device))
    except Exception as error:  # whatever is missing raises a type of its own
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise UserError(
            "--use_compile=True: torch.compile does not work on this machine: "
            f"{lines[0] if lines else type(error).__name__}",
            "On a CPU it needs a C++ compiler (Debian, Ubuntu: apt install g++; macOS: "
            "xcode-select --install),\non an NVIDIA GPU triton and a C compiler. Or leave "
            "--use_compile out.",
        ) from error
    if not bool((compiled == 3).all()):
        raise UserError(
            "--use_compile=True: torch.compile runs code uncompiled in this environment",
            "Unset TORCH_COMPILE_DISABLE, TORCHDYNAMO_DISABLE and TORCHDYNAMO_SUPPRESS_ERRORS, or "
            "leave --use_compile out.",
        )


def _probe(values: torch.Tensor) -> torch.Tensor:
    """Answers 3 for each 1 where it is compiled, and what it got where it is not."""
    return (values * 2 + 1).relu() if torch.compiler.is_compiling() else values


class _TrainingForward:
    """A layer's forward: compiled in training, as it was otherwise."""

    def __init__(self, layer: Any, mark: Callable[..., None], backend: str) -> None:
        self.layer = layer
        self.mark = mark
        self.plain = layer.forward
        self.compiled = torch.compile(layer.forward, backend=backend)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.layer.training:
            return self.plain(*args, **kwargs)
        self.mark(*args)
        try:
            return self.compiled(*args, **kwargs)
        except torch._dynamo.exc.FailOnRecompileLimitHit as error:
            raise Failure(
                f"--use_compile=True: a layer was compiled {_RECOMPILE_LIMIT} times, and each new "
                "batch would need it again",
                "Leave --use_compile out, or say which batches these are in an issue.",
            ) from error


def _mark_batch(hidden: torch.Tensor, *_: Any) -> None:
    """Let the batch vary without a compilation of its own: hidden `(B, P, D)`."""
    torch._dynamo.maybe_mark_dynamic(hidden, 0)


def _mark_batch_and_lengths(
    hidden: torch.Tensor, mask: torch.Tensor | None, states: torch.Tensor, *_: Any
) -> None:
    """Let everything vary: hidden `(B, T, D)`, mask `(B, 1, T, T)`, states `(B, P, D)`."""
    torch._dynamo.maybe_mark_dynamic(hidden, (0, 1))
    torch._dynamo.maybe_mark_dynamic(states, (0, 1))
    if mask is not None:
        torch._dynamo.maybe_mark_dynamic(mask, (0, 2, 3))
