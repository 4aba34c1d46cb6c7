"""How much arithmetic a training step takes, and how much a device could do.

A product of an (a, b) and a (b, c) matrix is 2abc operations. Counted are the matrix products and
convolutions alone, attention over all pairs of positions included; what is computed a second time
(activation checkpointing) is not counted, as usual for the utilisation of a model (PaLM,
arXiv 2204.02311, appendix B).

B examples, M mel bins, F frames, P = F / 2 encoder positions, T tokens, N tokens that count,
D model width, W feed-forward width, V vocabulary.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch

from utils.model.activations import is_frozen

# Dense bf16 products per second, from the makers' data sheets, by a part of the name; the first
# that fits counts, so the longer names come first.
BF16_PEAKS = (
    ("B200", 2250e12),
    ("H200", 989e12),
    ("H100 PCIe", 756e12),
    ("H100", 989e12),
    ("A100", 312e12),
    ("A800", 312e12),
    ("L40S", 362e12),
    ("L40", 181e12),
    ("L4", 121e12),
    ("A40", 150e12),
    ("A30", 165e12),
    ("A10", 125e12),
    ("RTX 5090", 209e12),
    ("RTX 4090", 165e12),
    ("RTX 3090", 71e12),
)


@dataclass(frozen=True)
class BatchShape:
    """Sizes of a micro-batch.

    Attributes:
        examples: B.
        frames: F.
        positions: P that the encoder computes of them, `FlexibleWhisper.positions`.
        tokens: T, padding included.
        counted: N, over all examples.
    """

    examples: int
    frames: int
    positions: int
    tokens: int
    counted: int


def forward_flops(config: Any, shape: BatchShape) -> dict[str, int]:
    """Operations of the forward pass of encoder, decoder and loss.

    Encoder: 6MDF + 3D²F for the convolutions (kernel 3) and, in each layer, 8PD² for the four
    projections, 4P²D for the attention and 4PDW for the feed-forward part. Decoder, each layer:
    8TD² + 4T²D on itself, 4TD² + 4PD² + 4TPD on the encoder, 4TDW. Loss: 2NDV.
    """
    width, positions, tokens = config.d_model, shape.positions, shape.tokens
    convolutions = 6 * config.num_mel_bins * width * shape.frames + 3 * width**2 * shape.frames
    encoder_layer = (
        8 * positions * width**2
        + 4 * positions**2 * width
        + 4 * positions * width * config.encoder_ffn_dim
    )
    decoder_layer = (
        8 * tokens * width**2
        + 4 * tokens**2 * width
        + 4 * (tokens + positions) * width**2
        + 4 * tokens * positions * width
        + 4 * tokens * width * config.decoder_ffn_dim
    )
    return {
        "encoder": shape.examples * (convolutions + config.encoder_layers * encoder_layer),
        "decoder": shape.examples * config.decoder_layers * decoder_layer,
        "loss": 2 * shape.counted * width * config.vocab_size,
    }


def training_flops(whisper: Any, shape: BatchShape) -> int:
    """Operations of a forward and a backward pass.

    The backward pass takes one more product of each size for the gradient of the input, and one for
    that of the weight: three times the forward pass where all weights are trained, twice where
    they are frozen (adapters; their own few operations are left out), once in an encoder that has
    nothing to train. Nobody asks for the gradient of the features (6MDF), nor for that of a frozen
    encoder's states (4PD² a decoder layer).

    Args:
        whisper: FlexibleWhisper, adapters attached or not.
        shape: of the micro-batch.
    """
    forward = forward_flops(whisper.config, shape)
    encoder = whisper.model.encoder
    parts = {
        "encoder": encoder.layers,
        "decoder": whisper.model.decoder.layers,
        "loss": whisper.proj_out,
    }
    total = sum(
        forward[name] * (3 if _all_trained(module) else 2) for name, module in parts.items()
    )
    config, width = whisper.config, whisper.config.d_model
    if is_frozen(encoder):
        unasked = config.decoder_layers * 4 * shape.positions * width**2
        return total - forward["encoder"] - shape.examples * unasked
    return total - shape.examples * 6 * config.num_mel_bins * width * shape.frames


def _all_trained(module: Any) -> bool:
    return all(parameter.requires_grad for parameter in module.parameters())


def peak_flops(device: torch.device, dtype: torch.dtype) -> tuple[float, str]:
    """Operations that a device can do in a second, and where the number is from.

    Args:
        device: GPU or CPU.
        dtype: of the products; known by name for half precision on common GPUs, else measured.
    """
    if device.type == "cuda" and dtype in (torch.bfloat16, torch.float16):
        name = torch.cuda.get_device_name(device)
        for part, peak in BF16_PEAKS:
            if part in name:
                return peak, f"data sheet of {part}"
    return measured_flops(device, dtype), "measured by a matrix product"


def measured_flops(device: torch.device, dtype: torch.dtype, size: int = 1024) -> float:
    """Operations a second of the fastest of a few square matrix products."""
    factor = torch.randn(size, size, device=device).to(dtype)
    fastest = float("inf")
    for _ in range(6):
        _wait(device)
        began = time.perf_counter()
        factor @ factor
        _wait(device)
        fastest = min(fastest, time.perf_counter() - began)
    return 2 * size**3 / fastest


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
