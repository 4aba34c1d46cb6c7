"""The model that `infer.py` was given, ready to decode, and the messages about it."""

from __future__ import annotations

import math

import torch

from utils.cli.console import say
from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import (
    ENGINES,
    Compute,
    Engine,
    EngineKind,
    engine_kind,
    only_file,
    open_engine,
)
from utils.transcription.engines.whisper_cpp import WhisperCpp, WhisperCppDecoder
from utils.transcription.infer.settings import InferSettings
from utils.transcription.infer.speakers import expect_speaker_models
from utils.transcription.windows import WindowDecoder


def decoding_of(settings: InferSettings) -> Decoding:
    """How the settings want text to be made; with its defaults as evaluation.py makes it.

    Raises:
        UserError: Whisper does not know the language.
    """

    def or_else(value: float | None, nothing: float) -> float:
        return nothing if value is None else value

    step = settings.temperature_increment_on_fallback
    aligns = _kind(settings).aligns
    return Decoding(
        language=language_code(settings.language) if settings.language else None,
        task=settings.task,
        timestamps=settings.wants_times(aligns=aligns),
        batch_size=settings.batch_size,
        num_beams=settings.beam_size,
        num_workers=settings.num_workers,
        temperature_fallback=step is not None,
        compression_ratio_threshold=or_else(settings.compression_ratio_threshold, math.inf),
        logprob_threshold=or_else(settings.logprob_threshold, -math.inf),
        no_speech_threshold=or_else(settings.no_speech_threshold, math.inf),
        seed=settings.seed,
        temperature=settings.temperature,
        temperature_increment=or_else(step, 1.0),
        best_of=settings.best_of,
        patience=settings.patience,
        length_penalty=settings.length_penalty,
        suppress_tokens=settings.suppressed,
        initial_prompt=settings.initial_prompt,
        hotwords=settings.hotwords,
        condition_on_previous_text=settings.condition_on_previous_text,
        word_timestamps=settings.word_timestamps,
        split_sentences=aligns,
    )


def check_model(settings: InferSettings) -> None:
    """Refuse a model that is not there or incomplete, before any sound is read.

    Raises:
        UserError: saying what it lacks.
    """
    _kind(settings).check(only_file(settings.model_path))
    expect_speaker_models(settings)


def open_decoder(
    settings: InferSettings, decoding: Decoding, engine: Engine | WhisperCpp | None = None
) -> WindowDecoder | WhisperCppDecoder:
    """Load the model, ready to decode clips; raises as `open_model`.

    Args:
        settings: which model, and where it computes.
        decoding: how text is made.
        engine: the model, where it was loaded before with the same settings.
    """
    if engine is not None:
        _expect_known(settings, engine, decoding)
    elif _kind(settings) is ENGINES["ggml"]:
        engine = WhisperCpp(only_file(settings.model_path), settings.threads)
        _expect_known(settings, engine, decoding)
    else:
        engine = open_model(settings, decoding)
    if isinstance(engine, WhisperCpp):
        return WhisperCppDecoder(engine, decoding)
    return WindowDecoder(engine, decoding)


def open_model(settings: InferSettings, decoding: Decoding) -> Engine:
    """Load the model where the settings want it, and say so where they cannot be followed.

    Raises:
        UserError: it cannot be loaded, or does not know what it is asked.
    """
    if settings.threads:
        torch.set_num_threads(settings.threads)
    engine = open_engine(
        only_file(settings.model_path),
        local_files_only=settings.local_files_only,
        name=settings.engine,
        compute=compute_of(settings),
    )
    _expect_known(settings, engine, decoding)
    return engine


def _expect_known(settings: InferSettings, engine: Engine | WhisperCpp, decoding: Decoding) -> None:
    """Refuse what a model cannot do."""
    _expect_language(settings, engine.multilingual, decoding)
    if isinstance(engine, WhisperCpp):
        return  # its decoder names what it cannot do
    if decoding.patience is not None and not getattr(engine, "has_patience", False):
        raise UserError(
            f"--patience={decoding.patience:g} is for CTranslate2 models",
            "convert the model with convert.py --format=ct2, or leave --patience out",
        )
    if decoding.num_beams > 1 and not getattr(engine, "has_beams", True):
        raise UserError(
            f"--beam_size={decoding.num_beams} is not for ONNX models",
            "leave --beam_size out, or take the model that it was converted from",
        )
    if decoding.word_timestamps and not _kind(settings).aligns:
        raise UserError(
            "--word_timestamps=True is not for ONNX models, whose graphs give no attention",
            "leave it out, or take the model that it was converted from",
        )


def _kind(settings: InferSettings) -> EngineKind:
    return engine_kind(only_file(settings.model_path), settings.engine)


def _expect_language(settings: InferSettings, multilingual: bool, decoding: Decoding) -> None:
    if not multilingual and decoding.language not in (None, "en"):
        raise UserError(
            f"{settings.model_path} is an English model; --language={settings.language}",
            "leave --language out, or take a multilingual model",
        )
    if not multilingual and decoding.task == "translate":
        raise UserError(
            f"{settings.model_path} is an English model, which translates nothing",
            "take a multilingual model",
        )


def compute_of(settings: InferSettings) -> Compute:
    """Where and how the settings want to compute, with a word where they cannot be followed.

    Raises:
        UserError: there is no such device.
    """
    device = settings.device
    if device is not None and device.partition(":")[0] not in ("cpu", "cuda", "mps"):
        raise UserError(f"--device={device} is no device", "write cpu, cuda, cuda:1 or mps")
    has_gpu = torch.cuda.is_available()
    if device is not None and device.startswith("cuda") and not has_gpu:
        raise UserError(f"--device={device}: no GPU was found", "leave --device out")
    if device is None and not settings.use_gpu:
        device = "cpu"
    on_gpu = has_gpu and device != "cpu"
    if settings.fp16 and not on_gpu:
        say("half precision is for GPUs: computing in float32 on the CPU")
    elif settings.use_gpu and settings.device is None and not on_gpu:
        say("no GPU was found: computing in float32 on the CPU")
    return Compute(device, on_gpu and settings.fp16 is not False, settings.use_int8)
