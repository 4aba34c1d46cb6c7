"""Ready predictions of a large test set are read in linear time."""

from __future__ import annotations

import json
import time
from pathlib import Path

from utils.evaluation.models_and_sets import Model, TestSet
from utils.evaluation.ready_predictions import read_ready
from utils.evaluation.settings import EvaluationSettings
from utils.manifest.utterance import Utterance

COUNT = 20_000


def test_twenty_thousand_predictions_take_a_moment(tmp_path: Path):
    lines = [
        {"id": str(n), "sentence": "a", "audio": {"path": "a.wav"}, "duration": 300}
        for n in range(COUNT)
    ]
    utterances = [Utterance.from_json(line, default_id="") for line in lines]
    path = tmp_path / "theirs.jsonl"
    others = [{"id": f"x{n}", "hypothesis": "a"} for n in range(COUNT)]
    predicted = [{"id": str(n), "hypothesis": "a"} for n in range(COUNT)]
    path.write_text("".join(json.dumps(each) + "\n" for each in predicted + others))
    test_set = TestSet(EvaluationSettings(), "", utterances, (), "test.json", "test")
    started = time.process_time()
    ready = read_ready(Model("theirs", str(path), {"test": str(path)}), test_set)
    assert time.process_time() - started < 10  # it was minutes
    assert len(ready.extra) == COUNT
    assert {each.audio_seconds for each in ready.predictions} == {300}
