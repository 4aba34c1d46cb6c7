"""Nothing between cues disappears, and what is not said is not learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import custom
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.sources.text.cues import Cue
from utils.sources.text.marks import Marks
from utils.sources.text.subtitle_files import read_subtitles


def read(tmp_path: Path, name: str, content: str, tier: str | None = None) -> list[Cue]:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return read_subtitles(path, tier)


def said(cues: list[Cue]) -> list[tuple[float, float, str]]:
    return [(each.start, each.end, each.sentence.text) for each in cues if not each.problem]


def unknown(cues: list[Cue]) -> list[tuple[float, float]]:
    return [(each.start, each.end) for each in cues if each.problem]


SECOND = "2\n00:00:03,000 --> 00:00:04,000\nlast\n"
FIRST = "1\n00:00:01,000 --> 00:00:02,000\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n\ntwo\n\n", "one two"),
        ("\none\n\n", "one"),
        (" \none\n \n\ntwo\n\n", "one two"),
        ("one\n42\n\n", "one 42"),
        ("one 2 -> 3 or a > b\n\n", "one 2 -> 3 or a > b"),
        ("1. first\n2. second\n\n", "1. first 2. second"),
        ("<i>one</i> &amp; {\\an8}two\n\n", "one & two"),
    ],
)
def test_a_cue_holds_all_up_to_the_next_times(tmp_path: Path, text: str, expected: str) -> None:
    cues = read(tmp_path, "a.srt", FIRST + text + SECOND)
    assert said(cues) == [(1.0, 2.0, expected), (3.0, 4.0, "last")]


@pytest.mark.parametrize(
    "arrow", ["-->", "–>", "—>", "->", "- ->", "--&gt;", "→", "==>", "--", "−−>", " --> ", " "]
)
def test_an_arrow_may_be_what_editors_make_of_it(tmp_path: Path, arrow: str) -> None:
    cues = read(tmp_path, "a.srt", f"1\n00:00:01,000{arrow}00:00:02,000\none\n\n{SECOND}")
    assert said(cues) == [(1.0, 2.0, "one"), (3.0, 4.0, "last")]


@pytest.mark.parametrize(
    ("line", "bounds"),
    [
        ("00:00:01,000 -->", (1.0, 3.0)),
        ("--> 00:00:02,000", (0.0, 2.0)),
        ("0:xx:01 --> 0:yy:02", (0.0, 3.0)),
    ],
)
def test_times_that_cannot_be_read_leave_a_named_stretch(
    tmp_path: Path, line: str, bounds: tuple[float, float]
) -> None:
    cues = read(tmp_path, "a.srt", f"1\n{line}\none\n\n{SECOND}")
    assert said(cues) == [(3.0, 4.0, "last")]
    assert unknown(cues) == [bounds]
    assert "one" in cues[0].text


def test_cues_without_numbers_keep_a_number_that_is_said(tmp_path: Path) -> None:
    times = ("00:00:01,000 --> 00:00:02,000", "00:00:02,000 --> 00:00:03,000")
    cues = read(tmp_path, "a.srt", f"{times[0]}\n42\n\n{times[1]}\n43\n")
    assert [each.text for each in cues] == ["42", "43"]
    cues = read(tmp_path, "a.srt", f"{times[0]}\n42\n{times[1]}\n43\n")
    assert [each.text for each in cues] == ["42", "43"]


VTT = """WEBVTT

NOTE
not said

intro
00:01.000 --> 00:02.000
<v Ann Lee>one

still one

STYLE
::cue {}

