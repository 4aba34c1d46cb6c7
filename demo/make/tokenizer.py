"""The demo's tokenizer: a byte-level BPE of its own, laid out like Whisper's multilingual one.

Ids: 50,257 text ids, of which the first ones are used and the rest hold placeholders; then
end-of-text, start, 99 languages, tasks and 1,501 timestamps at their official ids; 51,865 in all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from demo.make.templates import listed
from utils.scoring import normalizers

TEXT_IDS = 50257
END_OF_TEXT = TEXT_IDS
START = TEXT_IDS + 1
# In the order of their ids from 50259 on; the official vocabulary's order, fixed for ever.
LANGUAGE_CODES = listed(
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th "
    "ur hr bg lt la mi ml cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr "
    "pa si km sn yo so af oc ka be tg sd gu am yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt "
    "haw ln ha ba jw su"
)
TRANSLATE = START + 1 + len(LANGUAGE_CODES)
TRANSCRIBE = TRANSLATE + 1
NO_SPEECH = TRANSLATE + 4
NO_TIMESTAMPS = TRANSLATE + 5
FIRST_TIMESTAMP = NO_TIMESTAMPS + 1
VOCABULARY_SIZE = FIRST_TIMESTAMP + 1501
SPACE = 220  # the id of a lone space, as in every GPT-2 byte alphabet
PLACEHOLDER = "\u00ffunused{:05d}"  # 0xFF stands in no UTF-8 text: never matched, never merged


# British to American spelling: what the English normalizer of transformers reads.
_SPELLINGS = Path(normalizers.__file__).with_name("british_to_american.json")


def special_tokens() -> list[str]:
    """Return the texts of ids 50257 to 50363, in order."""
    languages = [f"<|{code}|>" for code in LANGUAGE_CODES]
    tasks = ["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>"]
    ends = ["<|nocaptions|>", "<|notimestamps|>"]
    return ["<|endoftext|>", "<|startoftranscript|>", *languages, *tasks, *ends]


def timestamp_tokens() -> list[str]:
    """Return `<|0.00|>` to `<|30.00|>` in steps of 20 ms."""
    return [f"<|{step * 0.02:.2f}|>" for step in range(1501)]


def language_id(code: str) -> int:
    """Return the id of a language's token."""
    return START + 1 + LANGUAGE_CODES.index(code)


def train_bpe(
    pieces: Iterable[str], vocabulary_size: int
) -> tuple[dict[str, int], list[list[str]]]:
    """Train a byte-level BPE.

    Args:
        pieces: English sentences with a leading space, and single Chinese characters, so that
            no merge joins two characters.
        vocabulary_size: the 256 bytes included.

    Returns:
        The vocabulary of 50,257 entries, placeholders included, and the merges.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(pieces, trainer)
    model = json.loads(bpe.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    unused = range(len(vocabulary), TEXT_IDS)
    return {**vocabulary, **{PLACEHOLDER.format(i): i for i in unused}}, model["merges"]


def used_text_ids(vocabulary: dict[str, int]) -> int:
    """Return how many text ids are not placeholders; they are the first ones."""
    placeholder = PLACEHOLDER.format(0)[:7]
    return sum(not text.startswith(placeholder) for text in vocabulary)


def build_tokenizer(vocabulary: dict[str, int], merges: list[list[str]]) -> Tokenizer:
    """Return the whole tokenizer: text, special tokens and timestamps at the official ids."""
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=[(left, right) for left, right in merges])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([_added(text, special=True) for text in special_tokens()])
    tokenizer.add_tokens([_added(text, special=False) for text in timestamp_tokens()])
    prefix, end = ["<|startoftranscript|>", "<|notimestamps|>"], "<|endoftext|>"
    ids = {text: tokenizer.token_to_id(text) for text in (*prefix, end)}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*prefix, "$A", end],
        pair=[*prefix, "$A", "$B:1", f"{end}:1"],
        special_tokens=list(ids.items()),
    )
    return tokenizer


def _added(text: str, special: bool) -> AddedToken:
    return AddedToken(text, special=special, normalized=not special)


def save_tokenizer(vocabulary: dict[str, int], merges: list[list[str]], folder: Path) -> None:
    """Write the tokenizer in every form that a runtime may ask for, as the official folders do."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = build_tokenizer(vocabulary, merges)
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    merge_lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(merge_lines) + "\n", "utf-8")
    _write_json(folder / "vocab.json", vocabulary, indent=None)
    (folder / "normalizer.json").write_bytes(_SPELLINGS.read_bytes())
    texts = [*special_tokens(), *timestamp_tokens()]
    added = {text: END_OF_TEXT + place for place, text in enumerate(texts)}
    _write_json(folder / "added_tokens.json", added)
    _write_json(folder / "special_tokens_map.json", _SPECIAL_ROLES)
    _write_json(folder / "tokenizer_config.json", _tokenizer_config(added))


def _tokenizer_config(added: dict[str, int]) -> dict[str, Any]:
    special = set(special_tokens())
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    decoder = {
        str(index): {"content": text, **flags, "special": text in special}
        for text, index in added.items()
    }
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": decoder,
        **_SPECIAL_ROLES,
        "clean_up_tokenization_spaces": False,
        "errors": "replace",
        "model_max_length": 1024,
        "processor_class": "WhisperProcessor",
        "return_attention_mask": False,
        "tokenizer_class": "WhisperTokenizer",
    }


def _write_json(path: Path, content: Any, indent: int | None = 2) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=indent) + "\n", "utf-8")


_SPECIAL_ROLES: dict[str, Any] = {
    "additional_special_tokens": special_tokens(),
    "bos_token": "<|endoftext|>",
    "eos_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
}
