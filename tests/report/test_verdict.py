"""The verdict: who is better, by how much, how surely; the same sentence in every form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.conftest import evaluate, write_lines
from utils.cli.errors import UserError
from utils.evaluation.results import read_results
from utils.report.compare import compare_with
from utils.report.forms import make_forms
from utils.report.report_data import read_report_data
from utils.report.terminal import format_results
from utils.report.verdict import p_text, surest_first, verdicts

LINES = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ready predictions of three models: one right, one with errors everywhere, one with one."""
    folder = tmp_path_factory.mktemp("verdicts")
    ids = [f"u{number}" for number in range(LINES)]
    manifest = [
        {"audio": {"path": f"{id}.wav"}, "sentence": "turn the light off", "duration": 2.0}
        | {"id": id, "language": "en"}
        for id in ids
    ]
    write_lines(folder / "set.jsonl", manifest)
    texts = {
        "right": ["turn the light off"] * LINES,
        "wrong": ["turn a light"] * LINES,
        "near": ["turn the light"] + ["turn the light off"] * (LINES - 1),
    }
    for model, hypotheses in texts.items():
        lines = [
            {"id": id, "hypothesis": text, "audio_seconds": 2.0}
            for id, text in zip(ids, hypotheses, strict=True)
        ]
        write_lines(folder / f"{model}.jsonl", lines)
    for model in ("right", "near"):
        evaluate(
            folder,
            model,
            predictions=folder / f"{model}.jsonl",
            baseline=folder / "wrong.jsonl",
            metric="wer",
        )
    return folder


def verdict_in(folder: Path, model: str):
    return verdicts(read_results(folder / model / "results.json"))


def test_a_verdict_says_who_is_better_by_how_much_and_how_surely(folder: Path):
    (verdict,) = verdict_in(folder, "right")
    assert verdict.answer == "better"
    assert verdict.names == "right against wrong on set"
    assert verdict.headline == "WER 50.00 → 0.00 %: 50.00 points fewer"
    assert f"p < 0.001; {LINES} utterances better, 0 worse, 0 alike" in verdict.certainty
    low, high = map(float, verdict.certainty.split(";")[0].removeprefix("95 % ").split(" to "))
    assert low <= 50 <= high, "the interval is of the points fewer, not of their negative"


def test_every_form_says_the_same_first(folder: Path, tmp_path: Path):
    path = folder / "right" / "results.json"
    (verdict,) = verdict_in(folder, "right")
    make_forms([path], tmp_path)
    results = read_results(path)
    forms = {name: (tmp_path / name).read_text(encoding="utf-8") for name in ("summary.md",)}
    forms |= {name: (tmp_path / name).read_text(encoding="utf-8") for name in ("comment.md",)}
    forms["model-card.md"] = (tmp_path / "model-card.md").read_text(encoding="utf-8")
    forms["report.md"] = (path.parent / "report.md").read_text(encoding="utf-8")
    forms["terminal"] = format_results(results)
    for name, text in forms.items():
        assert verdict.headline in text, name
        assert verdict.certainty in text, name
    assert forms["terminal"].startswith(verdict.names)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert json.dumps(verdict.headline, ensure_ascii=False) in page


def test_any_results_that_share_a_test_set_are_compared(folder: Path):
    # `wrong` stands in both results; the second file gives only `near`.
    near = json.loads((folder / "near" / "results.json").read_text(encoding="utf-8"))
    near["scores"] = [each for each in near["scores"] if each["model"] == "near"]
    near["comparisons"] = []
    alone = folder / "near" / "alone.json"
    alone.write_text(json.dumps(near), encoding="utf-8")
    data = read_report_data([folder / "right" / "results.json", alone])
    found = {each.model: each for each in verdicts(compare_with(data, ["near"]).results)}
    assert set(found) == {"right", "wrong"}
    assert found["wrong"].answer == "worse"
    assert found["wrong"].headline == "WER 0.42 → 50.00 %: 49.58 points more"
    assert found["right"].answer == "unsure", "one utterance of 60 is no proof"
    assert "which may be chance" in found["right"].headline
    assert [each.answer for each in surest_first(list(found.values()))] == ["worse", "unsure"]
    both = compare_with(data, ["near", "wrong"]).results["comparisons"]
    assert {(each["model"], each["baseline"]) for each in both} == {
        ("right", "near"),
        ("right", "wrong"),
    }


def test_without_a_baseline_a_verdict_is_the_score(folder: Path):
    data = read_report_data([folder / "right" / "results.json"])
    results = {**data.results, "comparisons": []}
    assert [each.answer for each in verdicts(results)] == ["score", "score"]


def test_equal_texts_are_called_identical(folder: Path, tmp_path: Path):
    write_lines(tmp_path / "set.jsonl", [])
    (tmp_path / "set.jsonl").write_bytes((folder / "set.jsonl").read_bytes())
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_bytes((folder / "near.jsonl").read_bytes())
    files = {"predictions": tmp_path / "a.jsonl", "baseline": tmp_path / "b.jsonl"}
    evaluate(tmp_path, "same", metric="wer", **files)
    (verdict,) = verdict_in(tmp_path, "same")
    assert verdict.answer == "identical"
    assert verdict.sentence == (
        "a against b on set: WER 0.42 %: identical, the same text for every utterance"
    )


def test_an_unknown_baseline_is_named_with_the_models_there_are(folder: Path):
    data = read_report_data([folder / "right" / "results.json"])
    with pytest.raises(UserError, match="--baseline=old: the results have no model") as error:
        compare_with(data, ["old"])
    assert "right" in str(error.value.hint) and "wrong" in str(error.value.hint)
    with pytest.raises(UserError, match="nothing can be compared"):
        compare_with(data, ["right", "wrong"])


def test_p_values_are_printed_as_papers_do():
    assert [p_text(p) for p in (0.0341, 0.00099, 0.5, None)] == [
        "p = 0.034",
        "p < 0.001",
        "p = 0.5",
        "",
    ]
