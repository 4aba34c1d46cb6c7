"""The engine for folders of ONNX graphs, as `convert.py --format=onnx`, optimum and transformers.js
lay them out, computed by onnxruntime.

Only the two graphs are the library's; search, timestamps and sampling are those of transformers'
models.

B batch, T tokens, M mel bins, F frames, P encoder positions, D width, H heads, K = D / H, V
vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig, WhisperConfig

from utils.audio.features import WINDOW_FRAMES
from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.model.load import load_processor
from utils.model.loaded import LoadedModel
from utils.transcription.engines.registry import DEFAULT_COMPUTE, Alignment, Compute
from utils.transcription.engines.transformers import EncoderStates, TransformersEngine

ENCODER, DECODER = "encoder_model", "decoder_model_merged"
FIRST, LATER = "decoder_model", "decoder_with_past_model"
"""Two decoders in place of one merged, as optimum writes them by default."""
ENDINGS = ("", "_fp16", "_quantized", "_int8", "_uint8", "_q4", "_q4f16", "_bnb4")
"""Of the files' names, by form of weights, as transformers.js has them."""
SMALL_ENDINGS = ("_quantized", "_int8", "_uint8")
_NUMBERS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def open_engine(
    path: str, local_files_only: bool = False, compute: Compute = DEFAULT_COMPUTE
) -> OnnxEngine:
    """Load a folder.

    Raises:
        UserError: onnxruntime is not installed, or a file is damaged or missing.
    """
    del local_files_only  # graphs are always a folder's
    expect_installed("onnxruntime", path)
    folder = Path(path)
    graphs = graphs_of(folder, compute)
    try:
        config = WhisperConfig.from_pretrained(folder)
        processor = load_processor(str(folder))
        known = GenerationConfig.from_pretrained(folder)
        whisper = OnnxWhisper(config, known, _sessions(graphs, compute))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):  # its errors have no common class
            raise _unreadable(path, error) from error
        raise
    return OnnxEngine(LoadedModel(whisper, processor, path, path))


def _unreadable(path: str, error: Exception) -> UserError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return UserError(
        f"{path} could not be loaded as an ONNX model: {reason}",
        "Convert it again: python convert.py --format=onnx --model_path=<model>",
    )


def graphs_of(folder: Path, compute: Compute = DEFAULT_COMPUTE) -> dict[str, Path]:
    """The files of a folder that are to be computed, by the names of their graphs.

    Args:
        folder: with the files, or with a folder `onnx` of them.
        compute: whether weights of 8 bits are preferred.

    Raises:
        UserError: the encoder or the decoder is missing.
    """
    endings = (*SMALL_ENDINGS, *ENDINGS) if compute.int8 else ENDINGS

    def found(name: str) -> Path | None:
        places = (
            place / f"{name}{end}.onnx" for end in endings for place in (folder / "onnx", folder)
        )
        return next((place for place in places if place.is_file()), None)

    files = {name: path for name in (ENCODER, DECODER) if (path := found(name)) is not None}
    if DECODER not in files:
        pair = {name: path for name in (FIRST, LATER) if (path := found(name)) is not None}
        files |= pair if len(pair) == 2 else {}
    if ENCODER not in files or len(files) < 2:
        lacking = f"{ENCODER}.onnx" if ENCODER not in files else f"{DECODER}.onnx"
        raise UserError(
            f"the ONNX folder {folder} lacks {lacking}",
            "Convert the model again: python convert.py --format=onnx --model_path=<model>",
        )
    return files


