"""A model that knows its language finds the transcripts that were swapped, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest
from utils.model.load import load_model
from utils.transcription.contradictions import contradictions
from utils.transcription.decoding import Decoding
from utils.validation.check import check_manifests


def absolute(utterance: Utterance) -> Utterance:
    path = str(Path(utterance.audio.path).resolve())
    return replace(utterance, audio=replace(utterance.audio, path=path))


def test_swapped_transcripts_are_found_the_worst_first(repository: Path, tmp_path: Path) -> None:
    right = [absolute(each) for each in read_manifest(repository / "demo" / "zh" / "train.jsonl")]
    right = right[:10]
    wrong = list(right)
    for one, other in ((2, 7), (4, 9)):
        wrong[one] = replace(right[one], sentence=right[other].sentence, sentences=None)
        wrong[other] = replace(right[other], sentence=right[one].sentence, sentences=None)
    manifest = tmp_path / "swapped.json"
    write_manifest(manifest, wrong)
    model = load_model(str(repository / "demo" / "base"))
    look = contradictions(model, Decoding(language="zh", batch_size=5))
    found = [
        each
        for each in check_manifests([manifest], inspectors=[look]).findings
        if each.kind == "contradicted by the model"
    ]
    assert [each.line for each in found] == [3, 5, 8, 10]
    assert all(each.weight >= 1.5 for each in found)
    write_manifest(manifest, right)
    assert look(check_manifests([manifest]).lines) is not None
    assert list(look(check_manifests([manifest]).lines)) == []
