"""The validation page is one file that holds what was found, whatever the texts are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import soundfile

from utils.report.page.validation_page import page_data, write_validation_page
from utils.validation.check import check_manifests
from utils.validation.diagnosis import Diagnosis

NASTY = "</script><script>alert('x')</script> /*SCRIPT*/ \u2028 & 'quotes\" 今天"


def diagnosed(folder: Path) -> Diagnosis:
    rng = np.random.default_rng(0)
    sounds = folder / "a # b"
    sounds.mkdir()
    lines = []
    for number in range(3):
        samples = rng.uniform(-0.2, 0.2, 16_000 * (1 + number))
        soundfile.write(sounds / f"{number}?.wav", samples, 16_000)
        audio = {"path": f"a # b/{number}?.wav"}
        lines.append({"audio": audio, "sentence": "some words", "id": f"u{number}"})
    lines[1]["sentence"] = NASTY
    lines[2]["audio"] |= {"start_time": 1.0, "end_time": 4.0}
    manifest = folder / "m.json"
    manifest.write_text("\n".join(map(json.dumps, lines)))
    return check_manifests([manifest])


def test_the_page_holds_its_data_and_asks_for_nothing_else(tmp_path: Path) -> None:
    diagnosis = diagnosed(tmp_path)
    page = tmp_path / "out" / "check.html"
    write_validation_page(diagnosis, page)
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"<(?:link|img|iframe)\b|innerHTML|/\*STYLE\*/", text)
    data = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert len(data) == 1
    assert json.loads(data[0]) == json.loads(json.dumps(page_data(diagnosis, page)))
    assert text.count("<script") == 2
    assert any(each["text"] == NASTY for each in json.loads(data[0])["findings"])


def test_the_worst_come_first_and_play_from_where_the_page_lies(tmp_path: Path) -> None:
    data = page_data(diagnosed(tmp_path), tmp_path / "out" / "check.html")
    order = [each["severity"] for each in data["findings"]]
    assert order == sorted(order, key=["error", "warning", "note"].index)
    assert data["findings"][0]["kind"] == "piece outside the file"
    assert data["findings"][0]["audio"] == "../a%20%23%20b/2%3F.wav#t=1,4"
    assert [sum(each["counts"]) for each in data["histograms"]] == [3, 3, 3]
