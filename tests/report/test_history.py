"""The trend over runs: every results file a point, and none that does not compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import report
from utils.cli.errors import UserError, run_script
from utils.report.history import read_history
from utils.report.report_data import read_report_data


@pytest.fixture
def earlier(evaluated: Path, tmp_path: Path) -> Path:
    """A folder of three earlier runs: two dated out of the order of their names, one undated."""
    now = json.loads((evaluated / "report" / "results.json").read_text(encoding="utf-8"))
    for name, date, rate in (
        ("a", "2026-03-02T00:00:00Z", 0.4),
        ("b", "2026-03-01T00:00:00Z", 0.5),
        ("old", "", 0.6),
    ):
        written = json.loads(json.dumps(now))
        written["made"] = {"date": date, "commit": name * 12} if date else {}
        for score in written["scores"]:
            score["rate"] = rate
        write(tmp_path / "runs" / name / "results.json", written)
    return tmp_path / "runs"


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_runs_stand_in_the_order_of_their_dates_and_this_one_is_the_last(
    evaluated: Path, earlier: Path
):
    now = read_report_data([evaluated / "report" / "results.json"])
    trend = [each for each in read_history(earlier, now) if each.model == "new"]
    assert [each.run for each in trend[:3]] == ["old", "b" * 9, "a" * 9]
    stated = next(s for s in now.results["scores"] if s["model"] == "new")
    assert [each.rate for each in trend] == [0.6, 0.5, 0.4, stated["rate"]]
    assert trend[-1].interval == tuple(stated["interval"])


def test_results_that_lie_in_the_folder_are_one_point(evaluated: Path):
    now = read_report_data([evaluated / "report" / "results.json"])
    trend = read_history(evaluated / "report", now)
    assert [each.model for each in trend] == ["old", "new"]


def test_the_trend_is_a_table_of_report_md_and_the_summary(
    evaluated: Path, earlier: Path, tmp_path: Path
):
    flags = [f"--results={evaluated}/report/results.json", f"--history={earlier}"]
    assert run_script(lambda _: report.main([*flags, f"--output_dir={tmp_path}/out"])) == 0
    for name in ("report.md", "summary.md"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        assert "| set | new | aaaaaaaaa | 2026-03-02 00:00 | MER 40.00 % |" in text
        assert "−10.00 points" in text


def test_another_test_set_or_normalizer_is_not_compared(
    evaluated: Path, earlier: Path, tmp_path: Path
):
    path = earlier / "a" / "results.json"
    changed = json.loads(path.read_text(encoding="utf-8"))
    for score in changed["scores"]:
        score["manifest_sha256"] = "0" * 64
    write(path, changed)
    flags = [f"--results={evaluated}/report/results.json", f"--history={earlier}"]
    run_script(lambda _: report.main([*flags, f"--output_dir={tmp_path}/out", "--forms=markdown"]))
    lines = (tmp_path / "out" / "report.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| set | new |")]
    assert ["other test set or scoring" in row for row in rows] == [False, False, True, True]


def test_a_damaged_file_is_named_and_the_others_are_shown(
    evaluated: Path, earlier: Path, capsys: pytest.CaptureFixture[str]
):
    (earlier / "a" / "results.json").write_text('{"schema": 1, "scores": [', encoding="utf-8")
    now = read_report_data([evaluated / "report" / "results.json"])
    assert [each.run for each in read_history(earlier, now)][:4:2] == ["old", "b" * 9]
    assert f"{earlier}/a/results.json" in capsys.readouterr().err


def test_bad_folders_are_told(evaluated: Path, tmp_path: Path):
    now = read_report_data([evaluated / "report" / "results.json"])
    with pytest.raises(UserError, match="no such folder"):
        read_history(tmp_path / "none", now)
    with pytest.raises(UserError, match=r"holds no results\.json"):
        read_history(tmp_path, now)
    write(tmp_path / "results.json", {"schema": 7})
    with pytest.raises(UserError, match="none of its 1 results files"):
        read_history(tmp_path, now)