00:03.000 --> 00:04.000
<v.loud Bob>two</v>
"""


def test_webvtt_keeps_voices_and_leaves_out_comments(tmp_path: Path) -> None:
    cues = read(tmp_path, "a.vtt", VTT)
    assert said(cues) == [(1.0, 2.0, "one still one"), (3.0, 4.0, "two")]
    assert [each.speaker for each in cues] == ["Ann Lee", "Bob"]


def cue_lines(*cues: tuple[float, float, str]) -> str:
    parts = [f"00:00:{start:06.3f} --> 00:00:{end:06.3f}\n{text}\n" for start, end, text in cues]
    return "WEBVTT\n\n" + "\n".join(parts)


def test_captions_that_roll_become_each_line_once(tmp_path: Path) -> None:
    rolling = cue_lines(
        (0.0, 2.0, " \nthe<00:00:00.500><c> valve</c>"),
        (2.0, 2.01, "the valve\n "),
        (2.01, 4.0, "the valve\nis open"),
        (4.0, 4.01, "is open\n "),
        (4.01, 6.0, "is open\nclose it"),
    )
    cues = read(tmp_path, "a.vtt", rolling)
    assert said(cues) == [(0.0, 2.0, "the valve"), (2.01, 4.0, "is open"), (4.01, 6.0, "close it")]


def test_captions_that_overlap_while_they_roll_end_where_the_next_is_new(tmp_path: Path) -> None:
    rolling = cue_lines((0, 4, "one"), (2, 6, "one\ntwo"), (4, 8, "two\nthree"))
    assert said(read(tmp_path, "a.vtt", rolling)) == [
        (0, 2, "one"),
        (2, 4, "two"),
        (4, 8, "three"),
    ]


def test_captions_that_grow_word_by_word_become_each_word_once(tmp_path: Path) -> None:
    growing = cue_lines((0, 1, "the"), (1, 2, "the valve"), (2, 3, "the valve is"))
    assert said(read(tmp_path, "a.vtt", growing)) == [
        (0, 1, "the"),
        (1, 2, "valve"),
        (2, 3, "is"),
    ]


def test_what_is_said_twice_is_kept_twice(tmp_path: Path) -> None:
    cues = cue_lines((0, 1, "no"), (3, 4, "no"), (4, 5, "stop"), (6, 7, "go"), (8, 9, "go"))
    assert [each.text for each in read(tmp_path, "a.vtt", cues)] == ["no", "no", "stop", "go", "go"]


@pytest.mark.parametrize(
    ("text", "plain", "speaker"),
    [
        ("[applause] good morning", "good morning", None),
        ("see figure [2]", "see figure [2]", None),
        ("(laughs)", "", None),
        ("he said (twice) no", "he said (twice) no", None),
        ("(DOOR SLAMS) who is it", "who is it", None),
        ("♪ la la ♪", "la la", None),
        ("♪♪♪", "", None),
        (">> hello", "hello", None),
        ("ANNA: hello", "hello", "ANNA"),
        ("DR. WHO: hello", "hello", "DR. WHO"),
        ("Note: hello", "Note: hello", None),
        ("- yes\n- no", "yes no", None),
        ("-5 degrees", "-5 degrees", None),
        ("【音乐】你好", "你好", None),
    ],
)
def test_marks_are_taken_out(text: str, plain: str, speaker: str | None) -> None:
    (cue,) = Marks(remove=True).apply([Cue(0, 1, text)])
    assert (cue.sentence.text, cue.speaker, cue.problem) == (plain, speaker, "")
    (kept,) = Marks(remove=False).apply([Cue(0, 1, text)])
    assert kept.text == text


def test_marks_are_counted_and_told() -> None:
    marks = Marks(remove=True)
    marks.apply([Cue(0, 1, "[music] ♪ hey"), Cue(1, 2, "- no"), Cue(2, 3, "ANN: (sighs) yes")])
    (told,) = marks.told()
    assert "2 sound tags" in told
    assert "1 dialogue dashes" in told
    assert "--marks=keep" in told


@pytest.mark.parametrize("tag", ["[inaudible]", "(speaking French)", "[crosstalk]"])
def test_words_that_nobody_wrote_down_are_unknown(tag: str) -> None:
    (cue,) = Marks(remove=True).apply([Cue(0, 1, tag)])
    assert cue.problem == f"not transcribed: {tag}"


EAF = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2500"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="3000"/><TIME_SLOT TIME_SLOT_ID="ts4"/>
</TIME_ORDER>
<TIER TIER_ID="left" PARTICIPANT="Ann"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1"
 TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>hello &amp; bye</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="right"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a2"
 TIME_SLOT_REF1="ts3" TIME_SLOT_REF2="ts4"><ANNOTATION_VALUE>lost</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="words" PARENT_REF="left"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a3"
 TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>w</ANNOTATION_VALUE>
</ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
</ANNOTATION_DOCUMENT>
"""


def test_elan(tmp_path: Path) -> None:
    cues = read(tmp_path, "a.eaf", EAF)
    assert cues[0] == Cue(1.0, 2.5, "hello & bye", "Ann", 0)
    assert cues[1].problem
    assert said(read(tmp_path, "a.eaf", EAF, "words")) == [(1.0, 2.5, "w")]
    bomb = EAF.replace(
        "<ANNOTATION_DOCUMENT>", '<!DOCTYPE x [<!ENTITY a "b">]><ANNOTATION_DOCUMENT>'
    )
    with pytest.raises(UserError, match="declares entities"):
        read(tmp_path, "a.eaf", bomb)


STM = """;; a comment
call A ann 0.50 1.50 <o,f0,female> good {morning / mourning}
call B bob 1.50 2.50 hello
call B inter_segment_gap 2.50 3.00
call A ann 3.0 4.0 IGNORE_TIME_SEGMENT_IN_SCORING
other A cy 0 1 x
"""


def test_stm(tmp_path: Path) -> None:
    cues = read(tmp_path, "all.stm", STM, "call")
    assert cues[0] == Cue(0.5, 1.5, "good morning", "ann", 0)
    assert cues[1] == Cue(1.5, 2.5, "hello", "bob", 1)
    assert unknown(cues) == [(3.0, 4.0)]
    assert len(read(tmp_path, "all.stm", STM)) == 4


