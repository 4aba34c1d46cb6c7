"""Added tokens are written, trained, saved, merged and read, and old ids keep their meaning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.data.labels import IGNORED
from utils.manifest.utterance import Utterance
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.adapters.merging import merge_adapter
from utils.model.folders import save_model
from utils.model.load import load_model
from utils.model.loaded import LoadedModel
from utils.model.new_tokens import add_tokens, new_ids, read_tokens

TOKENS = ["catheter", "医保卡", "<|yue|>"]


@pytest.fixture
def grown(tiny_model: Path) -> LoadedModel:
    return add_tokens(load_model(str(tiny_model)), TOKENS)


def logits(model: object, ids: list[int]) -> torch.Tensor:
    features = torch.randn(1, 80, 100, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model(input_features=features, decoder_input_ids=torch.tensor([ids])).logits  # type: ignore


def test_texts_use_the_tokens_and_come_back_as_they_were(grown: LoadedModel) -> None:
    encoder, (word, solid, _) = grown.label_encoder(), new_ids(grown)
    for text, language, token in (
        ("the catheter, and catheters", "en", word),
        ("拿着医保卡去药房", "zh", solid),
    ):
        ids = encoder.text_ids(text, language)
        assert token in ids
        assert encoder.decode(ids) == text


def test_new_ids_follow_the_timestamps_and_old_ones_stay(
    grown: LoadedModel, tiny_model: Path
) -> None:
    before, after = load_model(str(tiny_model)).processor.tokenizer, grown.processor.tokenizer
    assert new_ids(grown) == (51865, 51866, 51867)
    assert grown.label_encoder().timestamp(30.0) == 51864
    old = before.get_vocab()
    assert {name: index for name, index in after.get_vocab().items() if name in old} == old


def test_a_row_begins_as_the_mean_of_what_it_replaces(grown: LoadedModel, tiny_model: Path) -> None:
    before = load_model(str(tiny_model))
    table = before.whisper.get_input_embeddings().weight
    pieces = before.label_encoder().text_ids("catheter", "en")
    assert len(pieces) > 1
    found = grown.whisper.get_input_embeddings().weight
    torch.testing.assert_close(found[51865], table[pieces].mean(0))
    languages = list(before.whisper.generation_config.lang_to_id.values())
    torch.testing.assert_close(found[51867], table[languages].mean(0))
    assert torch.equal(found[:51865], table)


def test_the_projection_stays_tied_and_a_saved_model_knows_the_tokens(
    grown: LoadedModel, tmp_path: Path
) -> None:
    save_model(grown.model, grown.processor, tmp_path)
    loaded = load_model(str(tmp_path))
    for each in (grown, loaded):
        assert each.whisper.proj_out.weight is each.whisper.get_input_embeddings().weight
        assert each.whisper.config.vocab_size == 51868
        assert each.whisper.generation_config.lang_to_id["<|yue|>"] == 51867
    assert new_ids(loaded) == new_ids(grown)
    ids = [50258, 51867, 51865]
    torch.testing.assert_close(logits(loaded.model, ids), logits(grown.model, ids))
    assert loaded.label_encoder().prompt("yue") == [50258, 51867, 50359, 50363]


def test_with_lora_the_new_rows_train_and_are_saved_loaded_and_merged(
    grown: LoadedModel, tiny_model: Path, tmp_path: Path
) -> None:
    plan = AdapterPlan(rank=2, new_tokens=new_ids(grown))
    model = attach_adapter(grown.model, plan, str(tiny_model))
    adapted = replace(grown, model=model, path="adapter")
    encoder = grown.label_encoder(language="en")
    labels = encoder.encode(Utterance(AudioRef("a.wav"), "a catheter", id="a"))
    inputs = torch.tensor([labels.decoder_input_ids])
    targets = torch.tensor([labels.labels])
    features = torch.randn(1, 80, 100)
    found = model(input_features=features, decoder_input_ids=inputs, loss_labels=targets)
    plain = model(input_features=features, decoder_input_ids=inputs).logits
    expected = torch.nn.functional.cross_entropy(
        plain[0], targets[0], ignore_index=IGNORED, reduction="sum"
    )
    torch.testing.assert_close(found.token_loss_sum, expected)
    found.token_loss_sum.backward()
    rows = {n: p for n, p in model.named_parameters() if "trainable_tokens_delta" in n}
    assert [p.shape for p in rows.values()] == [(3, 32)]
    (gradient,) = (p.grad for p in rows.values())
    assert gradient[0].abs().max() > 0
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter), alpha=0.05)
    model.eval()
    ids = [50258, 51865, 51866]
    trained = logits(model, ids)
    save_model(model, grown.processor, tmp_path / "adapter")
    loaded = load_model(str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(loaded.model, ids), trained, atol=1e-5, rtol=0)
    merged = merge_adapter(loaded)
    assert merged.whisper.proj_out.weight is merged.whisper.get_input_embeddings().weight
    save_model(merged.model, merged.processor, tmp_path / "merged")
    again = load_model(str(tmp_path / "merged"))
    torch.testing.assert_close(logits(again.model, ids), trained, atol=1e-5, rtol=0)
    assert adapted.is_adapter and new_ids(again) == new_ids(grown)


def test_timestamp_rules_take_new_tokens_for_text(grown: LoadedModel) -> None:
    from utils.transcription.engines.transformers import TransformersEngine

    rule = TransformersEngine(grown)._timestamp_rule(3)
    start = [50258, 50259, 50359]
    scores = torch.zeros(1, 51868)
    scores[:, 50364:51865] = -20.0  # likely times are forced

    def allowed(ids: list[int]) -> torch.Tensor:
        return rule(torch.tensor([ids]), scores.clone())[0] > -torch.inf

    at_begin = allowed(start)
    assert not at_begin[51865:].any() and at_begin[50364]  # a time comes first
    after_time = allowed([*start, 50364])
    assert after_time[51865:].all() and after_time[1000]
    after_new = allowed([*start, 50364, 51865])
    assert after_new[51866] and after_new[1000] and not after_new[50363]
    after_pair = allowed([*start, 50364, 51865, 50400])
    assert not after_pair[51865:].any() and not after_pair[50399]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "names no token"),
        ("a b\na b\n", "stands there twice"),
        ("the\n", "has the token 'the' already"),
        ("<|en|>\n", "has the token '<|en|>' already"),
        ("<|klingon|>\n", "is no language that a manifest can name"),
    ],
)
def test_tokens_that_cannot_be_added_are_one_sentence(
    tiny_model: Path, tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "tokens.txt"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        add_tokens(load_model(str(tiny_model)), read_tokens(str(file)))
    assert message in caught.value.message
