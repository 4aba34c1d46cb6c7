"""Recordings of several speakers: files to scores, equal to what meeteval says of them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import evaluation
from utils.cli.errors import UserError
from utils.evaluation.meetings.score import score_meetings
from utils.evaluation.meetings.segments import Segment, attribute, read_segments, read_turns

meeteval = pytest.importorskip("meeteval", reason="needs requirements/scoring.txt")
SESSIONS = 500


def session(chance: random.Random, name: str, speakers: int) -> list[Segment]:
    """Segments that may overlap, of a few words each."""
    segments = []
    for _ in range(chance.randint(1, 6)):
        start = round(chance.uniform(0, 20), 2)
        words = " ".join(chance.choice("abcde") for _ in range(chance.randint(0, 5)))
        segments.append(
            {
                "session_id": name,
                "speaker": f"s{chance.randrange(speakers)}",
                "words": words,
                "start_time": start,
                "end_time": round(start + chance.uniform(0.1, 5), 2),
            }
        )
    return segments


@pytest.mark.parametrize("metric", ["cpwer", "tcpwer"])
def test_500_random_sessions_are_counted_as_meeteval_counts_them(metric: str):
    chance = random.Random(0)
    reference, hypothesis = [], []
    for number in range(SESSIONS):
        for side in (reference, hypothesis):
            side += session(chance, f"m{number}", chance.randint(1, 4))
    found = score_meetings(reference, hypothesis, metric, "none", 1.0).score
    sides = (meeteval.io.SegLST(reference), meeteval.io.SegLST(hypothesis))
    options = {"collar": 1.0} if metric == "tcpwer" else {}
    theirs = getattr(meeteval.wer, metric)(*sides, **options)
    assert len(theirs) == len(found.predictions) == SESSIONS
    for line, counts in zip(found.predictions, found.normal.tolist(), strict=True):
        their = theirs[line.id]
        assert counts == [their.substitutions, their.deletions, their.insertions, their.length]
    assert found.counts.errors == sum(each.errors for each in theirs.values())


STM = """;; a comment
m1 1 ann 0.0 2.0 Hello there, Bob.
m1 1 bob 2.0 4.0 Hi!
m2 1 ann 0.0 1.0 Alone.
"""
RTTM = """SPEAKER m1 1 0.0 2.0 <NA> <NA> x <NA> <NA>
SPEAKER m1 1 2.0 2.0 <NA> <NA> y <NA> <NA>
SPEAKER m2 1 0.0 1.0 <NA> <NA> x <NA> <NA>
"""
LEXEMES = """LEXEME m1 1 0.1 0.5 hello lex x <NA>
LEXEME m1 1 0.7 0.5 there lex x <NA>
LEXEME m1 1 1.3 0.5 bob lex x <NA>
LEXEME m1 1 2.5 0.5 hi lex y <NA>
LEXEME m2 1 0.2 0.5 alone lex x <NA>
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ref.stm").write_text(STM, encoding="utf-8")
    (tmp_path / "words.rttm").write_text(LEXEMES, encoding="utf-8")
    (tmp_path / "turns.rttm").write_text(RTTM, encoding="utf-8")
    segments = [{"start": 0.2, "end": 1.9, "text": "hello there bob"}]
    segments.append({"start": 2.2, "end": 3.0, "text": "hi"})
    lines = [
        {"id": "m1", "hypothesis": "hello there bob hi", "segments": segments},
        {"id": "m2", "hypothesis": "a loan", "audio_seconds": 1.0},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "ours.jsonl").write_text(text, encoding="utf-8")
    return tmp_path


def run(folder: Path, *flags: str) -> tuple[int, dict]:
    code = evaluation.main(
        [f"--test_data={folder / 'ref.stm'}", f"--report_dir={folder / 'out'}", *flags]
    )
    return code, json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))


def test_words_of_an_rttm_file_against_an_stm_file(files: Path):
    flags = ("--metric=tcpwer", f"--predictions={files / 'words.rttm'}", "--gate=tcpwer<=100%")
    code, results = run(files, *flags)
    (score,) = results["scores"]
    assert (code, score["metric"], score["errors"], score["reference_tokens"]) == (
        0,
        "tcpwer",
        0,
        5,
    )
    assert score["raw"]["errors"] > 0 and score["decoding"]["collar"] == 5.0
    assert score["figures"]["missed_speakers"]["count"] == 0


def test_predictions_of_ours_get_their_speakers_from_a_diarization(files: Path):
    ours = f"--predictions={files / 'ours.jsonl'}"
    _, alone = run(files, "--metric=cpwer", ours)
    flags = ("--metric=cpwer", ours, f"--diarization={files / 'turns.rttm'}")
    _, named = run(files, *flags, f"--baseline={files / 'words.rttm'}")
    errors = {each["model"]: each["errors"] for each in named["scores"]}
    assert errors == {"words": 0, "ours": 2}  # alone, a loan
    assert alone["scores"][0]["errors"] == 4  # bob's word is another speaker's
    assert named["comparisons"][0]["losses"] == 1


def test_a_segment_outside_all_turns_is_of_the_nearest(files: Path):
    late = {"session_id": "m1", "words": "x", "start_time": 9.0, "end_time": 9.5}
    assert attribute([late], read_turns(str(files / "turns.rttm")))[0]["speaker"] == "y"
    with pytest.raises(UserError, match="no turns in the diarization"):
        attribute([{**late, "session_id": "m3"}], read_turns(str(files / "turns.rttm")))


def test_missing_sessions_count_and_extra_ones_do_not(capsys: pytest.CaptureFixture[str]):
    reference = [s for n in range(2) for s in session(random.Random(n), f"m{n}", 1)]
    hypothesis = [{**s, "session_id": "m9"} for s in reference] + reference[:1]
    found = score_meetings(reference, hypothesis, "cpwer", "basic", 5.0)
    assert (found.score.counts.missing, found.extra) == (1, 1)
    assert "missing: m1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.stm", "m1 1 ann\n", "cannot be read as STM"),
        ("a.json", '[{"words": "a"}]', "segment 1: 'session_id' should be text"),
        ("a.json", '{"a": 1}', "expected a list of segments"),
        (
            "a.json",
            '[{"words": "a", "session_id": "s", "start_time": 2, "end_time": 1}]',
            "segment 1: it ends before it begins",
        ),
        ("a.rttm", "LEXEME m1 1 x\n", "line 1: .* is no line of RTTM"),
        ("a.rttm", RTTM, "holds no words"),
        ("a.txt", "x", "none of the formats"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, content: str, complaint: str):
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=complaint):
        read_segments(str(tmp_path / name))
