"""What an engine must be able to do, and which there are.

An engine runs the two halves of a Whisper, whatever library holds the weights. All that is made
of its answers (batches, fallback, long recordings, segments, cache, cost) is the same for all.
A new engine is one file with a class like `TransformersEngine` and one row in `ENGINES`.

B batch, M mel bins, F frames, T tokens.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from utils.audio.features import LogMel
from utils.cli.errors import UserError
from utils.data.labels import LabelEncoder
from utils.model.audio_context.contexts import Windows
from utils.model.load import check_model_path
from utils.transcription.decoding import Decoding

ROW_BY_ROW_FRAMES = 1000
"""On a CPU, windows of so many frames are encoded one by one: the activations of a batch of them no
longer fit into its cache, which costs more than the batch saves."""

GGML_MAGIC = b"lmgg"
States = Any
"""The encoder's output for a batch, in the engine's own form; other code hands it back."""


@dataclass(frozen=True)
class Search:
    """How the decoder looks for an answer.

    Attributes:
        max_new_tokens: where an answer that does not end is cut off.
        num_beams: 1 is greedy search.
        timestamps: whether Whisper's rules for timestamps hold.
        temperature: 0 takes the likeliest token, above it samples.
        seed: of the sampling of a batch, for an engine that cannot draw for each row.
        seeds: of each row, so that what it says does not depend on the batch that it is in.
        confidence: whether log-probabilities and the probability of no speech are wanted.
        best_of: samples of which the likeliest is taken, at a temperature above 0.
        patience: how many times `num_beams` answers are finished; None: once.
        length_penalty: exponent of an answer's length; None: the library's own.
        suppressed: ids that are never generated; None: those of the model's settings.
        stop_loops: whether an answer that is caught in a loop may be cut off there; an engine that
            cannot goes on to `max_new_tokens`.
    """

    max_new_tokens: int
    num_beams: int = 1
    timestamps: bool = False
    temperature: float = 0.0
    seed: int = 0
    seeds: tuple[int, ...] = ()
    confidence: bool = False
    best_of: int = 1
    patience: float | None = None
    length_penalty: float | None = None
    suppressed: tuple[int, ...] | None = None
    stop_loops: bool = False


@dataclass(frozen=True)
class DecodingResult:
    """One row's answer.

    Attributes:
        ids: new token ids, without end-of-text and what follows it.
        mean_logprob: nats a token, end-of-text counted; 0 where it was not asked for.
        no_speech: probability that nothing is said; 0 where it was not asked for.
        temperature: that it was found at.
    """

    ids: tuple[int, ...]
    mean_logprob: float = 0.0
    no_speech: float = 0.0
    temperature: float = 0.0


@dataclass(frozen=True)
class Alignment:
    """When the tokens of a text are spoken.

    Attributes:
        starts: seconds from the window's start, one for each token and one for the end of all.
        probabilities: of each token.
    """

    starts: tuple[float, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Compute:
    """Where and how an engine computes.

    Attributes:
        device: "cpu", "cuda", "cuda:1", "mps"; None takes this process's GPU if there is one.
        fp16: half precision, on a GPU.
        int8: linear weights in 8 bits.
    """

    device: str | None = None
    fp16: bool = False
    int8: bool = False


DEFAULT_COMPUTE = Compute()


class Engine(Protocol):
    """A loaded Whisper that turns features into token ids.

    Attributes:
        path: what the user named.
        multilingual: False for `.en` models.
        max_positions: most tokens the decoder takes, prompt included.
        max_length: most tokens its generation settings want, prompt included.
        trained_context: one of AUDIO_CONTEXTS; see `Decoding.audio_context`.
        thins: whether it can compute thinned windows.
        context_margin: seconds of silence after the longest clip of a variable-length window.
        num_mel_bins: mel bins that the encoder takes.
        log_mel: features as its feature extractor makes them.
    """

    path: str
    multilingual: bool
    max_positions: int
    max_length: int
    trained_context: str
    thins: bool
    context_margin: float
    num_mel_bins: int
    log_mel: LogMel

    def label_encoder(self, language: str | None, task: str) -> LabelEncoder:
        """Text to ids and back, with these defaults for utterances that state none."""

    def encode(self, features: torch.Tensor, merge_stride: int = 0) -> States:
        """Run the encoder on float32 features `(B, M, F)`, F even; thinned if given a stride."""

    def select(self, states: States, rows: Sequence[int]) -> States:
        """Some rows of a batch."""

    def detect_languages(self, states: States) -> list[str]:
        """The likeliest language code of each row."""

    def generate(
        self, states: States, prompts: torch.Tensor, search: Search
    ) -> list[DecodingResult]:
        """Answer prompts int64 `(B, T)`, one of equal length for each row."""

    def align(
        self, states: States, prompt: Sequence[int], texts: Sequence[Sequence[int]], frames: int
    ) -> list[Alignment]:
        """When the tokens of each row's text are spoken.

        Args:
            states: of a batch.
            prompt: start token, language and task, without the token for no timestamps.
            texts: for each row text ids, at least one.
            frames: how much of the windows is sound, at least two.
        """

    def synchronize(self) -> None:
        """Wait until the device has done what it was given, so that a clock may be read."""

    def describe(self) -> dict[str, Any]:
        """The engine's name, its library's version, and the precision it computes in."""


def windows_of(engine: Engine, decoding: Decoding) -> Windows:
    """The windows that an engine's model hears."""
    return decoding.windows(engine.trained_context, engine.context_margin, thins=engine.thins)


