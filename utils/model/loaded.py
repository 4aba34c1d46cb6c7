"""A Whisper in memory: the model, its processor, and what its files say of its training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import WhisperProcessor

from utils.audio.features import LogMel
from utils.data.labels import LabelEncoder
from utils.model.audio_context.contexts import merge_stride_of, silence_kept
from utils.model.audio_context.encoder import FlexibleWhisper


@dataclass(frozen=True)
class LoadedModel:
    """A Whisper with its processor.

    Attributes:
        model: FlexibleWhisper, or a PeftModel around one.
        processor: tokenizer and feature extractor.
        path: what the user named.
        base_path: the base model if `path` is an adapter, else the same.
        audio_context: how it was trained, one of AUDIO_CONTEXTS.
        digest: of the base model, where an adapter is to be trained on it.
    """

    model: Any
    processor: WhisperProcessor
    path: str
    base_path: str
    audio_context: str = "full"
    digest: str | None = None

    @property
    def whisper(self) -> FlexibleWhisper:
        """The Whisper inside, adapters attached or not."""
        inner = getattr(self.model, "get_base_model", None)
        return inner() if inner is not None else self.model

    @property
    def context_margin(self) -> float:
        """Seconds of silence that its windows below 30 s keep after the speech."""
        asked = getattr(self.whisper.generation_config, "context_margin", None) or 0.0
        return silence_kept(self.audio_context, float(asked))

    @property
    def merge_stride(self) -> int:
        """What its forward takes on the windows that it was trained on; 0 if none is thinned."""
        return merge_stride_of(self.audio_context)

    @property
    def is_adapter(self) -> bool:
        """Whether `path` held an adapter."""
        return self.path != self.base_path

    @property
    def log_mel(self) -> LogMel:
        """Features as this model expects them (80 or 128 bins)."""
        return LogMel(self.processor.feature_extractor.mel_filters)

    @property
    def multilingual(self) -> bool:
        """False for `.en` models."""
        known = getattr(self.whisper.generation_config, "is_multilingual", None)
        if known is None:
            return "<|transcribe|>" in self.processor.tokenizer.get_vocab()
        return bool(known)

    def label_encoder(self, **options: Any) -> LabelEncoder:
        """Text to labels with this model's tokens; options as of `LabelEncoder`."""
        return LabelEncoder(
            self.processor.tokenizer,
            multilingual=self.multilingual,
            max_tokens=self.whisper.config.max_target_positions,
            **options,
        )


def stated_context(loaded: LoadedModel) -> str | None:
    """The audio context that a model says it was trained for, if it says so."""
    context: str | None = getattr(loaded.whisper.generation_config, "audio_context", None)
    return context
