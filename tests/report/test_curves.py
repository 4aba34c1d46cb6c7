"""Pictures of training runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from utils.cli.errors import UserError
from utils.report.figures.curves import _draw_error, draw_curves, new_figure, read_metrics

EVENTS = [
    {"step": 10, "loss": 2.0, "learning_rate": 1e-3},
    {"step": 10, "dev_loss": 2.1, "dev_cer": 0.6},
    {"step": 20, "loss": 1.0, "learning_rate": 5e-4},
    {"step": 20, "dev_loss": 1.4, "dev_cer": 0.2},
]
PNG = b"\x89PNG\r\n\x1a\n"


def metrics(path: Path, events: list[dict[str, float]]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


def test_a_run_becomes_a_picture(tmp_path: Path):
    picture = tmp_path / "pictures" / "curves.png"
    draw_curves({"zh": metrics(tmp_path / "m.jsonl", EVENTS)}, picture)
    assert picture.read_bytes().startswith(PNG)


def test_bars_of_before_and_after_stand_beside_the_curves(tmp_path: Path):
    path = metrics(tmp_path / "m.jsonl", EVENTS)
    bars = {"zh CER": {"base": 0.5, "tuned": 0.1}, "en WER": {"base": 0.6}}
    draw_curves({"zh": path}, tmp_path / "without.png")
    draw_curves({"zh": path, "en": path}, tmp_path / "with.png", bars=bars)
    assert (tmp_path / "with.png").stat().st_size > (tmp_path / "without.png").stat().st_size


def test_the_best_checkpoint_is_marked_and_the_dev_interval_shaded():
    events = [
        {"step": 10, "dev_cer": 0.6, "dev_cer_low": 0.5, "dev_cer_high": 0.7},
        {"step": 20, "dev_cer": 0.2, "dev_cer_low": 0.1, "dev_cer_high": 0.3},
        {"step": 30, "dev_cer": 0.2, "dev_cer_low": 0.1, "dev_cer_high": 0.4},
    ]
    _, axes = new_figure()
    _draw_error(axes, {"zh": events})
    (star,) = (line for line in axes.lines if line.get_marker() == "*")
    assert star.get_xydata().tolist() == [[20, 20]]
    assert [text.get_text() for text in axes.texts] == ["best 20.0"]
    (band,) = axes.collections
    corners = {tuple(point) for point in band.get_paths()[0].vertices.round(6).tolist()}
    assert {(10, 50), (10, 70), (20, 10), (20, 30), (30, 10), (30, 40)} <= corners


def test_the_same_run_gives_the_same_picture(tmp_path: Path):
    path = metrics(tmp_path / "m.jsonl", EVENTS)
    for name in ("one.png", "two.png"):
        draw_curves({"zh": path}, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


@pytest.mark.parametrize("events", [[], EVENTS[:1]])
def test_a_run_that_logged_little_still_has_its_picture(
    tmp_path: Path, events: list[dict[str, float]]
):
    draw_curves({"zh": metrics(tmp_path / "m.jsonl", events)}, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(PNG)


def test_a_damaged_line_is_named_and_the_old_picture_stays(tmp_path: Path):
    path = metrics(tmp_path / "m.jsonl", EVENTS)
    picture = tmp_path / "c.png"
    picture.write_bytes(b"old")
    path.write_text(path.read_text(encoding="utf-8") + '{"step": 3', encoding="utf-8")
    with pytest.raises(UserError, match=r"m\.jsonl, line 5"):
        draw_curves({"zh": path}, picture)
    assert picture.read_bytes() == b"old"


def test_a_missing_run_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="no such metrics file"):
        read_metrics(tmp_path / "none.jsonl")
