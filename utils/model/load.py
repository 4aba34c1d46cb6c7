"""A folder or hub name to a model ready to train or transcribe."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import BitsAndBytesConfig, GenerationConfig, WhisperProcessor
from transformers.utils import logging as transformers_logging

from utils.cli.errors import UserError
from utils.cli.files import sha256_file
from utils.model.adapters.base_digest import (
    SHARDED_WEIGHTS,
    WHOLE_WEIGHTS,
    base_digest,
    expect_base,
)
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.declared import expect_sound_folder
from utils.model.folders import read_base_path
from utils.model.integrity import expect_finite, expect_undamaged
from utils.model.loaded import LoadedModel
from utils.model.new_tokens import with_vocabulary
from utils.model.precision import choose_precision

WEIGHTS = (WHOLE_WEIGHTS, SHARDED_WEIGHTS)
TOKENIZER_FILES = ("tokenizer.json", "vocab.json")
_UNLOADABLE = (
    *(OSError, ValueError, LookupError, RuntimeError, SafetensorError),
    # A value of another type in a JSON file.
    *(TypeError, AttributeError, ArithmeticError, StrictDataclassError),
)
FEATURE_FILES = ("preprocessor_config.json", "processor_config.json")


def load_model(
    path: str,
    *,
    local_files_only: bool = False,
    use_8bit: bool = False,
    use_4bit: bool = False,
) -> LoadedModel:
    """Load a Whisper, or an adapter on its base.

    Args:
        path: model folder, adapter folder, or a name on the hub.
        local_files_only: never ask the hub.
        use_8bit: hold the linear weights in 8 bits (bitsandbytes).
        use_4bit: hold them in 4 bits (bitsandbytes' nf4, QLoRA's format).

    Returns:
        The model in float32 (its quantized weights aside), in evaluation mode.

    Raises:
        UserError: if there is no such model, it lacks a file, is not as it was written, or its
            weights do not fit or are not finite.
    """
    source = check_model_path(path)
    expect_undamaged(source)
    if Path(source).is_dir():
        expect_sound_folder(Path(source))
    if Path(source, "adapter_config.json").is_file():
        return _load_adapter(
            path,
            source,
            local_files_only=local_files_only,
            use_8bit=use_8bit,
            use_4bit=use_4bit,
        )
    transformers_logging.set_verbosity_error()  # it would greet every model with a progress bar
    transformers_logging.disable_progress_bar()
    try:
        processor = load_processor(source, local_files_only=local_files_only)
        model, info = FlexibleWhisper.from_pretrained(
            source,
            dtype=torch.float32,
            local_files_only=local_files_only,
            use_safetensors=True,
            attn_implementation="sdpa",
            quantization_config=_quantization(use_8bit, use_4bit),
            output_loading_info=True,
        )
    except _UNLOADABLE as error:
        raise UserError(
            f"{path} could not be loaded as a Whisper model: {_first_line(error)}",
            "Give a folder with a complete Whisper model, or a hub name such as "
            "openai/whisper-tiny (that needs a network and no --local_files_only=True).",
        ) from error
    _expect_all_weights(path, info)
    expect_finite(path, model)
    # Fixed sinusoids by design; transformers 5 forgets on loading that they are not trained.
    model.model.encoder.embed_positions.requires_grad_(False)
    context = getattr(model.generation_config, "audio_context", None) or "full"
    return LoadedModel(model.eval(), processor, path, path, context)


def load_processor(source: str, *, local_files_only: bool = True) -> WhisperProcessor:
    """The tokenizer and the feature extractor of a model.

    Raises:
        UserError: if the parts of the tokenizer's file do not fit each other, of which its library
            tells by a plain Exception.
    """
    try:
        return WhisperProcessor.from_pretrained(source, local_files_only=local_files_only)
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise UserError(
            f"the tokenizer of {source} could not be read: {_first_line(error)}",
            "The file is damaged; copy it again.",
        ) from error


def _quantization(use_8bit: bool, use_4bit: bool) -> BitsAndBytesConfig | None:
    if use_4bit:
        # A CPU computes with these weights in float32, whatever it trains in.
        bf16 = None if torch.cuda.is_available() else False
        formats = {"bf16": torch.bfloat16, "fp16": torch.float16, "float32": torch.float32}
        return BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=formats[choose_precision(None, bf16).name],
        )
    return BitsAndBytesConfig(load_in_8bit=True) if use_8bit else None


def _load_adapter(path: str, source: str, **options: bool) -> LoadedModel:
    from peft import PeftModel

    base_path = read_base_path(Path(source))
    try:
        base = load_model(base_path, **options)
    except UserError as error:
        raise UserError(
            f"{path} is an adapter on the base model {base_path}; {error.message}", error.hint
        ) from error
    base = with_digest(base, local_files_only=options["local_files_only"])
    expect_base(Path(path), base_path, base.digest)
    try:
        base = _with_tokens_of(source, base)
        model = PeftModel.from_pretrained(base.model, source)
    except _UNLOADABLE as error:
        raise UserError(
            f"the adapter {path} does not fit its base model {base_path}: {_first_line(error)}",
            "Was the base model replaced since? Train the adapter again, or bring the old base.",
        ) from error
    expect_finite(path, model)
    context = base.audio_context
    if Path(source, "generation_config.json").is_file():
        # What the training changed: the windows, which tokens may come first.
        base.whisper.generation_config = GenerationConfig.from_pretrained(source)
        context = getattr(base.whisper.generation_config, "audio_context", None) or context
    return replace(base, model=model.eval(), path=path, audio_context=context)


def with_digest(base: LoadedModel, *, local_files_only: bool = False) -> LoadedModel:
    """A base model that knows its digest; to be called before it gets more tokens.

    Args:
        base: as `load_model` gave it.
        local_files_only: never ask the hub.
    """
    tokenizer = base.processor.tokenizer
    digest = base_digest(base.path, tokenizer, local_files_only=local_files_only)
    return replace(base, digest=digest)


def _with_tokens_of(source: str, base: LoadedModel) -> LoadedModel:
    """The base with the tokens that were added when the adapter was trained."""
    if not any(Path(source, name).is_file() for name in TOKENIZER_FILES):
        return base
    processor = load_processor(source)
    grown = len(processor.tokenizer) > len(base.processor.tokenizer)
    return with_vocabulary(base, processor) if grown else base


def check_model_path(path: str) -> str:
    """Find the folder of a local model and see that it is complete; hub names pass through.

    Raises:
        UserError: naming what the folder lacks and what it has, or saying that there is none.
    """
    folder = Path(path)
    if not os.path.exists(folder):  # which takes a name of any length
        if len(folder.parts) > 2 or path.startswith((".", "/", "~")) or path.endswith("/"):
            raise UserError(f"there is no model folder {path}", _nearby_models(folder))
        return path
    if folder.is_file():
        raise UserError(
            f"{path} is a file; a model is a folder with config.json and model.safetensors",
            f"Give the folder: {folder.parent}",
        )
    missing = missing_files(folder)
    if missing:
        held = ", ".join(sorted(p.name for p in folder.iterdir())[:12]) or "nothing"
        raise UserError(
            f"the model folder {path} lacks {', '.join(missing)}",
            f"It holds {held}. Copy the missing files from where the model was made.",
        )
    return str(folder)


def missing_files(folder: Path) -> list[str]:
    """Names of the files that a model or adapter folder lacks."""

    def lacks(*names: str) -> bool:
        return not any((folder / name).is_file() for name in names)

    if (folder / "adapter_config.json").is_file():
        lacking = [("adapter_model.safetensors",)] if lacks("adapter_model.safetensors") else []
        return [names[0] for names in lacking]
    wanted = (("config.json",), WEIGHTS, TOKENIZER_FILES, FEATURE_FILES)
    return [names[0] for names in wanted if lacks(*names)]


def weights_sha256(path: str) -> str | None:
    """Hash of a local model's weight files; None for a model that is not a local folder."""
    folder = Path(path)
    # A model converted by CTranslate2 has its weights in model.bin, one of ONNX in its graphs.
    patterns = ("*.safetensors", "model.bin", "*.onnx*", "onnx/*.onnx*")
    found = [file for each in patterns for file in folder.glob(each)] if folder.is_dir() else []
    files = sorted(found)
    if not files:
        return None
    joined = "".join(f"{file.name} {sha256_file(file)}\n" for file in files)
    return hashlib.sha256(joined.encode()).hexdigest()


def _expect_all_weights(path: str, info: dict[str, Any]) -> None:
    missing = sorted(info.get("missing_keys", ()))
    mismatched = sorted(str(key) for key in info.get("mismatched_keys", ()))
    if missing or mismatched:
        wrong = "lack" if missing else "have the wrong shape for"
        names = missing or mismatched
        raise UserError(
            f"the weights of {path} {wrong} {names[0]} (and {len(names) - 1} more)",
            "The file is damaged or belongs to another model; copy it again.",
        )


def _nearby_models(folder: Path) -> str:
    """Say which models lie where the user looked."""
    parent = folder.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    found = sorted(
        str(p.parent)
        for pattern in ("*/config.json", "*/adapter_config.json")
        for p in parent.glob(pattern)
    )
    if found:
        return f"In {os.path.join(parent, '')} there are: {', '.join(dict.fromkeys(found))}"
    return f"Nothing in {os.path.join(parent, '')} is a model. Train one first, or give a hub name."


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
