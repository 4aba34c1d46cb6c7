"""With a variable-length audio context an encoder learns the states that it has on 30 s."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from utils.cli.errors import UserError
from utils.data.batching import BatchPlan, ExampleKey
from utils.data.dataset import SpeechDataset
from utils.data.make_table import training_table
from utils.manifest.read import read_manifest
from utils.model.adapters.attach import AdapterPlan, attach_adapter
from utils.model.load import load_model
from utils.model.loaded import LoadedModel
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.training.audio_context.feature_matching import (
    FeatureMatcher,
    FeatureMatchingOptions,
    PairCollator,
    match_features,
)
from utils.transcription.transcribe import Decoding, transcribe

PLAN = BatchPlan(4, full_share=0.0, seed=1)


def with_adapter(loaded: LoadedModel) -> LoadedModel:
    return replace(
        loaded, model=attach_adapter(loaded.model, AdapterPlan(rank=8, alpha=16), loaded.path)
    )


def dataset_of(loaded: LoadedModel, manifest: Path) -> SpeechDataset:
    encoder = loaded.label_encoder(language="zh")
    return SpeechDataset(training_table(read_manifest(manifest), encoder, 0.5, 30), encoder)


@pytest.mark.parametrize("kind", ["adapter", "all weights"])
def test_cut_windows_come_to_mean_what_full_windows_do(
    demo_model: Path, repository: Path, kind: str
) -> None:
    loaded = load_model(str(demo_model))
    if kind == "adapter":
        loaded = with_adapter(loaded)
    loaded.model.eval()
    dev = [repository / "demo" / language / "dev.jsonl" for language in ("zh", "en")]
    unheard = [utterance for manifest in dev for utterance in list(read_manifest(manifest))[:8]]
    matcher = FeatureMatcher(loaded)
    clips = dataset_of(loaded, dev[0])
    pair = PairCollator(loaded.log_mel)([clips[ExampleKey(row, 0, 0.0)] for row in range(8)])

    def transcribed(context: str) -> list[Prediction]:
        decoding = Decoding(
            language="zh", audio_context=context, max_new_tokens=20, temperature_fallback=False
        )
        return transcribe(loaded, unheard, decoding)

    full = [prediction.hypothesis for prediction in transcribed("full")]

    def disagreement() -> float:
        """Character errors on variable-length windows, the texts of full windows being right."""
        pairs = zip(transcribed("dynamic"), full, strict=True)
        predictions = [replace(cut, reference=text) for cut, text in pairs]
        return score_predictions(predictions, "cer", lambda _: "none").rate

    @torch.no_grad()
    def distance() -> float:
        return float(matcher.distance_sum(pair)) / sum(pair.positions)

    far, different = distance(), disagreement()
    data = dataset_of(loaded, repository / "demo" / "zh" / "train.jsonl")
    rate = 1e-3 if kind == "adapter" else 3e-4
    assert len(match_features(loaded, data, PLAN, FeatureMatchingOptions(24, rate))) == 24
    assert distance() < 0.75 * far
    assert disagreement() < 0.9 * different


def test_an_adapter_not_yet_trained_is_as_far_away_as_its_base(
    demo_model: Path, repository: Path
) -> None:
    manifest = repository / "demo" / "zh" / "dev.jsonl"
    first = []
    for change in (lambda loaded: loaded, with_adapter):
        loaded = change(load_model(str(demo_model)))
        first += match_features(
            loaded, dataset_of(loaded, manifest), PLAN, FeatureMatchingOptions(1, 1e-3)
        )
    assert first[0] == pytest.approx(first[1], rel=1e-4)
    assert first[0] > 1e-4


def test_only_the_encoder_moves_and_the_same_way_each_time(
    tiny_model: Path, speech_manifest: Path
) -> None:
    before = load_model(str(tiny_model)).whisper.state_dict()
    after = []
    for _ in range(2):
        loaded = load_model(str(tiny_model))
        match_features(
            loaded, dataset_of(loaded, speech_manifest), PLAN, FeatureMatchingOptions(5, 1e-3)
        )
        after.append(loaded.whisper.state_dict())
        assert not loaded.model.training
    moved = {name for name, value in before.items() if not torch.equal(value, after[0][name])}
    assert moved
    assert all(name.startswith("model.encoder.") for name in moved)
    assert all(torch.equal(after[0][name], after[1][name]) for name in before)


def test_the_distance_does_not_depend_on_how_a_step_is_cut(
    tiny_model: Path, speech_manifest: Path
) -> None:
    found = []
    for micro, accumulation in ((4, 1), (2, 2), (1, 4)):
        loaded = load_model(str(tiny_model))
        plan = replace(PLAN, micro_batch=micro, accumulation=accumulation)
        data = dataset_of(loaded, speech_manifest)
        found.append(match_features(loaded, data, plan, FeatureMatchingOptions(4, 1e-3)))
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    assert found[2] == pytest.approx(found[0], rel=1e-4)


def test_an_encoder_that_cannot_move_is_refused(tiny_model: Path) -> None:
    loaded = load_model(str(tiny_model))
    loaded.model.freeze_encoder()
    with pytest.raises(UserError, match="none of it is trainable"):
        FeatureMatcher(loaded)
