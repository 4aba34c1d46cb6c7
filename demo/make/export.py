"""From the trained compact model to a folder that every Whisper program loads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import WhisperForConditionalGeneration

from demo.make.base_model import ALIGNMENT_HEADS, base_config
from demo.make.compact import CompactVocabulary
from demo.make.tokenizer import (
    END_OF_TEXT,
    LANGUAGE_CODES,
    NO_SPEECH,
    NO_TIMESTAMPS,
    SPACE,
    START,
    TRANSCRIBE,
    TRANSLATE,
    language_id,
    save_tokenizer,
)

_FEATURES = {
    "chunk_length": 30,
    "feature_extractor_type": "WhisperFeatureExtractor",
    "feature_size": 80,
    "hop_length": 160,
    "n_fft": 400,
    "n_samples": 480000,
    "nb_max_frames": 3000,
    "padding_side": "right",
    "padding_value": 0.0,
    "processor_class": "WhisperProcessor",
    "return_attention_mask": False,
    "sampling_rate": 16000,
}


def full_state(
    compact_state: dict[str, torch.Tensor], vocabulary: CompactVocabulary
) -> dict[str, torch.Tensor]:
    """Return the weights with the full vocabulary, tied output layer left out, in their dtype."""
    state = {name: value for name, value in compact_state.items() if name != "proj_out.weight"}
    name = "model.decoder.embed_tokens.weight"
    return {**state, name: vocabulary.expand(state[name])}


def save_base_model(
    compact_state: dict[str, torch.Tensor],
    vocabulary: CompactVocabulary,
    bpe: tuple[dict[str, int], list[list[str]]],
    folder: Path,
) -> None:
    """Write the model in float16, with tokenizer, feature extractor and generation settings.

    Args:
        compact_state: weights of the compact model.
        vocabulary: its compact vocabulary.
        bpe: vocabulary and merges of the tokenizer.
        folder: the model's folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: value.to(torch.float16).contiguous()
        for name, value in full_state(compact_state, vocabulary).items()
    }
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    save_tokenizer(*bpe, folder)
    _write_json(folder / "config.json", _model_config())
    _write_json(folder / "generation_config.json", _generation_config())
    _write_json(folder / "preprocessor_config.json", _FEATURES)


def load_full_model(
    compact_state: dict[str, torch.Tensor], vocabulary: CompactVocabulary
) -> WhisperForConditionalGeneration:
    """Return the stock model with the full vocabulary, float32."""
    model = WhisperForConditionalGeneration(base_config())
    model.load_state_dict(full_state(compact_state, vocabulary), strict=False)
    model.tie_weights()
    return model.eval()


def _model_config() -> dict[str, Any]:
    config = base_config().to_dict()
    # The file holds float16 to be small; float32 here makes every program train and run in it.
    config.update(architectures=["WhisperForConditionalGeneration"], dtype="float32")
    config.update(begin_suppress_tokens=[SPACE, END_OF_TEXT])
    return {name: value for name, value in sorted(config.items()) if value is not None}


def _generation_config() -> dict[str, Any]:
    return {
        "alignment_heads": [list(head) for head in ALIGNMENT_HEADS],
        "audio_context": "mixed",
        "begin_suppress_tokens": [SPACE, END_OF_TEXT],
        "bos_token_id": END_OF_TEXT,
        "decoder_start_token_id": START,
        "eos_token_id": END_OF_TEXT,
        "is_multilingual": True,
        "lang_to_id": {f"<|{code}|>": language_id(code) for code in LANGUAGE_CODES},
        "max_initial_timestamp_index": 50,
        "max_length": 448,
        "no_timestamps_token_id": NO_TIMESTAMPS,
        "pad_token_id": END_OF_TEXT,
        "prev_sot_token_id": NO_SPEECH - 1,
        "return_timestamps": False,
        # No start, task or no-speech token within a transcript.
        "suppress_tokens": [START, *range(TRANSLATE, NO_SPEECH + 1)],
        "task_to_id": {"transcribe": TRANSCRIBE, "translate": TRANSLATE},
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")
