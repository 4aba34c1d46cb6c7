"""The two halves of a Whisper as ONNX graphs, with the names and shapes that sherpa-onnx asks for.

The encoder gives the keys and values of the sound, for every layer of the decoder. The decoder's
own are kept in tables of full length, of which the first `offset` rows are filled. What the model
never says is suppressed within the graph: the program has no list of it.

B batch, M mel bins, F frames, P encoder positions, L decoder layers, C decoder positions, T tokens,
D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto

from utils.export.onnx_graph import Graph
from utils.export.onnx_whisper import (
    FAR,
    HIDDEN_SCORE,
    Heads,
    array,
    causal_mask,
    encode,
    feed_forward,
)

KINDS = ("k", "v")


def encoder_graph(whisper: Any, quantization: str) -> Graph:
    """`mel (B, M, F)` to `n_layer_cross_k` and `n_layer_cross_v`, both `(L, B, P, D)`.

    Args:
        whisper: FlexibleWhisper.
        quantization: as of `Graph`.
    """
    config = whisper.config
    graph = Graph("encoder", quantization)
    x = graph.takes("mel", ["n_audio", config.num_mel_bins, "frames"])
    states = encode(graph, whisper, x, cut=True)
    for kind in KINDS:
        layers = [
            Heads(graph, f"decoder.{number}.encoder_attention", layer.encoder_attn).project(
                states, f"{kind}_proj"
            )
            for number, layer in enumerate(whisper.model.decoder.layers)
        ]
        name = f"n_layer_cross_{kind}"
        _stack(graph, layers, name)
        graph.gives(name, [config.decoder_layers, "n_audio", "positions", config.d_model])
    return graph


def decoder_graph(
    whisper: Any, quantization: str, suppressed: Sequence[int], suppressed_first: Sequence[int]
) -> Graph:
    """`tokens (B, T)` behind `offset` others to `logits (B, T, V)`.

    Args:
        whisper: FlexibleWhisper.
        quantization: as of `Graph`.
        suppressed: ids that are never generated.
        suppressed_first: ids that are not generated first, at an offset of 0.
    """
    config, decoder = whisper.config, whisper.model.decoder
    graph = Graph("decoder", quantization)
    table_shape = [config.decoder_layers, "n_audio", config.max_target_positions, config.d_model]
    tokens = graph.takes("tokens", ["n_audio", "n_tokens"], TensorProto.INT64)
    kept = [graph.takes(f"in_n_layer_self_{kind}_cache", table_shape) for kind in KINDS]
    cross_shape = [config.decoder_layers, "n_audio", "positions", config.d_model]
    cross = [graph.takes(f"n_layer_cross_{kind}", cross_shape) for kind in KINDS]
    offset = graph.takes("offset", [1], TensorProto.INT64)
    end = graph.op("Add", offset, graph.dimension(tokens, 1))
    table = graph.table("embedding", array(decoder.embed_tokens.weight))
    places = graph.weight("positions", array(decoder.embed_positions.weight))
    placed = graph.op("Slice", places, offset, end, graph.constant([0]))
    x = graph.op("Add", graph.rows(table, tokens), placed)
    mask = causal_mask(graph, offset, end)
    filled: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for number, layer in enumerate(decoder.layers):
        name = f"layers.{number}"
        attended = graph.norm(x, f"{name}.decoder_norm", layer.self_attn_layer_norm)
        heads = Heads(graph, f"{name}.decoder_attention", layer.self_attn)
        seen = []
        for kind, cache in zip(KINDS, kept, strict=True):
            new = heads.project(attended, f"{kind}_proj")
            rows, whole = _fill(graph, _layer(graph, cache, number), new, offset, end)
            filled[kind].append(whole)
            seen.append(heads.split(rows))
        x = graph.op("Add", x, heads.attend(attended, seen[0], seen[1], mask))
        attended = graph.norm(x, f"{name}.encoder_norm", layer.encoder_attn_layer_norm)
        heads = Heads(graph, f"{name}.encoder_attention", layer.encoder_attn)
        sound = [heads.split(_layer(graph, each, number)) for each in cross]
        x = graph.op("Add", x, heads.attend(attended, sound[0], sound[1]))
        x = feed_forward(graph, x, name, layer)
    x = graph.norm(x, "norm", decoder.layer_norm)
    if whisper.proj_out.weight.data_ptr() != decoder.embed_tokens.weight.data_ptr():
        table = graph.table("projection", array(whisper.proj_out.weight))
    logits = graph.project(x, table)
    bias = _suppression(graph, config.vocab_size, offset, suppressed, suppressed_first)
    graph.op("Add", logits, bias, name="logits")
    graph.gives("logits", ["n_audio", "n_tokens", config.vocab_size])
    for kind in KINDS:
        name = f"out_n_layer_self_{kind}_cache"
        _stack(graph, filled[kind], name)
        graph.gives(name, table_shape)
    return graph


def _layer(graph: Graph, stacked: str, number: int) -> str:
    """One layer's `(B, ., D)` of `(L, B, ., D)`."""
    return graph.op("Gather", stacked, graph.constant(number), axis=0)


def _fill(graph: Graph, cache: str, new: str, offset: str, end: str) -> tuple[str, str]:
    """New rows behind those that are there: what is filled `(B, offset + T, D)`, and all of it."""
    axis = graph.constant([1])
    before = graph.op("Slice", cache, graph.constant([0]), offset, axis)
    after = graph.op("Slice", cache, end, graph.constant([FAR]), axis)
    rows = graph.op("Concat", before, new, axis=1)
    return rows, graph.op("Concat", rows, after, axis=1)


def _stack(graph: Graph, layers: Sequence[str], name: str) -> str:
    """`(B, ., D)` of each layer to `(L, B, ., D)`."""
    first = graph.constant([0])
    return graph.op("Concat", *(graph.op("Unsqueeze", x, first) for x in layers), name=name, axis=0)


def _suppression(
    graph: Graph, size: int, offset: str, never: Sequence[int], first: Sequence[int]
) -> str:
    """What is added to the logits `(V,)`."""
    values = np.zeros(size, np.float32)
    values[list(never)] = HIDDEN_SCORE
    graph.weights["suppressed"] = values.copy()
    values[list(first)] = HIDDEN_SCORE
    graph.weights["suppressed_first"] = values
    begins = graph.op("Equal", offset, graph.constant([0]))
    return graph.op("Where", begins, "suppressed_first", "suppressed")
