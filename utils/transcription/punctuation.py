"""Punctuation by a local token-classification model: each token's class is the mark after it.

Models of this kind: `p208p2002/zh-wiki-punctuation-restore` (labels such as `S-，`),
`Qishuai/distilbert_punctuator_zh` (`C_COMMA`), `oliverguhr/fullstop-punctuation-multilang-large`
(`,`), and others whose labels are marks or their names. Marks are only ever put between the words
that are there: no word is changed.

B batch, T tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from utils.cli.errors import UserError
from utils.manifest.joining import HAN

# Names in labels, without their prefixes.
_NAMES = {
    "COMMA": ",",
    "PERIOD": ".",
    "FULLSTOP": ".",
    "QUESTION": "?",
    "QUESTIONMARK": "?",
    "EXCLAMATION": "!",
    "EXCLAMATIONMARK": "!",
    "EXLAMATIONMARK": "!",  # as distilbert_punctuator_zh spells it
    "COLON": ":",
    "SEMICOLON": ";",
    "DUNHAO": "、",
}
_WIDE = {",": "，", ".": "。", "?": "？", "!": "！", ":": "：", ";": "；", "、": "、"}
_NARROW = {wide: narrow for narrow, wide in _WIDE.items()} | {"、": ","}
_PREFIX = re.compile(r"^(?:[A-Z]-|C_)")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "sentencepiece.bpe.model", "spiece.model")
# Windows of a long text share so many tokens, to have what stands around each.
_SHARED_TOKENS = 32


class Punctuator:
    """Puts marks into texts.

    Args:
        path: folder of a token-classification model in safetensors with a fast tokenizer.

    Raises:
        UserError: there is no such model, or its labels are no marks.
    """

    def __init__(self, path: str) -> None:
        # Without its files transformers would make up an empty tokenizer.
        has_tokenizer = any(Path(path, name).is_file() for name in _TOKENIZER_FILES)
        if not Path(path, "config.json").is_file() or not has_tokenizer:
            lacking = "tokenizer.json" if Path(path, "config.json").is_file() else "config.json"
            raise UserError(
                f"{path} is no folder with a punctuation model: it has no {lacking}",
                "--add_pun names a local token-classification model, such as a copy of "
                "p208p2002/zh-wiki-punctuation-restore",
            )
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
            self.model = AutoModelForTokenClassification.from_pretrained(
                path, local_files_only=True, use_safetensors=True
            ).eval()
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(
                f"the punctuation model {path} cannot be loaded: {reason}",
                "it needs config.json, model.safetensors and the tokenizer's files",
            ) from None
        labels = self.model.config.id2label
        self.marks = {int(index): mark_of(label) for index, label in labels.items()}
        if not any(self.marks.values()):
            raise UserError(
                f"the labels of {path} are no punctuation: {', '.join(map(str, labels.values()))}",
                "expected marks or their names, such as O, S-，, COMMA",
            )

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> list[str]:
        """Punctuate texts.

        Args:
            texts: without punctuation, of any length.

        Returns:
            The texts with marks, full-width after Han characters.
        """
        most = min(self.tokenizer.model_max_length, self.model.config.max_position_embeddings)
        encoded = self.tokenizer(
            list(texts),
            truncation=True,
            max_length=most,
            stride=min(_SHARED_TOKENS, most // 4),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
            return_tensors="pt",
        )
        offsets = encoded.pop("offset_mapping").tolist()
        origins = encoded.pop("overflow_to_sample_mapping").tolist()
        best = self.model(**encoded.to(self.model.device)).logits.argmax(-1).tolist()
        # Of a token that two windows share, the one counts in which it lies further inside.
        chosen: list[dict[int, tuple[int, str]]] = [{} for _ in texts]
        for origin, spans, classes in zip(origins, offsets, best, strict=True):
            real = [place for place, (start, end) in enumerate(spans) if end > start]
            for place in real:
                end, inside = spans[place][1], min(place - real[0], real[-1] - place)
                if inside >= chosen[origin].get(end, (-1, ""))[0]:
                    chosen[origin][end] = inside, self.marks[classes[place]]
        return [_with_marks(text, ends) for text, ends in zip(texts, chosen, strict=True)]


def mark_of(label: str) -> str:
    """Return the mark that a class stands for, "" where it stands for none.

    >>> [mark_of(label) for label in ("O", "S-，", "C_DUNHAO", "PERIOD", "?", "0")]
    ['', ',', '、', '.', '?', '']
    """
    plain = _PREFIX.sub("", str(label).strip())
    if plain in _WIDE:
        return plain
    if plain in _NARROW:
        return _NARROW[plain]
    return _NAMES.get(plain.upper().replace("_", ""), "")


def _with_marks(text: str, ends: dict[int, tuple[int, str]]) -> str:
    """Put marks after the characters at which tokens end."""
    pieces, position = [], 0
    for end in sorted(ends):
        mark = ends[end][1]
        if mark and not _stands_in_a_word(text, end) and text[end : end + 1] not in _NARROW:
            before = text[position:end]
            is_han = HAN.match(text[end - 1])
            pieces += [before, _WIDE[mark] if is_han else _NARROW[_WIDE[mark]]]
            position = end
    return "".join([*pieces, text[position:]])


def _stands_in_a_word(text: str, place: int) -> bool:
    """Whether a mark at `place` would cut a word in two, as Han characters never are."""
    around = text[place - 1 : place + 1]
    return len(around) == 2 and all(each.isalnum() and not HAN.match(each) for each in around)