def _sessions(graphs: Mapping[str, Path], compute: Compute) -> dict[str, Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    wanted = ["CPUExecutionProvider"]
    if compute.device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        wanted.insert(0, "CUDAExecutionProvider")
    return {
        name: onnxruntime.InferenceSession(str(path), options, providers=wanted)
        for name, path in graphs.items()
    }


class OnnxCache:
    """Keys and values so far, float `(B, H, ., K)` by the names of the decoder's inputs."""

    def __init__(self) -> None:
        self.past: dict[str, np.ndarray] = {}

    def batch_select_indices(self, rows: torch.Tensor) -> None:
        """Keep some rows of the batch."""
        chosen = rows.numpy()
        self.past = {name: values[chosen] for name, values in self.past.items()}


class OnnxWhisper:
    """Two or three graphs with the parts of a Whisper that decoding asks for.

    Args:
        config: of the model.
        generation_config: of the model.
        sessions: of onnxruntime, by the names of the graphs.
    """

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(
        self, config: WhisperConfig, generation_config: Any, sessions: Mapping[str, Any]
    ) -> None:
        self.config = config
        self.generation_config = generation_config
        self.encoder = sessions[ENCODER]
        self.first = sessions.get(DECODER) or sessions[FIRST]
        self.later = sessions.get(DECODER) or sessions[LATER]

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        """Float32 `(B, M, F)` to `(B, P, D)`."""
        (given,) = self.encoder.get_inputs()
        array = np.ascontiguousarray(features.numpy().astype(_NUMBERS[given.type]))
        return torch.from_numpy(self.encoder.run(None, {given.name: array})[0]).float()

    def decoder_states(
        self,
        tokens: torch.Tensor,
        states: torch.Tensor,
        cache: OnnxCache | None = None,
        merge_stride: int = 0,
    ) -> torch.Tensor:
        """Logits float32 `(B, T, V)` of the next tokens; arguments as of `FlexibleWhisper`."""
        del merge_stride
        cache = OnnxCache() if cache is None else cache
        is_first = not cache.past
        session = self.first if is_first else self.later
        inputs = {each.name: each.type for each in session.get_inputs()}
        given: dict[str, Any] = {"input_ids": tokens.numpy()}
        if "encoder_hidden_states" in inputs:
            number = _NUMBERS[inputs["encoder_hidden_states"]]
            given["encoder_hidden_states"] = states.numpy().astype(number)
        if "use_cache_branch" in inputs:
            given["use_cache_branch"] = np.array([not is_first])
        heads = self.config.decoder_attention_heads
        nothing = np.zeros((len(tokens), heads, 0, self.config.d_model // heads), np.float32)
        for name, kind in inputs.items():
            if name.startswith("past_"):
                given[name] = cache.past.get(name, nothing).astype(_NUMBERS[kind], copy=False)
        names = [each.name for each in session.get_outputs()]
        found = dict(zip(names, session.run(None, given), strict=True))
        for name, values in found.items():
            past = name.replace("present", "past_key_values")
            # Of the sound they are computed once; merged decoders give none of them later.
            if name.startswith("present") and (is_first or ".encoder." not in name):
                cache.past[past] = values
        return torch.from_numpy(found["logits"]).float()

    def proj_out(self, logits: torch.Tensor) -> torch.Tensor:
        """Nothing: the graphs end with the projection to the vocabulary."""
        return logits


class OnnxEngine(TransformersEngine):
    """An `Engine` over ONNX graphs, which take windows of 30 s and search greedily.

    Args:
        loaded: holds an `OnnxWhisper`.
    """

    thins = False
    has_beams = False

    def new_cache(self) -> Any:
        """See `TransformersEngine`."""
        return OnnxCache()

    def encode(self, features: torch.Tensor, merge_stride: int = 0) -> EncoderStates:
        """See `Engine`.

        Raises:
            UserError: the window is not one of 30 s.
        """
        if features.shape[-1] != WINDOW_FRAMES or merge_stride:
            raise UserError(
                f"{self.path}: ONNX models take windows of 30 s",
                "Leave --audio_context out, or take the model that it was converted from.",
            )
        whisper: Any = self.whisper
        return EncoderStates(torch.cat([whisper.encode(part) for part in features.split(1)]))

    def align(
        self,
        states: EncoderStates,
        prompt: Sequence[int],
        texts: Sequence[Sequence[int]],
        frames: int,
    ) -> list[Alignment]:
        """Say that the graphs give no attention.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"{self.path}: ONNX models do not tell when words are spoken; their graphs give no "
            "attention",
            "Leave --word_timestamps out, or take the model that it was converted from.",
        )

    def synchronize(self) -> None:
        """See `Engine`: onnxruntime's calls return when they are done."""

    def describe(self) -> dict[str, Any]:
        """See `Engine`."""
        import onnxruntime

        return {"engine": f"onnxruntime {onnxruntime.__version__}", "precision": "of the files"}
