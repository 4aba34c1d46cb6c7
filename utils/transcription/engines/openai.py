"""The engine for .pt files of OpenAI's own program: their weights, computed by transformers.

Such a file holds no words; they are those that come with the package openai-whisper.
"""

from __future__ import annotations

import math
import pickle
from types import SimpleNamespace
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperFeatureExtractor,
)

from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.loaded import LoadedModel
from utils.model.official_names import byte_of_sign, official_name
from utils.transcription.engines.registry import DEFAULT_COMPUTE, Compute
from utils.transcription.engines.transformers import TransformersEngine, placed

_UNREADABLE = (
    *(RuntimeError, KeyError, TypeError, EOFError, ValueError, OSError),
    pickle.UnpicklingError,
)


def open_engine(
    path: str, local_files_only: bool = False, compute: Compute = DEFAULT_COMPUTE
) -> TransformersEngine:
    """Load a .pt file.

    Raises:
        UserError: it is damaged or no Whisper's, or openai-whisper is not installed.
    """
    del local_files_only  # a file is on this machine
    return placed(load_openai(path), compute)


def load_openai(path: str) -> LoadedModel:
    """Load a .pt file as a Whisper of transformers; raises as `open_engine`."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        dims, weights = content["dims"], content["model_state_dict"]
        config = _config(dims)
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"{path} is no model of openai-whisper: {reason}",
            "a .pt file holds `dims` and `model_state_dict`; download or convert it again",
        ) from None
    processor, generation = _words_of(path, int(dims["n_vocab"]), config.num_mel_bins)
    model = FlexibleWhisper(config)
    named = {name: weights.get(official_name(name)) for name in model.state_dict()}
    named["proj_out.weight"] = weights.get("decoder.token_embedding.weight")
    lacking = [name for name, weight in named.items() if weight is None]
    if lacking:
        raise UserError(
            f"{path} lacks the weights {official_name(lacking[0])} (and {len(lacking) - 1} more)",
            "the file is damaged or of another program; download or convert it again",
        )
    model.load_state_dict({name: weight.float() for name, weight in named.items()})
    model.generation_config = generation
    return LoadedModel(model.eval(), processor, path, path)


def _words_of(path: str, vocabulary: int, mel_bins: int) -> tuple[Any, GenerationConfig]:
    """Processor and settings of OpenAI's program."""
    words = _tokenizer_of(path, vocabulary)
    features = WhisperFeatureExtractor(feature_size=mel_bins)
    tokenizer = _fast_tokenizer(words)
    processor = SimpleNamespace(tokenizer=tokenizer, feature_extractor=features)
    return processor, _generation(words)


def _config(dims: dict[str, int]) -> WhisperConfig:
    end = 50_257 if dims["n_vocab"] > 51_864 else 50_256
    return WhisperConfig(
        vocab_size=dims["n_vocab"],
        num_mel_bins=dims["n_mels"],
        max_source_positions=dims["n_audio_ctx"],
        max_target_positions=dims["n_text_ctx"],
        d_model=dims["n_audio_state"],
        encoder_layers=dims["n_audio_layer"],
        decoder_layers=dims["n_text_layer"],
        encoder_attention_heads=dims["n_audio_head"],
        decoder_attention_heads=dims["n_text_head"],
        encoder_ffn_dim=4 * dims["n_audio_state"],
        decoder_ffn_dim=4 * dims["n_text_state"],
        decoder_start_token_id=end + 1,
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )


def _tokenizer_of(path: str, vocabulary: int) -> Any:
    """The tokenizer of OpenAI's program."""
    expect_installed("whisper", path)
    from whisper.tokenizer import get_tokenizer

    multilingual = vocabulary >= 51_865
    if vocabulary not in (51_864, 51_865, 51_866):
        raise UserError(
            f"{path} has a vocabulary of {vocabulary}; known are 51864, 51865 and 51866",
            "take the model's folder in the form of transformers",
        )
    return get_tokenizer(multilingual, num_languages=99 + (vocabulary == 51_866))


def _generation(words: Any) -> GenerationConfig:
    """The settings that OpenAI's program has in its code."""
    config = GenerationConfig(
        max_length=448,
        eos_token_id=words.eot,
        pad_token_id=words.eot,
        decoder_start_token_id=words.sot,
    )
    never = {words.transcribe, words.translate, words.sot, words.sot_prev, words.sot_lm}
    config.suppress_tokens = sorted({*words.non_speech_tokens, *never, words.no_speech})
    config.begin_suppress_tokens = [*words.encode(" "), words.eot]
    config.is_multilingual = words.encoding.n_vocab > 51_864
    config.max_initial_timestamp_index = 50
    special = words.special_tokens
    config.lang_to_id = {f"<|{code}|>": special[f"<|{code}|>"] for code in words.all_language_codes}
    config.no_timestamps_token_id = words.no_timestamps
    return config


def _fast_tokenizer(words: Any) -> PreTrainedTokenizerFast:
    """The same words for transformers: ranks of byte pairs become merges."""
    ranks: dict[bytes, int] = words.encoding._mergeable_ranks
    signs = {byte: sign for sign, byte in byte_of_sign().items()}

    def spelled(token: bytes) -> str:
        return "".join(signs[byte] for byte in token)

    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            first, second = _halves(token, ranks, rank)
            merges.append((spelled(first), spelled(second)))
    vocabulary = {spelled(token): rank for token, rank in ranks.items()}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = sorted(words.special_tokens.items(), key=lambda item: item[1])
    for index in range(len(ranks), special[0][1]):  # the official vocabulary has an empty word
        tokenizer.add_special_tokens([AddedToken(f"<|empty{index}|>")])
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name, _ in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def _halves(token: bytes, ranks: dict[bytes, int], rank: int) -> tuple[bytes, bytes]:
    """The two parts that were merged last to make a token."""
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 2:
        pairs = [ranks.get(parts[i] + parts[i + 1], math.inf) for i in range(len(parts) - 1)]
        place = min(range(len(pairs)), key=pairs.__getitem__)
        if pairs[place] >= rank:
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts[0], b"".join(parts[1:])
