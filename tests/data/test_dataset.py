"""What is done to an example depends on the seed, the example and the pass, and on nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from utils.audio.augmentation.effects import SpecAugment, Volume
from utils.audio.augmentation.pipeline import Augmenter
from utils.data.batching import Collator, ExampleKey
from utils.data.dataset import SpeechDataset
from utils.data.make_table import training_table
from utils.manifest.read import read_manifest
from utils.model.load import load_model
from utils.model.loaded import LoadedModel

AUGMENTER = Augmenter(((0.5, Volume(-12.0, -3.0)), (1.0, SpecAugment())))


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> LoadedModel:
    return load_model(str(tiny_model))


def dataset(loaded: LoadedModel, manifest: Path, seed: int = 0) -> SpeechDataset:
    encoder = loaded.label_encoder(language="zh")
    table = training_table(read_manifest(manifest), encoder, 0.5, 30.0)
    return SpeechDataset(table, encoder, AUGMENTER, seed)


def test_the_sound_of_an_example_is_drawn_anew_in_each_pass(
    loaded: LoadedModel, speech_manifest: Path
) -> None:
    first, again = (dataset(loaded, speech_manifest) for _ in range(2))
    plain = [example.samples for example in SpeechDataset(first.table, first.encoder)]
    passes = range(12)
    drawn = np.array(
        [
            [float(np.abs(first[ExampleKey(row, n, 0.0)].samples).max()) for row in range(9)]
            for n in passes
        ]
    )
    # Later and alone, the same.
    for row, n in ((8, 11), (0, 3), (5, 0)):
        level = float(np.abs(again[ExampleKey(row, n, 0.0)].samples).max())
        assert level == drawn[n, row]
    levels = drawn / [np.abs(samples).max() for samples in plain]
    softer = levels < 0.999
    assert softer.mean() == pytest.approx(0.5, abs=0.15)  # 108 draws
    assert len(np.unique(levels[softer])) == softer.sum()  # no two of them the same
    other = dataset(loaded, speech_manifest, seed=1)
    assert any(
        float(np.abs(other[ExampleKey(row, 0, 0.0)].samples).max()) != drawn[0, row]
        for row in range(9)
    )


def test_masks_do_not_depend_on_the_batch(loaded: LoadedModel, speech_manifest: Path) -> None:
    examples = dataset(loaded, speech_manifest)
    collate = Collator(loaded.log_mel, 50257, AUGMENTER)
    keys = [ExampleKey(row, 0, 3.0) for row in (1, 4)]
    together = collate([examples[key] for key in keys])["input_features"]
    alone = [collate([examples[key]])["input_features"][0] for key in keys]
    for row, features in zip(together, alone, strict=True):
        assert torch.equal(row, features)
    later = collate([examples[ExampleKey(1, 1, 3.0)]])["input_features"][0]
    assert not torch.equal(later, alone[0])
