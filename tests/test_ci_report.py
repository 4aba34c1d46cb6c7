"""The example pipelines run what `make ci-report` runs, and a planted regression is caught."""

from __future__ import annotations

import shlex
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

import evaluation
from demo import ci_report
from utils.cli.errors import Failure, run_script
from utils.manifest.read import read_manifest
from utils.scoring.predictions import Prediction, write_predictions

OUT = Path("output/ci")


def commands(path: Path) -> list[list[str]]:
    """All python commands that stand anywhere in a YAML file."""
    found = []

    def walk(value: object) -> None:
        if isinstance(value, str) and value.startswith("python "):
            found.append([word.removesuffix("/") for word in shlex.split(value)[1:]])
        for each in value.values() if isinstance(value, dict) else ():
            walk(each)
        for each in value if isinstance(value, list) else ():
            walk(each)

    walk(yaml.safe_load(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_an_example_pipeline_runs_what_is_run_here(repository: Path, name: str):
    train, evaluate = commands(repository / "deploy" / "ci" / name)
    assert set(evaluate) == set(ci_report.evaluate_command(OUT))
    local = "--overwrite_output_dir=True"  # a runner starts with an empty folder
    assert {*train, local} == set(ci_report.train_command(OUT, 80))


@pytest.fixture
def tuned(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Predictions of a model that is right but for one utterance of each set."""
    monkeypatch.chdir(repository)
    for name in ("zh", "en"):
        lines = [
            Prediction(each.id, each.sentence, each.sentence, name)
            for each in read_manifest(repository / "demo" / name / "test.jsonl")
        ]
        lines[1] = Prediction(lines[1].id, lines[1].reference, "", name)
        write_predictions(tmp_path / "tuned" / "predictions" / f"tuned--{name}.jsonl", lines)
    return tmp_path


def test_the_workflow_keeps_what_is_packed_here(repository: Path, tuned: Path):
    text = (repository / "deploy" / "ci" / "github.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(text)["jobs"]["evaluate"]["steps"]
    (kept,) = (step["with"]["path"] for step in steps if "upload-artifact" in step.get("uses", ""))
    folder = [f"output/ci/{each.removesuffix('*')}" for each in ci_report.KEPT[-1:]]
    assert kept.split() == [f"output/ci/{each}" for each in ci_report.KEPT[:-1]] + folder
    with pytest.raises(Failure, match=r"there is no .*tuned/\*\.html"):
        ci_report.pack_artifact(tuned)
    for name in ("report.html", "results.json", "junit.xml", "comment.md"):
        (tuned / "tuned" / name).write_text("x", encoding="utf-8")
    ci_report.pack_artifact(tuned)
    with zipfile.ZipFile(tuned / "evaluation.zip") as packed:
        assert {"tuned/report.html", "tuned/predictions/tuned--zh.jsonl"} <= {*packed.namelist()}


def test_a_planted_regression_ends_in_3_and_its_lines_stand_first(tuned: Path):
    spoilt = ci_report.plant_regression(tuned)
    _, *flags = ci_report.regression_command(tuned)
    code = run_script(lambda _: evaluation.main(flags))
    assert code == 3
    ci_report.expect_caught(code, tuned / "regression", spoilt)
    with pytest.raises(Failure, match="expected 3"):
        ci_report.expect_caught(0, tuned / "regression", spoilt)
    with pytest.raises(Failure, match="names"):
        ci_report.expect_caught(3, tuned / "regression", ["zh-test-001"])


def test_reports_that_are_missing_or_too_large_are_named(tuned: Path):
    ci_report.plant_regression(tuned)
    _, *flags = ci_report.regression_command(tuned)
    run_script(lambda _: evaluation.main(flags))
    folder, step = tuned / "regression", tuned / "step.md"
    shutil.copyfile(folder / "summary.md", step)
    ci_report.expect_reports(folder, step)
    (folder / "comment.md").write_text("x" * 70_000, encoding="utf-8")
    with pytest.raises(Failure, match=r"comment\.md has 70000 bytes"):
        ci_report.expect_reports(folder, step)
    (folder / "junit.xml").unlink()
    (folder / "comment.md").write_text("x", encoding="utf-8")
    with pytest.raises(Failure, match=r"junit\.xml was not made"):
        ci_report.expect_reports(folder, step)
