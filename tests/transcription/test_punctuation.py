"""A punctuation model puts marks between words and changes no word."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast

from utils.cli.errors import UserError
from utils.sources.text.punctuated import punctuate_once
from utils.transcription.punctuation import Punctuator, mark_of

LABELS = ("O", "S-，", "S-。", "S-？")
LEARNED = ["今天天气很好，我们去公园吧。", "你好吗？", "我要听hip hop。"]


def bare(text: str) -> str:
    return "".join(each for each in text if each not in "，。？")


def make_model(folder: Path) -> Path:
    """Write a one-layer BERT that knows the sentences of `LEARNED` by heart."""
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *sorted(set(bare("".join(LEARNED)))), "hip", "hop"]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Whitespace(),
            pre_tokenizers.Split(pattern=Regex("[一-鿿]"), behavior="isolated"),
        ]
    )
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", model_max_length=16
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    model = BertForTokenClassification(config)
    learn(model, tokenizer)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def learn(model: BertForTokenClassification, tokenizer: PreTrainedTokenizerFast) -> None:
    texts = [bare(each) for each in LEARNED]
    batch = tokenizer(texts, padding=True, return_offsets_mapping=True, return_tensors="pt")
    labels = torch.full(batch["input_ids"].shape, -100)
    for row, (text, spans) in enumerate(
        zip(LEARNED, batch.pop("offset_mapping").tolist(), strict=True)
    ):
        marks, length = {}, 0
        for each in text:
            if each in "，。？":
                marks[length] = LABELS.index(f"S-{each}")
            else:
                length += 1
        for place, (start, end) in enumerate(spans):
            if end > start:
                labels[row, place] = marks.get(end, 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        loss = model(**batch, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.fixture(scope="module")
def punctuation_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("punctuation"))


def test_marks_come_where_the_model_has_learned_them(punctuation_model: Path) -> None:
    punctuator = Punctuator(str(punctuation_model))
    # After a Latin word the mark is a narrow one.
    expected = [*LEARNED[:2], "我要听hip hop."]
    assert punctuator([bare(each) for each in LEARNED]) == expected


def test_no_word_is_changed_however_long_the_text(punctuation_model: Path) -> None:
    punctuator = Punctuator(str(punctuation_model))
    long = bare("".join(LEARNED)) * 20
    texts = [long, "", "𠮷 unknown words 1.5", "我"]
    for text, answer in zip(texts, punctuator(texts), strict=True):
        without = [each for each in answer if each not in "，。？,.?"]
        assert "".join(without) == text.replace(".", "")
        assert all(each in answer for each in text)
    assert punctuator([long])[0].count("公园吧。") == 20


@pytest.mark.parametrize(
    ("label", "mark"),
    [
        *[("O", ""), ("0", ""), ("LABEL_1", ""), ("-", "")],
        *[("S-，", ","), ("C_COMMA", ","), (",", ","), ("B-COMMA", ",")],
        *[("S-、", "、"), ("C_DUNHAO", "、"), ("PERIOD", "."), ("S-。", ".")],
        *[("QUESTION", "?"), ("C_QUESTIONMARK", "?"), ("C_EXLAMATIONMARK", "!"), ("S-；", ";")],
    ],
)
def test_labels_are_read_as_marks(label: str, mark: str) -> None:
    assert mark_of(label) == mark


def test_what_is_no_punctuation_model_is_named(tmp_path: Path, punctuation_model: Path) -> None:
    with pytest.raises(UserError, match=r"is no folder with a punctuation model"):
        Punctuator(str(tmp_path))
    model = BertForTokenClassification.from_pretrained(punctuation_model)
    model.config.id2label = {0: "PER", 1: "LOC", 2: "ORG", 3: "O"}
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"it has no tokenizer\.json"):
        Punctuator(str(tmp_path))
    PreTrainedTokenizerFast.from_pretrained(punctuation_model).save_pretrained(tmp_path)
    with pytest.raises(UserError, match="are no punctuation: PER, LOC, ORG, O"):
        Punctuator(str(tmp_path))


def test_each_text_is_asked_for_once_even_after_a_kill(tmp_path: Path) -> None:
    memory = tmp_path / "audio" / "answers.jsonl"
    asked: list[str] = []

    def punctuate(texts: list[str]) -> list[str]:
        asked.extend(texts)
        return [f"{each}。" for each in texts]

    punctuate_once(["一", "二", "一"], punctuate, memory)
    # Killed while it wrote the last line.
    memory.write_bytes(memory.read_bytes()[:-4])
    answers = punctuate_once(["一", "二", "三"], punctuate, memory)
    assert asked == ["一", "二", "二", "三"]
    assert answers == {"一": "一。", "二": "二。", "三": "三。"}
    assert punctuate_once(["一", "二", "三"], punctuate, memory) == answers
    assert len(asked) == 4
