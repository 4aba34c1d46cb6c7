"""A small evaluation with texts that try to break a page, made by evaluation.py itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import evaluation
from utils.cli.errors import run_script

HOSTILE = "<script>document.title='run'</script> \"quoted\" & 'it' </script><img src=x onerror=1>"
# (id, language, reference, hypothesis of the old model, hypothesis of the new one)
LINES = [
    ("zh-1", "zh", "我在家等你", "我再家灯你", "我在家等你"),
    ("zh-2", "zh", "打开客厅的灯", "大开客厅灯", "打开客厅的登"),
    ("en-1", "en", "turn the light off", "turn a light of", "turn the light off"),
    ("ar-1", "ar", "أين تقع أقرب صيدلية", "أين تقع صيدلية", "أين تقع أقرب صيدلية"),
    ("mixed", "zh", "请打开 Apple Music 👋", "请打开 apple", "请打开 apple music"),
    ("bad <b>id</b>", "en", HOSTILE, HOSTILE + " alert", "nothing at all"),
    ("loop", "en", "good morning", "good " * 9, "good morning"),
    ("silence", "en", "", "thank you", ""),
]


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The folder of an evaluation: `new` against `old` on `set`, with a gate that says no."""
    folder = tmp_path_factory.mktemp("evaluated")
    sounds = sorted((repository / "demo" / "zh" / "audio").glob("*test*.flac"))
    (folder / "audio").mkdir()
    manifest = []
    for number, (id, language, reference, _, _) in enumerate(LINES):
        name = f"audio/clip {number}.flac"
        shutil.copyfile(sounds[number], folder / name)
        line = {"audio": {"path": name}, "sentence": reference, "language": language, "id": id}
        line |= {"source": "<i>corpus</i>", "room": "kitchen" if number % 2 else "hall"}
        if reference:
            line["sentences"] = [{"start": 0.1, "end": 1.0, "text": reference}]
        else:
            line["sentences"] = []
        manifest.append(line)
    write_lines(folder / "set.jsonl", manifest)
    for place, model in ((3, "old"), (4, "new")):
        predicted = [
            {
                "id": line[0],
                "hypothesis": line[place],
                "audio_seconds": 1.5,
                "segments": [{"start": 0.1, "end": 1.3, "text": line[place]}],
            }
            for line in LINES
        ]
        write_lines(folder / f"{model}.jsonl", predicted)
    evaluate(folder, "report", gate="substitutions<=0, failed<=0")
    return folder


def write_lines(path: Path, lines: list[dict]) -> None:
    content = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(content, encoding="utf-8")


def evaluate(folder: Path, report: str, **flags: object) -> int:
    """Run evaluation.py on the folder's ready predictions."""
    given = {
        "test_data": folder / "set.jsonl",
        "predictions": folder / "new.jsonl",
        "baseline": folder / "old.jsonl",
        "metric": "mer",
        "report_dir": folder / report,
        **flags,
    }
    arguments = [f"--{name}={value}" for name, value in given.items()]
    return run_script(lambda _: evaluation.main(arguments))


@pytest.fixture
def copied(evaluated: Path, tmp_path: Path) -> Callable[[], Path]:
    """Copy the evaluation's report folder, to be damaged."""

    def copy() -> Path:
        return Path(shutil.copytree(evaluated / "report", tmp_path / "copy"))

    return copy
