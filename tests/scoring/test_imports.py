"""Scoring runs anywhere: it needs neither torch nor transformers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from utils.scoring import gate, normalizers, predictions, score, statistics
lines = [predictions.Prediction(str(i), "天氣", "天气", "zh") for i in range(3)]
lines.append(predictions.Prediction("e", "twenty one", "21", "en"))
names = {"zh": "chinese", "en": "english"}
found = score.score_predictions(lines, "cer", lambda p: names[p.language])
statistics.compare(found, found)
heavy = {"torch", "transformers", "datasets", "evaluate"} & {m.split(".")[0] for m in sys.modules}
assert not heavy, heavy
"""


def test_scoring_imports_no_torch(repository: Path):
    subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM], cwd=repository, check=True)
