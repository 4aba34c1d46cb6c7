"""The two halves of a Whisper as ONNX graphs, with the names that transformers.js asks for.

One decoder serves the first step and the later ones. It takes what was computed before as inputs,
of no length at first. Keys and values of the sound are computed for as many of the encoder's
positions as are not among these: for all at first, for none later.

B batch, M mel bins, F frames, P encoder positions, T tokens, D width, H heads, K = D / H, V
vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto

from utils.export.onnx_graph import Graph

FAR = np.iinfo(np.int64).max
HIDDEN_SCORE = -1e9  # of a token that comes later


def encoder_graph(whisper: Any, quantization: str) -> Graph:
    """`input_features (B, M, F)` to `last_hidden_state (B, P, D)`.

    Args:
        whisper: FlexibleWhisper.
        quantization: as of `Graph`.
    """
    config = whisper.config
    graph = Graph("encoder", quantization)
    frames = 2 * config.max_source_positions
    x = graph.takes("input_features", ["batch_size", config.num_mel_bins, frames])
    graph.op("Identity", encode(graph, whisper, x), name="last_hidden_state")
    positions = config.max_source_positions
    graph.gives("last_hidden_state", ["batch_size", positions, config.d_model])
    return graph


def encode(graph: Graph, whisper: Any, x: str, *, cut: bool = False) -> str:
    """Features `(B, M, F)` to states `(B, P, D)`.

    Args:
        graph: of an encoder.
        whisper: FlexibleWhisper.
        x: the features.
        cut: whether F may be fewer than 30 s.
    """
    encoder = whisper.model.encoder
    places = graph.weight("positions", array(encoder.embed_positions.weight))
    for name, layer in (("conv1", encoder.conv1), ("conv2", encoder.conv2)):
        weight = graph.weight(f"{name}.weight", array(layer.weight))
        bias = graph.weight(f"{name}.bias", array(layer.bias))
        stride = list(layer.stride)
        x = graph.gelu(graph.op("Conv", x, weight, bias, pads=[1, 1], strides=stride))
    x = graph.op("Transpose", x, perm=[0, 2, 1])
    if cut:
        places = graph.op("Slice", places, graph.constant([0]), graph.dimension(x, 1))
    x = graph.op("Add", x, places)
    for number, layer in enumerate(encoder.layers):
        name = f"layers.{number}"
        attended = graph.norm(x, f"{name}.attention_norm", layer.self_attn_layer_norm)
        heads = Heads(graph, f"{name}.attention", layer.self_attn)
        keys, values = heads.keys_values(attended)
        x = graph.op("Add", x, heads.attend(attended, keys, values))
        x = feed_forward(graph, x, name, layer)
    return graph.norm(x, "norm", encoder.layer_norm)


def decoder_graph(whisper: Any, quantization: str) -> Graph:
    """`input_ids (B, T)` and `encoder_hidden_states (B, P, D)` to `logits (B, T, V)`.

    Each layer takes `past_key_values.<n>.{decoder,encoder}.{key,value} (B, H, ., K)` and gives
    `present.<n>....` of the same form.

    Args:
        whisper: FlexibleWhisper.
        quantization: as of `Graph`.
    """
    config, decoder = whisper.config, whisper.model.decoder
    graph = Graph("decoder", quantization)
    ids = graph.takes("input_ids", ["batch_size", "length"], TensorProto.INT64)
    states = graph.takes("encoder_hidden_states", ["batch_size", "positions", config.d_model])
    cache = _Cache(graph, config, graph.dimension(ids, 0))
    begin = graph.dimension(cache.take(0, "decoder", "key"), 2)
    end = graph.op("Add", begin, graph.dimension(ids, 1))
    table = graph.table("tokens", array(decoder.embed_tokens.weight))
    places = graph.weight("positions", array(decoder.embed_positions.weight))
    placed = graph.op("Slice", places, begin, end, graph.constant([0]))
    x = graph.op("Add", graph.rows(table, ids), placed)
    known = graph.dimension(cache.take(0, "encoder", "key"), 2)
    unseen = graph.op("Slice", states, known, graph.constant([FAR]), graph.constant([1]))
    mask = causal_mask(graph, begin, end)
    for number, layer in enumerate(decoder.layers):
        name = f"layers.{number}"
        parts = (
            ("decoder", layer.self_attn, layer.self_attn_layer_norm),
            ("encoder", layer.encoder_attn, layer.encoder_attn_layer_norm),
        )
        for part, attention, norm in parts:
            attended = graph.norm(x, f"{name}.{part}_norm", norm)
            heads = Heads(graph, f"{name}.{part}_attention", attention)
            new = heads.keys_values(attended if part == "decoder" else unseen)
            keys, values = cache.extend(number, part, new)
            hidden = mask if part == "decoder" else None
            x = graph.op("Add", x, heads.attend(attended, keys, values, hidden))
        x = feed_forward(graph, x, name, layer)
    x = graph.norm(x, "norm", decoder.layer_norm)
    tied = whisper.proj_out.weight.data_ptr() == decoder.embed_tokens.weight.data_ptr()
    if not tied:
        table = graph.table("projection", array(whisper.proj_out.weight))
    graph.op("Identity", graph.project(x, table), name="logits")
    graph.gives("logits", ["batch_size", "length", config.vocab_size])
    cache.declare_outputs()
    return graph


class _Cache:
    """Keys and values of earlier steps."""

    def __init__(self, graph: Graph, config: Any, batch: str) -> None:
        self.graph, self.config, self.batch = graph, config, batch
        heads, width = config.decoder_attention_heads, config.d_model
        self.heads, self.head_width = heads, width // heads
        self.taken: dict[str, str] = {}
        for number in range(config.decoder_layers):
            for part in ("decoder", "encoder"):
                for kind in ("key", "value"):
                    shape = ["batch_size", heads, f"past_{part}", self.head_width]
                    graph.takes(f"past_key_values.{number}.{part}.{kind}", shape)

    def take(self, number: int, part: str, kind: str) -> str:
        """An input; one of no length may come with no batch either, as transformers.js has it."""
        name = f"past_key_values.{number}.{part}.{kind}"
        if name not in self.taken:
            graph = self.graph
            sizes = [self.batch, graph.constant([self.heads]), graph.dimension(name, 2)]
            sizes.append(graph.constant([self.head_width]))
            shape = graph.op("Concat", *sizes, axis=0)
            self.taken[name] = graph.op("Reshape", name, shape, allowzero=1)
        return self.taken[name]

    def extend(self, number: int, part: str, new: tuple[str, str]) -> list[str]:
        """Keys and values of earlier steps with the new ones behind them."""
        kinds = ("key", "value")
        return [
            self.graph.op(
                "Concat",
                self.take(number, part, kind),
                added,
                name=f"present.{number}.{part}.{kind}",
                axis=2,
            )
            for kind, added in zip(kinds, new, strict=True)
        ]

    def declare_outputs(self) -> None:
        for number in range(self.config.decoder_layers):
            for part in ("decoder", "encoder"):
                for kind in ("key", "value"):
                    shape = ["batch_size", self.heads, f"present_{part}", self.head_width]
                    self.graph.gives(f"present.{number}.{part}.{kind}", shape)


class Heads:
    """One layer's attention."""

    def __init__(self, graph: Graph, name: str, layer: Any) -> None:
        self.graph, self.name, self.layer = graph, name, layer

    def project(self, x: str, part: str) -> str:
        """`(B, T, D)` to `(B, T, D)`, by the layer's `q_proj`, `k_proj`, `v_proj` or `out_proj`."""
        module = getattr(self.layer, part)
        bias = None if module.bias is None else array(module.bias)
        return self.graph.linear(x, f"{self.name}.{part}", array(module.weight), bias)

    def split(self, x: str) -> str:
        """`(B, T, D)` to `(B, H, T, K)`."""
        sizes = [0, 0, self.layer.num_heads, self.layer.head_dim]  # 0: as it is
        parted = self.graph.op("Reshape", x, self.graph.constant(sizes))
        return self.graph.op("Transpose", parted, perm=[0, 2, 1, 3])

    def keys_values(self, x: str) -> tuple[str, str]:
        """Both `(B, H, T, K)`."""
        return self.split(self.project(x, "k_proj")), self.split(self.project(x, "v_proj"))

    def attend(self, x: str, keys: str, values: str, mask: str | None = None) -> str:
        """What `x (B, T, D)` takes from keys and values; the mask is added to the scores."""
        graph = self.graph
        scale = graph.constant(self.layer.head_dim**-0.5, np.float32)
        queries = self.split(graph.op("Mul", self.project(x, "q_proj"), scale))
        scores = graph.op("MatMul", queries, graph.op("Transpose", keys, perm=[0, 1, 3, 2]))
        if mask is not None:
            scores = graph.op("Add", scores, mask)
        mixed = graph.op("MatMul", graph.op("Softmax", scores, axis=-1), values)
        turned = graph.op("Transpose", mixed, perm=[0, 2, 1, 3])
        width = self.layer.num_heads * self.layer.head_dim
        joined = graph.op("Reshape", turned, graph.constant([0, 0, width]))
        return self.project(joined, "out_proj")


