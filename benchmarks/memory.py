"""Peak memory and speed of a training step, for Whisper's sizes, on whatever device there is.

    python benchmarks/memory.py                                      # tiny, 5 s, quick
    python benchmarks/memory.py --sizes=large-v3 --kinds=lora,full_8bit --windows=30 --batch=8
    python benchmarks/memory.py --gradient_checkpointing=True

The weights are random: memory and time do not depend on their values. Each case runs in a process
of its own, so that no case sees what another left behind. Writes benchmarks/results/memory.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, write_measured
from utils.cli.console import say
from utils.cli.errors import Failure, UserError, run_script
from utils.cli.flags import parse_settings

# Width, layers of encoder and decoder, heads, mel bins, vocabulary.
SIZES = {
    "tiny": (384, 4, 4, 6, 80, 51865),
    "base": (512, 6, 6, 8, 80, 51865),
    "small": (768, 12, 12, 12, 80, 51865),
    "medium": (1024, 24, 24, 16, 80, 51865),
    "large-v2": (1280, 32, 32, 20, 80, 51865),
    "large-v3": (1280, 32, 32, 20, 128, 51866),
    "turbo": (1280, 32, 4, 20, 128, 51866),
}
KINDS = ("lora", "full", "full_8bit")


@dataclass(frozen=True)
class MemorySettings:
    """What is measured."""

    sizes: tuple[str, ...] = ("tiny",)
    """Sizes of Whisper: tiny, base, small, medium, large-v2, large-v3, turbo."""
    kinds: tuple[str, ...] = KINDS
    """What is trained: lora, full, full_8bit (all weights, 8-bit Adam)."""
    windows: tuple[float, ...] = (5.0,)
    """Lengths of the windows, in seconds."""
    batch: int = 4
    """Utterances at once."""
    tokens: int = 32
    """Label tokens of each utterance."""
    steps: int = 3
    """Steps that are timed, after one that is not."""
    loss_chunk: int = 256
    """As of finetune.py; 0 holds the logits of the whole batch."""
    gradient_checkpointing: bool = False
    """As of finetune.py, without its auto."""
    output: str = "benchmarks/results/memory.json"
    """File for the measurements."""


@dataclass(frozen=True)
class Case:
    """One step that is measured."""

    size: str
    kind: str
    window: float
    batch: int
    tokens: int
    steps: int
    loss_chunk: int
    gradient_checkpointing: bool


def main(argv: Sequence[str] | None = None) -> None:
    """Measure each case, write the file, say the figures."""
    settings = parse_settings(MemorySettings, argv, prog="memory.py", description=__doc__ or "")
    for name, known in (("sizes", tuple(SIZES)), ("kinds", KINDS)):
        unknown = [value for value in getattr(settings, name) if value not in known]
        if unknown:
            raise UserError(f"--{name}: {unknown[0]!r} is none of {', '.join(known)}")
    os.chdir(REPOSITORY)
    cases = [
        Case(size, kind, window, settings.batch, settings.tokens, settings.steps,
             settings.loss_chunk, settings.gradient_checkpointing)
        for size in settings.sizes
        for kind in settings.kinds
        for window in settings.windows
    ]  # fmt: skip
    measured = []
    for case in cases:
        found = in_a_process(case)
        measured.append({**asdict(case), **found})
        say(
            f"{case.size:9} {case.kind:10} {case.batch} x {case.window:4.1f} s: "
            f"{found['peak_bytes'] / 1e9:6.2f} GB, {found['examples_per_second']:8.2f} examples/s, "
            f"utilisation {found['utilisation']:.1%}"
        )
    content = {"machine": machine(), "settings": vars(settings), "measurements": measured}
    write_measured(settings.output, content)


def in_a_process(case: Case) -> dict[str, Any]:
    """Measure a case in a fresh Python.

    Raises:
        Failure: if it ends without an answer, as when memory runs out.
    """
    code = "import sys, json; from benchmarks.memory import Case, measure; " + (
        "print(json.dumps(measure(Case(**json.loads(sys.argv[1])))))"
    )
    command = [sys.executable, "-c", code, json.dumps(asdict(case))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["killed, probably for its memory"])[-1]
        raise Failure(f"{case}: {last}", "Measure a smaller size, batch or window.")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(case: Case) -> dict[str, Any]:
    """Peak memory, every step's seconds, speed and utilisation of one case."""
    import torch

    from utils.audio.features import SAMPLE_RATE, window_frames
    from utils.model.activations import checkpoint_activations
    from utils.model.distributed import device_of_this_process
    from utils.model.flops import BatchShape, peak_flops, training_flops
    from utils.model.precision import choose_precision
    from utils.training.memory.probe import held_memory, peak_memory
    from utils.training.profile import DTYPES

    device, precision = device_of_this_process(), choose_precision(None, None)
    start = held_memory(device)
    model, whisper = build(case)
    model.to(device).train()
    checkpoint_activations(model, case.gradient_checkpointing)
    optimizer = make_optimizer(model, case.kind)
    frames = window_frames(round(case.window * SAMPLE_RATE))
    features = torch.randn(case.batch, whisper.config.num_mel_bins, frames, device=device)
    ids = torch.randint(50_000, (case.batch, case.tokens), device=device)
    dtype = DTYPES[precision.name]

    def step() -> float:
        began = time.perf_counter()
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            out = model(
                input_features=features,
                decoder_input_ids=ids,
                loss_labels=ids,
                loss_chunk=case.loss_chunk,
            )
        (out.token_loss_sum / ids.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    with peak_memory(device) as peak:
        step()
        seconds = [step() for _ in range(case.steps)]
    fastest = sorted(seconds)[len(seconds) // 2]
    shape = BatchShape(case.batch, frames, whisper.positions(frames), case.tokens, ids.numel())
    flops = training_flops(whisper, shape)
    return {
        "peak_bytes": peak[0] - start,
        "seconds": seconds,
        "examples_per_second": case.batch / fastest,
        "audio_seconds_per_second": case.batch * case.window / fastest,
        "utilisation": flops / fastest / peak_flops(device, dtype)[0],
        "precision": precision.name,
    }


def build(case: Case) -> tuple[Any, Any]:
    """The model to train and the Whisper in it, with random weights."""
    from transformers import WhisperConfig

    from utils.model.adapters.attach import AdapterPlan, attach_adapter
    from utils.model.audio_context.encoder import FlexibleWhisper

    width, encoder, decoder, heads, bins, vocabulary = SIZES[case.size]
    config = WhisperConfig(
        d_model=width,
        encoder_layers=encoder,
        decoder_layers=decoder,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        num_mel_bins=bins,
        vocab_size=vocabulary,
    )
    whisper = FlexibleWhisper(config)
    if case.kind == "lora":
        return attach_adapter(whisper, AdapterPlan(), case.size), whisper
    return whisper, whisper


def make_optimizer(model: Any, kind: str) -> Any:
    """AdamW over what is trained: fused, or bitsandbytes' with 8-bit averages."""
    import torch

    trained = [p for p in model.parameters() if p.requires_grad]
    if kind == "full_8bit":
        import bitsandbytes

        return bitsandbytes.optim.AdamW8bit(trained, lr=1e-5)
    return torch.optim.AdamW(trained, lr=1e-5, fused=True)


if __name__ == "__main__":
    sys.exit(run_script(main))
