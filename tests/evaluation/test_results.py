"""results.json: its fields are a promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from utils.cli.errors import UserError
from utils.evaluation.results import (
    Compared,
    Evaluated,
    Results,
    build_results,
    read_results,
    set_name,
    write_results,
)
from utils.report.markdown import aligned_lines, format_report
from utils.report.terminal import format_results
from utils.scoring.gate import answer_gate, parse_gate
from utils.scoring.measures import Measured
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions
from utils.scoring.statistics import compare, rate_interval

REFERENCES = [("u1", "今天天氣很好"), ("u2", "打开WiFi"), ("u3", ""), ("u4", "再见")]


def evaluated(name: str, *hypotheses: str, failed: str = "") -> Evaluated:
    lines = [
        Prediction(id, reference, text, "zh", "failed" if id == failed else "ok", 1.25)
        for (id, reference), text in zip(REFERENCES, hypotheses, strict=True)
    ]
    score = score_predictions(lines, "cer", "chinese")
    return Evaluated(
        model=name,
        score=score,
        interval=rate_interval(score),
        test_data="dataset/test.json",
        manifest_sha256="0" * 64,
        model_path=f"models/{name}",
        model_sha256="1" * 64,
        decoding={"language": "zh", "num_beams": 1},
        dropped_utterances=2,
        predictions=f"output/evaluation/predictions/{name}--test.jsonl",
        audio_seconds=5.0,
    )


NEW = evaluated("new", "今天天气很好", "打开wi fi", "", "再", failed="")
OLD = evaluated("old", "今天田七好", "大开wifi", "嗯嗯", "再见", failed="u4")


@pytest.fixture
def results() -> Results:
    comparison = compare(NEW.score, OLD.score)
    measured = Measured("new", NEW.score, NEW.interval, "old", comparison)
    gate = answer_gate(parse_gate("cer<=1, failed<=0"), [measured])
    compared = Compared("new", "old", "dataset/test.json", "cer", comparison)
    return build_results([OLD, NEW], [compared], gate)


def test_the_published_fields_of_a_score_are_there(results: Results):
    assert results["schema"] == 1
    old = results["scores"][0]
    assert {
        "model": "old",
        "test_data": "dataset/test.json",
        "metric": "cer",
        "normalizer": "chinese@2",
        "errors": 8,
        "substitutions": 3,
        "deletions": 3,
        "insertions": 2,
        "reference_tokens": 14,
        "utterances": 4,
        "failed": 1,
        "no_speech_utterances": 1,
        "no_speech_insertions": 2,
        "dropped_utterances": 2,
        "manifest_sha256": "0" * 64,
        "model_sha256": "1" * 64,
        "decoding": {"language": "zh", "num_beams": 1},
        "audio_seconds": 5.0,
    }.items() <= old.items()
    assert old["rate"] == old["errors"] / old["reference_tokens"]
    assert old["interval"][0] <= old["rate"] <= old["interval"][1]
    assert old["mean_utterance_rate"] != old["rate"]
    assert set(old["raw"]) == {
        "rate",
        "errors",
        "substitutions",
        "deletions",
        "insertions",
        "reference_tokens",
        "utterances",
        "failed",
        "missing",
    }
    assert old["raw"]["errors"] == 10  # the two capitals of WiFi as well


def test_a_comparison_says_how_much_how_surely_and_where(results: Results):
    (comparison,) = results["comparisons"]
    assert (comparison["wins"], comparison["losses"], comparison["ties"]) == (4, 0, 0)
    assert comparison["difference"] == pytest.approx(-7 / 14)
    assert set(comparison) >= {"model", "baseline", "test_data", "metric", "interval", "p"}


def test_the_gate_is_answered_with_numbers_and_words(results: Results):
    assert results["gate"]["answer"] == "pass"
    assert results["gate"]["exit_code"] == 0
    assert [each["condition"] for each in results["gate"]["conditions"]] == [
        "cer<=1",
        "failed<=0",
    ]


def test_without_gate_and_baseline_both_are_empty():
    results = build_results([NEW])
    assert (results["comparisons"], results["gate"]) == ([], {})


def test_what_is_written_is_read_again(tmp_path: Path, results: Results):
    write_results(tmp_path / "report" / "results.json", results)
    assert read_results(tmp_path / "report" / "results.json") == results


@pytest.mark.parametrize(
    ("content", "complaint"),
    [("{", "not JSON"), ('{"schema": 2}', "results of schema 2"), ("[]", "results of schema None")],
)
def test_other_files_are_refused(tmp_path: Path, content: str, complaint: str):
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=complaint):
        read_results(tmp_path / "results.json")


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="no such results file"):
        read_results(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("path", "name"),
    [("dataset/test.json", "test"), ("a/dev.jsonl.gz", "dev"), ("x.y.json", "x.y"), ("t", "t")],
)
def test_a_test_set_is_named_after_its_file(path: str, name: str):
    assert set_name(path) == name


def test_the_terminal_shows_rates_intervals_errors_and_the_difference(results: Results):
    text = format_results(results)
    assert "dataset/test.json: 4 utterances, 14 characters, normalizer chinese@2" in text
    assert "1 of them without speech" in text
    assert "2 left out for their duration" in text
    old = next(line for line in text.split("\n") if line.startswith("old"))
    assert "CER 57.14 %" in old
    assert old.split()[-8:] == ["3", "3", "2", "1", "100.00", "%", "71.43", "%"]
    assert (
        "new against old on test: CER 57.14 → 7.14 %: 50.00 points fewer, which may be chance"
        in text
    )
    assert "4 utterances better, 0 worse, 0 alike" in text
    assert "gate: pass (exit code 0): the gate passes: every condition is met" in text
    assert "old on test: 2 tokens hallucinated in 1 utterance without speech" in text
    assert "smallest difference that this set can show: " in text


def test_several_comparisons_are_corrected():
    comparison = compare(NEW.score, OLD.score)
    compared = [Compared("new", name, "dataset/test.json", "cer", comparison) for name in "ab"]
    results = build_results([OLD, NEW], compared)
    for each in results["comparisons"]:
        assert each["p_holm"] == pytest.approx(min(1, 2 * each["p"]))
    assert "before the correction for all comparisons (Holm)" in format_results(results)


def test_a_missing_prediction_is_told_apart_from_a_failed_one():
    lines = [Prediction("a", "一二", "", status="missing"), Prediction("b", "三", "三")]
    score = score_predictions(lines, "cer", "none")
    results = build_results([Evaluated("new", score, None, "dataset/test.json")])
    assert results["scores"][0]["missing"] == 1
    assert results["scores"][0]["sentence_error_rate"] == 0.5
    assert "0, 1 missing" in format_results(results)
    assert "2 errors, 2 reference tokens, missing" in format_report(
        results, [Evaluated("new", score, None, "dataset/test.json")]
    )


def test_the_report_shows_the_worst_utterances_first_and_aligned(results: Results):
    report = format_report(results, [OLD, NEW])
    worst = report[report.index("## old on test: the worst utterances") :]
    order = [worst.index(f"`{id}`") for id in ("u1", "u3", "u4", "u2")]
    assert order == sorted(order)
    assert "4 of 4 utterances have errors" in worst
    assert "REF    今 天 天 气 很 好\nHYP    今 天 田 七 *  好\n             S  S  D" in worst
    assert "2 errors, 2 reference tokens, failed (100.00 %)" in worst


def test_the_report_says_what_each_score_was_made_from(results: Results):
    report = format_report(results, [OLD, NEW])
    assert "manifest: `sha256:0000000000000000`" in report
    assert "`models/old`, weights `sha256:1111111111111111`" in report
    assert "decoding: language=zh, num_beams=1" in report


def test_a_perfect_model_has_no_worst_utterance():
    perfect = evaluated("new", *(reference for _, reference in REFERENCES))
    report = format_report(build_results([perfect]), [perfect])
    assert "Every utterance is right." in report


def test_long_utterances_are_cut_into_stretches():
    words = [f"word{i}" for i in range(40)]
    lines = aligned_lines(words, words[1:])
    assert len(lines) % 3 == 0
    assert max(map(len, lines)) <= 96
    assert " ".join(line[7:] for line in lines[::3]).split() == words


def test_results_json_has_no_numbers_that_are_no_json(results: Results):
    json.dumps(results, allow_nan=False)
