"""A Whisper as a folder of ONNX graphs, laid out as transformers.js loads it.

`onnx/encoder_model*.onnx` and `onnx/decoder_model_merged*.onnx`, with the ending that transformers.js
has for each form of weights, and the model's settings and tokenizer beside the folder `onnx`.
"""  # noqa: E501 - names of files are not broken

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.export.checked import export_checked
from utils.export.parity import Answer, Parity, Question, Reader, room_after, suppressed_by
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel
from utils.model.side_files import save_side_files

FOLDER = "onnx"
ENCODER, DECODER = "encoder_model", "decoder_model_merged"
ENDINGS = {"float32": "", "float16": "_fp16", "int8": "_quantized"}
"""Of the files' names, by form of weights; transformers.js calls these fp32, fp16 and q8."""


def export(
    source: str,
    target: Path,
    quantization: str,
    clips: Sequence[Utterance],
    local_files_only: bool = False,
) -> Parity:
    """Convert a model and let onnxruntime transcribe clips with it; see `export_checked`."""
    expect_installed("onnx", "--format=onnx")
    expect_installed("onnxruntime", "--format=onnx")
    return export_checked(source, target, quantization, clips, write, read, local_files_only)


def write(loaded: LoadedModel, folder: Path, quantization: str) -> None:
    """Write both graphs, and what transformers.js asks for beside them.

    Args:
        loaded: a whole Whisper.
        folder: an existing one.
        quantization: a key of `ENDINGS`.

    Raises:
        UserError: the model computes something that the graphs do not.
    """
    from utils.export.onnx_whisper import decoder_graph, encoder_graph

    expect_gelu(loaded)
    ending = ENDINGS[quantization]
    graphs = {ENCODER: encoder_graph, DECODER: decoder_graph}
    for name, build in graphs.items():
        build(loaded.whisper, quantization).save(folder / FOLDER / f"{name}{ending}.onnx")
    loaded.whisper.config.save_pretrained(folder)
    save_side_files(loaded.processor, loaded.whisper.generation_config, folder)


def expect_gelu(loaded: LoadedModel) -> None:
    """See that a model computes what the graphs do.

    Raises:
        UserError: it has another activation, or scales its embedding.
    """
    config = loaded.whisper.config
    if config.activation_function != "gelu" or config.scale_embedding:
        raise UserError(
            f"the model has activation_function {config.activation_function!r} and "
            f"scale_embedding {config.scale_embedding}; ONNX export knows 'gelu' and False",
            "Use --format=ct2.",
        )


def read(loaded: LoadedModel, folder: Path, quantization: str) -> Reader:
    """Open what `write` wrote in the program that it is for."""
    return OnnxReader(loaded, folder, quantization)


class OnnxReader:
    """The folder in onnxruntime, decoded greedily; a `Reader`.

    Args:
        loaded: the original.
        folder: holds the files.
        quantization: which of them.
    """

    suppressed: Sequence[int]
    suppressed_first: Sequence[int]
    rows: Sequence[int] | None = None

    def __init__(self, loaded: LoadedModel, folder: Path, quantization: str) -> None:
        import onnxruntime as runtime

        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        self.encoder, self.decoder = (
            runtime.InferenceSession(
                str(folder / FOLDER / f"{name}{ENDINGS[quantization]}.onnx"),
                options,
                providers=["CPUExecutionProvider"],
            )
            for name in (ENCODER, DECODER)
        )
        config = loaded.whisper.config
        self.log_mel = loaded.log_mel
        self.end = loaded.label_encoder().end
        self.max_length = loaded.whisper.generation_config.max_length or config.max_target_positions
        self.suppressed, self.suppressed_first = suppressed_by(loaded)
        heads = config.decoder_attention_heads
        # No batch either: as transformers.js begins.
        self.nothing = np.zeros((0, heads, 0, config.d_model // heads), np.float32)
        self.past = [i.name for i in self.decoder.get_inputs() if i.name.startswith("past_")]

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """See `Reader`."""
        for question in questions:
            began = time.perf_counter()
            mel = self.log_mel(torch.from_numpy(question.samples)[None]).numpy()
            states = self.encoder.run(None, {"input_features": mel})[0]
            ids, logits = self._decode(states, question.prompt)
            yield Answer(tuple(ids), time.perf_counter() - began, np.stack(logits))

    def _decode(
        self, states: np.ndarray, prompt: Sequence[int]
    ) -> tuple[list[int], list[np.ndarray]]:
        """Likeliest ids, and logits `(V,)` of each and of end-of-text."""
        cache = dict.fromkeys(self.past, self.nothing)
        tokens, ids, rows = list(prompt), [], []
        for number in range(room_after(prompt, self.max_length)):
            given = {"input_ids": np.array([tokens]), "encoder_hidden_states": states, **cache}
            logits, *present = self.decoder.run(None, given)
            cache = dict(zip(self.past, present, strict=True))
            row = logits[0, -1]
            row[list(self.suppressed)] = -np.inf
            if number == 0:
                row[list(self.suppressed_first)] = -np.inf
            rows.append(row)
            best = int(row.argmax())
            if best == self.end:
                break
            ids.append(best)
            tokens = [best]
        return ids, rows
