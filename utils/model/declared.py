"""What the JSON files of a model folder say, looked at before anything is made of it.

transformers believes them: a number of layers that no weights belong to takes all memory before it
fails, and a wrong type ends deep in code that knows no file names. Checked are the types and ranges
of what is used, and the sizes against the shapes of the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.cli.json_fields import shown
from utils.model.audio_context.contexts import AUDIO_CONTEXTS

SIZES = (
    *("d_model", "vocab_size", "num_mel_bins", "max_source_positions", "max_target_positions"),
    *("encoder_layers", "encoder_ffn_dim", "encoder_attention_heads"),
    *("decoder_layers", "decoder_ffn_dim", "decoder_attention_heads"),
)
_SHARES = (
    *("dropout", "attention_dropout", "activation_dropout", "init_std", "encoder_layerdrop"),
    *("decoder_layerdrop", "mask_time_prob", "mask_feature_prob"),
)
MOST = 10_000_000
_HINT = "Copy the file again from where the model was made."
_SPECIAL = ("bos_token_id", "pad_token_id", "decoder_start_token_id", "eos_token_id")


def expect_sound_folder(folder: Path) -> None:
    """See that the JSON files of a model or adapter can be what they are named for.

    Args:
        folder: of `check_model_path`; a file that is not there passes.

    Raises:
        UserError: naming the file, what it holds, and what was expected.
    """
    config = _read(folder / "config.json")
    if config:
        _expect_fields(folder / "config.json", config, _CONFIG)
        _expect_sizes(folder, config)
    vocabulary = config.get("vocab_size") or MOST
    generation = folder / "generation_config.json"
    for path, content in ((folder / "config.json", config), (generation, _read(generation))):
        _expect_fields(path, content, _GENERATION)
        _expect_known(path, content, vocabulary)
    features = folder / "preprocessor_config.json"
    found = _read(features)
    _expect_fields(features, found, _FEATURES)
    wanted = config.get("num_mel_bins")
    if wanted and found.get("feature_size") not in (None, wanted):
        raise UserError(
            f"{features}: feature_size is {found['feature_size']}; expected {wanted}, as "
            "num_mel_bins of config.json",
            _HINT,
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path, _HINT, allow_nan=True)
    except FileNotFoundError:
        return {}


# -- types ----------------------------------------------------------------------------------------


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 < value <= MOST


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9  # not so of NaN


def _is_id(value: Any) -> bool:
    return type(value) is int and -1 <= value <= MOST


def _is_list_of(item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: type(value) is list and all(item(each) for each in value)


def _is_pair(value: Any) -> bool:
    return _is_ids(value) and len(value) == 2


def _is_step(value: Any) -> bool:
    return type(value) is list and len(value) == 2 and all(e is None or _is_id(e) for e in value)


def _is_map_to_ids(value: Any) -> bool:
    return type(value) is dict and all(_is_id(each) for each in value.values())


_is_ids = _is_list_of(_is_id)
Fields = dict[str, tuple[Callable[[Any], bool], str]]
_FLAG = (lambda value: type(value) is bool, "true or false")
_CONFIG: Fields = {
    **dict.fromkeys(SIZES, (_is_size, f"a whole number from 1 to {MOST}")),
    **dict.fromkeys(_SHARES, (_is_number, "a number")),
    "model_type": (lambda value: value == "whisper", '"whisper"'),
    "activation_function": (lambda value: type(value) is str, "a name"),
    "tie_word_embeddings": _FLAG,
    "scale_embedding": _FLAG,
}
_GENERATION: Fields = {
    **dict.fromkeys(_SPECIAL, (lambda v: _is_id(v) or _is_ids(v), "a token's number")),
    "no_timestamps_token_id": (_is_id, "a token's number"),
    "prev_sot_token_id": (_is_id, "a token's number"),
    "suppress_tokens": (_is_ids, "a list of tokens' numbers"),
    "begin_suppress_tokens": (_is_ids, "a list of tokens' numbers"),
    "forced_decoder_ids": (_is_list_of(_is_step), "a list of pairs of numbers"),
    "alignment_heads": (_is_list_of(_is_pair), "a list of pairs of numbers"),
    "lang_to_id": (_is_map_to_ids, "an object of languages and tokens' numbers"),
    "task_to_id": (_is_map_to_ids, "an object of tasks and tokens' numbers"),
    "max_length": (_is_size, "a whole number from 1"),
    "max_initial_timestamp_index": (_is_id, "a whole number"),
    "is_multilingual": _FLAG,
    "return_timestamps": _FLAG,
    "audio_context": (lambda v: v in AUDIO_CONTEXTS, f"one of {', '.join(AUDIO_CONTEXTS)}"),
    "context_margin": (lambda v: _is_number(v) and 0 <= v <= 30, "seconds from 0 to 30"),
}
_FEATURES: Fields = {
    "feature_size": (_is_size, "a whole number from 1"),
    "sampling_rate": (lambda value: value == 16_000, "16000"),
    "hop_length": (lambda value: value == 160, "160"),
    "n_fft": (lambda value: value == 400, "400"),
    "chunk_length": (lambda value: value == 30, "30"),
}


def _expect_fields(path: Path, content: dict[str, Any], fields: Fields) -> None:
    for name, (is_right, expected) in fields.items():
        value = content.get(name)
        if value is not None and not is_right(value):
            raise UserError(f"{path}: {name} is {shown(value)}; expected {expected}", _HINT)


def _expect_known(path: Path, content: dict[str, Any], vocabulary: int) -> None:
    """Refuse numbers of tokens that the vocabulary does not have."""
    for name in _GENERATION:
        value = content.get(name)
        if value is None or not name.endswith(("_tokens", "_id")):
            continue
        value = list(value.values()) if isinstance(value, dict) else value
        for number in value if isinstance(value, list) else [value]:
            if number >= vocabulary:
                raise UserError(
                    f"{path}: {name} names token {number}; the vocabulary has {vocabulary}", _HINT
                )


# -- sizes ----------------------------------------------------------------------------------------


def _expect_sizes(folder: Path, config: dict[str, Any]) -> None:
    """Hold the sizes in config.json to the weights."""
    shapes = dict(_shapes(folder))
    for half in ("encoder", "decoder"):
        numbers = [_layer(name, f"{half}.layers.") for name in shapes]
        _expect_size(folder, config, f"{half}_layers", max(numbers, default=-1) + 1)
        width = _size(shapes, f"{half}.layers.0.fc1.weight")
        _expect_size(folder, config, f"{half}_ffn_dim", width)
    embedding = "decoder.embed_tokens.weight"
    _expect_size(folder, config, "vocab_size", _size(shapes, embedding))
    _expect_size(folder, config, "d_model", _size(shapes, embedding, 1))
    _expect_size(folder, config, "num_mel_bins", _size(shapes, "encoder.conv1.weight", 1))
    for name, half in (("max_source_positions", "encoder"), ("max_target_positions", "decoder")):
        _expect_size(folder, config, name, _size(shapes, f"{half}.embed_positions.weight"))


def _expect_size(folder: Path, config: dict[str, Any], name: str, found: int) -> None:
    stated = config.get(name)
    if found > 0 and stated is not None and stated != found:
        raise UserError(
            f"{folder / 'config.json'}: {name} is {stated}; the weights have {found}",
            "The file belongs to another model; copy both again.",
        )


def _shapes(folder: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the weights' names without `model.`, and their shapes; of a damaged file nothing."""
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="np") as weights:
                for name in weights.keys():  # noqa: SIM118 (it is no dict)
                    yield name.removeprefix("model."), tuple(weights.get_slice(name).get_shape())
        except (SafetensorError, OSError):
            continue


def _layer(name: str, beginning: str) -> int:
    number = name.removeprefix(beginning).partition(".")[0]
    return int(number) if name.startswith(beginning) and number.isdigit() else -1


def _size(shapes: dict[str, tuple[int, ...]], name: str, axis: int = 0) -> int:
    shape = shapes.get(name, ())
    return shape[axis] if axis < len(shape) else 0