def feed_forward(graph: Graph, x: str, name: str, layer: Any) -> str:
    """A layer's second half, `(B, T, D)` to `(B, T, D)`."""
    inner = graph.norm(x, f"{name}.final_norm", layer.final_layer_norm)
    inner = graph.linear(inner, f"{name}.fc1", array(layer.fc1.weight), array(layer.fc1.bias))
    inner = graph.gelu(inner)
    inner = graph.linear(inner, f"{name}.fc2", array(layer.fc2.weight), array(layer.fc2.bias))
    return graph.op("Add", x, inner)


def causal_mask(graph: Graph, begin: str, end: str) -> str:
    """float32 `(T, past + T)`: what is added to the scores."""
    scalar = graph.constant([], np.int64)
    zero, one = graph.constant(0), graph.constant(1)
    first, last = (graph.op("Reshape", value, scalar) for value in (begin, end))
    rows = graph.op("Unsqueeze", graph.op("Range", first, last, one), graph.constant([1]))
    later = graph.op("Greater", graph.op("Range", zero, last, one), rows)
    hidden, seen = graph.constant(HIDDEN_SCORE, np.float32), graph.constant(0.0, np.float32)
    return graph.op("Where", later, hidden, seen)


def array(weights: Any) -> np.ndarray:
    """A tensor's values in float32."""
    values: np.ndarray = weights.detach().float().numpy()
    return values
