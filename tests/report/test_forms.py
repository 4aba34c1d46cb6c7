"""Every form of the report, from one results.json, also from files that are not as they should."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import report
from tests.report.conftest import evaluate
from utils.cli.errors import UserError, run_script
from utils.report.analyses.registry import analyse
from utils.report.analyses.text import FEWEST_OCCURRENCES, _vocabulary_table
from utils.report.forms import FORMS
from utils.report.github import _command
from utils.report.page.sound import find_sound
from utils.report.page.utterance_labels import labels_of_all
from utils.report.report_data import read_report_data
from utils.report.summary import COMMENT_BYTES, _fitted
from utils.scoring.confusions import Confusions

Copied = Callable[[], Path]


def make(*flags: str) -> int:
    return run_script(lambda _: report.main(list(flags)))


def test_an_evaluation_writes_every_form(evaluated: Path):
    assert {"results.json", *FORMS.values()} <= {p.name for p in (evaluated / "report").iterdir()}


def test_the_forms_can_be_made_again_without_torch(evaluated: Path, tmp_path: Path):
    code = (
        "import sys, report;"
        f"report.main(['--results={evaluated}/report/results.json', '--output_dir={tmp_path}']);"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    for name in set(FORMS.values()) - {"report.html"}:
        ours, theirs = tmp_path / name, evaluated / "report" / name
        assert ours.read_text(encoding="utf-8") == theirs.read_text(encoding="utf-8")


def test_the_comment_begins_with_the_gate_and_the_scores(evaluated: Path):
    comment = (evaluated / "report" / "comment.md").read_text(encoding="utf-8")
    assert comment.startswith("## Evaluation: gate ❌ not passed")
    assert "<script>" not in comment.replace("~~~~text", "").split("~~~~")[0]
    assert "**`zh-2`**" in comment or "bad" in comment


def test_parts_are_put_in_until_one_does_not_fit():
    text = _fitted(iter(["first", "x" * 500, "last"]), 300)
    assert text.startswith("first\n\n_2 parts did not fit")
    assert len(_fitted(iter(["好" * 99] * 999), COMMENT_BYTES).encode()) <= COMMENT_BYTES


def test_junit_has_a_test_for_each_condition_and_the_lines_behind_a_failure(evaluated: Path):
    root = ElementTree.parse(evaluated / "report" / "junit.xml").getroot()
    gate = root.find("testsuite[@name='gate']")
    assert gate is not None and (gate.get("tests"), gate.get("failures")) == ("2", "1")
    failure = gate.find("testcase/failure")
    assert failure is not None and "REF" in (failure.text or "")


def test_the_card_has_metadata_that_hubs_read(evaluated: Path):
    text = (evaluated / "report" / "model-card.md").read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---")[1])
    (entry,) = head["model-index"]
    assert entry["name"] == "new"
    (metric,) = entry["results"][0]["metrics"]
    score = read_report_data([evaluated / "report" / "results.json"]).sets[0].described["new"]
    assert metric["value"] == pytest.approx(100 * score["rate"], abs=1e-4)
    assert head["language"] == ["ar", "en", "zh"]


def test_github_is_told_where_it_listens(
    evaluated: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "step.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    results = evaluated / "report" / "results.json"
    assert make(f"--results={results}", f"--output_dir={tmp_path}", "--forms=summary") == 0
    out = capsys.readouterr().out
    assert "::error title=gate%3A substitutions<=0::regress" in out
    assert "::warning title=new on set%3A bad <b>id</b>::reference" in out
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert (tmp_path / "step.md").read_text(encoding="utf-8") == summary


def test_a_text_cannot_end_a_workflow_command():
    assert (
        _command("error", "a:b,c", "x\n::set-env y") == "::error title=a%3Ab%2Cc::x%0A::set-env y"
    )


def test_the_analyses_find_what_was_planted(evaluated: Path):
    report_data = read_report_data([evaluated / "report" / "results.json"])
    labels = labels_of_all(report_data.sets)
    assert set(labels) >= {"language", "room", "speech", "speech_rate", "loudness"}
    sections = {s["title"]: s for s in analyse(report_data, labels)["sections"]}
    assert list(sections) == [
        "Errors",
        "Where",
        "Confusions",
        "Hallucinated",
        "Timestamps",
        "Forgetting",
    ]
    text = json.dumps(sections, ensure_ascii=False)
    assert "thank you" in text and "same sound" in text
    loops = next(t for t in sections["Hallucinated"]["tables"] if t["title"] == "Loops")
    assert [row[2]["text"] for row in loops["rows"]] == ["loop"]
    (matrix,) = sections["Forgetting"]["tables"]
    assert [(row[0], row[3]) for row in matrix["rows"]] == [
        ("ar", "yes"),
        ("en", "no"),
        ("en", "yes"),
        ("zh", "yes"),
    ]


def test_tokens_that_are_seldom_heard_stand_with_their_accuracy(evaluated: Path):
    view = read_report_data([evaluated / "report" / "results.json"]).sets[0]
    references = Counter({"在": 10, "我": 9, "你": FEWEST_OCCURRENCES - 1})
    counted = {
        "old": Confusions(reference_counts=references, deletions=Counter({"在": 2, "你": 1})),
        "new": Confusions(reference_counts=references, substitutions=Counter({("在", "再"): 1})),
    }
    table = _vocabulary_table(view, counted)
    assert table["header"] == ["token", "in references", "old", "new"]
    assert [[row[0]["text"], *row[1:]] for row in table["rows"]] == [
        ["在", "10", "80.00 %", "90.00 %"]
    ]


def test_a_change_is_explained(evaluated: Path, tmp_path: Path):
    assert evaluate(evaluated, "other", remove_pun=False) == 0
    now = read_report_data([evaluated / "other" / "results.json"])
    before = read_report_data([evaluated / "report" / "results.json"])
    section = analyse(now, labels_of_all(now.sets), before)["sections"][0]
    assert section["title"] == "What changed"
    rows = {row[0] for table in section["tables"] for row in table["rows"]}
    assert rows == {"before", "normalizer", "model", "after"}


# ---------------------------------------------------------------------------------------------
# Files that are not as they should be: one clear sentence each.


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        read_report_data([path])
    assert caught.value.hint
    for word in words:
        assert word in caught.value.message


def change(path: Path, **changes: object) -> Path:
    results = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**results, **changes}), encoding="utf-8")
    return path


def test_results_of_another_schema(copied: Copied):
    refused(change(copied() / "results.json", schema=0), "schema 0", "reads schema 1")


def test_results_that_are_cut_off(copied: Copied):
    path = copied() / "results.json"
    path.write_text(path.read_text(encoding="utf-8")[:200], encoding="utf-8")
    refused(path, "not JSON")


def test_scores_that_lack_a_field(copied: Copied):
    path = copied() / "results.json"
    scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
    del scores[1]["metric"]
    refused(change(path, scores=scores), "score 2 has no 'metric'")
    refused(change(path, scores=[]), "no scores")


def test_predictions_that_are_cut_off(copied: Copied):
    folder = copied()
    path = folder / "predictions" / "new--set.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:3], lines[3][:20]]), encoding="utf-8")
    refused(folder / "results.json", "line 4")
    path.write_text("\n".join(lines[:3]), encoding="utf-8")
    refused(folder / "results.json", "holds 3 predictions", "8")


def test_models_on_two_different_test_sets_of_one_name(copied: Copied):
    folder = copied()
    path = folder / "predictions" / "new--set.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace('"zh-1"', '"other"'), encoding="utf-8")
    refused(folder / "results.json", "not scored on the same test set", "other, zh-1")


def test_the_same_scores_twice(evaluated: Path):
    path = evaluated / "report" / "results.json"
    with pytest.raises(UserError, match="is also in an earlier results file"):
        read_report_data([path, path])


def test_earlier_results_of_other_test_sets(evaluated: Path, copied: Copied):
    folder = copied()
    path = folder / "results.json"
    scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
    change(path, scores=[{**score, "test_set": "elsewhere"} for score in scores], comparisons=[])
    now = read_report_data([evaluated / "report" / "results.json"])
    with pytest.raises(UserError, match=r"set.*elsewhere.*none is in both"):
        analyse(now, labels_of_all(now.sets), read_report_data([path]))


def test_a_models_name_is_text_in_every_form(copied: Copied):
    path = copied() / "results.json"
    name = '</script><b>"it\'s"</b> | 👋 \u202e@all'
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace('"new"', json.dumps(name)), encoding="utf-8")
    assert make(f"--results={path}") == 0
    forms = {name: (path.parent / file).read_text("utf-8") for name, file in FORMS.items()}
    for form in ("summary", "comment"):
        outside = "".join(forms[form].split("~~~~")[::2])
        assert "</script>" not in outside and "@all" not in outside
    assert "<b>" not in forms["html"] and forms["html"].count("</script>") == (
        forms["html"].count("<script")
    )
    root = ElementTree.fromstring(forms["junit"])
    assert any(name in case.get("classname", "") for case in root.iter("testcase"))
    (entry,) = yaml.safe_load(forms["card"].split("---")[1])["model-index"]
    assert entry["name"] == name


def test_what_is_gone_or_changed_is_said(copied: Copied):
    folder = copied()
    path = folder / "results.json"
    scores = json.loads(path.read_text(encoding="utf-8"))["scores"]
    gone = [{**score, "test_data": "gone.jsonl", "errors": 1} for score in scores]
    notes = read_report_data([change(path, scores=gone)]).notes
    assert any("gone.jsonl is gone" in note for note in notes)
    assert any("states 1 errors" in note for note in notes)
    assert make(f"--results={path}", "--forms=html") == 0


def test_the_channel_that_was_heard_is_a_label_and_never_the_mixture_is_played(
    evaluated: Path, tmp_path: Path
):
    report_data = read_report_data([evaluated / "report" / "results.json"])
    (view,) = report_data.sets
    heard = {
        id: replace(each, audio=replace(each.audio, channel=place % 2))
        for place, (id, each) in enumerate(view.utterances.items())
    }
    view = replace(view, utterances=heard)
    assert labels_of_all([view])["channel"] == ["0", "1"] * 4
    sound = find_sound([view], tmp_path / "page.html", embed_mb=0, order=[])
    reasons = {sound.reasons[entry] for entry in sound.files}
    assert len(reasons) == 8 and all("plays only where it is embedded" in each for each in reasons)


def test_results_say_when_and_how_they_were_made(evaluated: Path):
    made = json.loads((evaluated / "report" / "results.json").read_text(encoding="utf-8"))["made"]
    assert datetime.strptime(made["date"], "%Y-%m-%dT%H:%M:%SZ")
    assert made["command"].startswith("python evaluation.py --test_data=")
    assert made["processes"] == 1
    assert made["versions"]["python"] == platform.python_version()
    assert made["versions"]["torch"].split("+")[0] == version("torch").split("+")[0]
    report = (evaluated / "report" / "report.md").read_text(encoding="utf-8")
    assert f"python {made['versions']['python']}" in report


def test_the_same_evaluation_again_differs_only_in_when_it_was_made(evaluated: Path):
    twice = []
    for _ in range(2):
        evaluate(evaluated, "again")
        twice.append(json.loads((evaluated / "again" / "results.json").read_text("utf-8")))
    assert {**twice[0], "made": {}} == {**twice[1], "made": {}}
    dates = [each["made"].pop("date") for each in twice]
    assert dates[0] <= dates[1]
    assert twice[0] == twice[1]