@dataclass(frozen=True)
class EngineKind:
    """A row of `ENGINES`.

    Attributes:
        module: holds a function `open_engine(path, local_files_only, compute) -> Engine`.
        recognises: whether a folder or hub name is for this engine.
        check: raises a UserError for a model that is missing or incomplete.
        aligns: whether it finds when words are spoken.
    """

    module: str
    recognises: Callable[[str], bool]
    check: Callable[[str], Any]
    aligns: bool = True

    def open(
        self, path: str, *, local_files_only: bool = False, compute: Compute = DEFAULT_COMPUTE
    ) -> Engine:
        """Load a model.

        Raises:
            UserError: it cannot be loaded, or its library is not installed.
        """
        module = importlib.import_module(self.module)
        engine: Engine = module.open_engine(path, local_files_only, compute)
        return engine


def is_ctranslate2_folder(path: str) -> bool:
    """Whether a folder holds a converted model (or the remains of one)."""
    folder = Path(path)
    if not folder.is_dir() or list(folder.glob("*.safetensors")):
        return False
    vocabularies = list(folder.glob("vocabulary.*"))
    return (folder / "model.bin").is_file() or bool(vocabularies)


def _check_ctranslate2(path: str) -> None:
    folder = Path(path)
    wanted = {
        "model.bin": ["model.bin"],
        "config.json": ["config.json"],
        "tokenizer.json": ["tokenizer.json"],
        "vocabulary.json": ["vocabulary.json", "vocabulary.txt"],
    }
    missing = [
        name
        for name, forms in wanted.items()
        if not any((folder / form).is_file() for form in forms)
    ]
    if missing:
        raise UserError(
            f"the CTranslate2 folder {path} lacks {', '.join(missing)}",
            "Convert the model again: python convert.py --format=ct2 --model_path=<model>",
        )


def is_onnx_folder(path: str) -> bool:
    """Whether a folder holds ONNX graphs and no weights of transformers."""
    folder = Path(path)
    if not folder.is_dir() or list(folder.glob("*.safetensors")):
        return False
    return any(each.is_file() for place in ("onnx/", "") for each in folder.glob(f"{place}*.onnx"))


def _check_onnx(path: str) -> None:
    from utils.transcription.engines.onnx import graphs_of

    if not Path(path).is_dir():
        raise UserError(
            f"there is no folder {path} of ONNX files",
            "give the folder; a repository of the hub is downloaded with `hf download <name>`",
        )
    graphs_of(Path(path))
    lacking = [name for name in ("config.json", "tokenizer.json") if not Path(path, name).is_file()]
    if lacking:
        raise UserError(
            f"the ONNX folder {path} lacks {', '.join(lacking)}",
            "Copy the files from where the model was made.",
        )


def is_ggml_file(path: str) -> bool:
    """Whether a file is a model of whisper.cpp, by its first bytes or its name."""
    if not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(GGML_MAGIC)) == GGML_MAGIC or Path(path).name.startswith("ggml-")


def is_openai_file(path: str) -> bool:
    """Whether a file is one of OpenAI's program, by its name."""
    return Path(path).is_file() and Path(path).suffix in (".pt", ".pth")


def _check_file(path: str) -> None:
    if not Path(path).is_file():
        raise UserError(f"there is no model file {path}", "check the path")


def only_file(path: str) -> str:
    """The model file in a folder that `convert.py` wrote for another program; else the path."""
    folder = Path(path)
    if not folder.is_dir() or not (folder / "conversion.json").is_file():
        return path
    held = map(str, folder.iterdir())
    files = [each for each in held if is_ggml_file(each) or is_openai_file(each)]
    return files[0] if len(files) == 1 else path


ENGINES: dict[str, EngineKind] = {
    "ggml": EngineKind("utils.transcription.engines.whisper_cpp", is_ggml_file, _check_file, False),
    "openai": EngineKind("utils.transcription.engines.openai", is_openai_file, _check_file),
    "ctranslate2": EngineKind(
        "utils.transcription.engines.ctranslate2", is_ctranslate2_folder, _check_ctranslate2
    ),
    "onnx": EngineKind(
        "utils.transcription.engines.onnx", is_onnx_folder, _check_onnx, aligns=False
    ),
    # Last: it takes every hub name and says what any other folder lacks.
    "transformers": EngineKind(
        "utils.transcription.engines.transformers", lambda path: True, check_model_path
    ),
}


def engine_kind(path: str, name: str | None = None) -> EngineKind:
    """The engine for a model's folder, file or hub name.

    Args:
        path: the model.
        name: a key of `ENGINES`; None finds it from the files.

    Raises:
        UserError: there is no engine of that name.
    """
    if name is None:
        return next(kind for kind in ENGINES.values() if kind.recognises(path))
    if name not in ENGINES:
        raise UserError(f"unknown engine {name!r}", f"Engines: {', '.join(ENGINES)}.")
    return ENGINES[name]


def open_engine(
    path: str,
    *,
    local_files_only: bool = False,
    name: str | None = None,
    compute: Compute = DEFAULT_COMPUTE,
) -> Engine:
    """Load a model with the engine that its files are for.

    Args:
        path: a model's or adapter's folder, a CTranslate2 folder, or a name on the hub.
        local_files_only: never ask the hub.
        name: a key of `ENGINES`; None finds it from the files.
        compute: where and how.

    Raises:
        UserError: there is no such model, it is incomplete, or its library is not installed.
    """
    kind = engine_kind(path, name)
    kind.check(path)
    return kind.open(path, local_files_only=local_files_only, compute=compute)