def test_ctm(tmp_path: Path) -> None:
    words = "call 1 0.5 0.3 good 0.9\ncall 1 0.8 0.4 morning\ncall 1 3.0 0.5 bye\ncall 2 0 1 x\n"
    assert read(tmp_path, "a.ctm", words, "call") == [
        Cue(0.5, 1.2, "good morning", None, 0),
        Cue(3.0, 3.5, "bye", None, 0),
        Cue(0.0, 1.0, "x", None, 1),
    ]


def test_audacity_labels(tmp_path: Path) -> None:
    cues = read(tmp_path, "a.txt", "0.5\t1.5\thello\n\\\t100\t200\n2,0\t3,0\tbye\n")
    assert said(cues) == [(0.5, 1.5, "hello"), (2.0, 3.0, "bye")]


@pytest.mark.parametrize(
    "value",
    [
        {"transcription": [{"offsets": {"from": 500, "to": 1500}, "text": " hello."}]},
        {"chunks": [{"timestamp": [0.5, 1.5], "text": " hello."}]},
        {
            "speakers": [{"id": "s-1", "name": "Ann"}],
            "segments": [
                {
                    "start": 0.5,
                    "duration": 1.0,
                    "speaker": "s-1",
                    "words": [
                        {"text": "hello", "type": "word"},
                        {"text": ".", "type": "punctuation"},
                    ],
                }
            ],
        },
    ],
)
def test_json_of_other_programs(tmp_path: Path, value: dict[str, Any]) -> None:
    cues = read(tmp_path, "a.json", json.dumps(value))
    assert said(cues) == [(0.5, 1.5, "hello.")]


@pytest.fixture
def talk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, (6 * 16000, 2))
    soundfile.write(tmp_path / "talk.wav", samples, 16000)
    return tmp_path


def subtitles(*argv: str) -> list[Any]:
    custom.main(["subtitles", "--path=talk.wav", *argv])
    return list(read_manifest("dataset/train.json"))


def test_no_piece_and_no_silence_reaches_over_what_is_not_understood(talk: Path) -> None:
    broken = FIRST + "one\n\n2\n00:xx:02 --> 00:xx:04\nlost\n\n3\n"
    (talk / "talk.srt").write_text(f"{broken}00:00:05,000 --> 00:00:06,000\nthree\n")
    for each in subtitles("--no_speech=True"):
        start, end = each.audio.start_time, each.audio.end_time
        assert end <= 2.0 or start >= 5.0, each
    left_out = Path("dataset/subtitles_left_out.jsonl").read_text()
    assert "lost" in left_out


def test_a_language_may_stand_in_the_name(talk: Path) -> None:
    (talk / "talk.en.srt").write_text(FIRST + "one\n")
    (talk / "talk.de-DE.srt").write_text(FIRST + "eins\n")
    (each,) = subtitles("--language=English")
    assert (each.sentence, each.language) == ("one", "en")
    assert "talk.de-DE.srt" in Path("dataset/subtitles_left_out.jsonl").read_text()


def test_a_file_for_each_channel(talk: Path) -> None:
    for name, text in (("left", "one"), ("right", "two")):
        (talk / f"talk.{name}.srt").write_text(FIRST + f"{text}\n")
    found = subtitles("--channels=split", "--language=English")
    assert [(each.sentence, each.audio.channel) for each in found] == [("one", 0), ("two", 1)]


def test_a_tier_for_each_channel(talk: Path) -> None:
    (talk / "talk.eaf").write_text(
        EAF.replace('TIME_SLOT_ID="ts4"', 'TIME_SLOT_ID="ts4" TIME_VALUE="4000"')
    )
    found = subtitles("--channels=split", "--language=English")
    assert [(each.sentence, each.audio.channel) for each in found] == [
        ("hello & bye", 0),
        ("lost", 1),
    ]


def test_stm_there_and_back(talk: Path) -> None:
    (talk / "talk.stm").write_text(STM.replace("call", "talk"))
    found = subtitles("--language=English")
    assert [(each.sentence, each.audio.channel, each.speaker) for each in found] == [
        ("good morning", 0, "ann"),
        ("hello", 1, "bob"),
    ]
    custom.main(["manifest", "--path=dataset/train.json", "--format=stm", "--output_dir=stm"])
    assert Path("stm/train.stm").read_text().splitlines() == [
        "talk 1 ann 0.500 1.500 good morning",
        "talk 2 bob 1.500 2.500 hello",
    ]
    custom.main(["manifest", "--path=dataset/train.json", "--format=ctm", "--output_dir=ctm"])
    assert Path("ctm/train.ctm").read_text().splitlines()[-1] == "talk 2 1.500 1.000 hello"
