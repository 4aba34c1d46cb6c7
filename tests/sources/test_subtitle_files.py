"""Every subtitle format gives the same sentences; what is no subtitle is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from utils.audio.clip import TimedSentence
from utils.cli.errors import UserError
from utils.sources.text.cues import Cue
from utils.sources.text.subtitle_files import read_subtitles

EXPECTED = [
    TimedSentence(1.5, 3.25, "Good morning."),
    TimedSentence(3661.0, 3662.04, 'He said "yes" & left'),
]
SRT = """\ufeff1
00:00:01,500 --> 00:00:03,250
<i>Good</i>
{\\an8}morning.

2
01:01:01,000 --> 01:01:02,040
He said "yes" &amp; left
"""
VTT = """WEBVTT - a title

NOTE 00:00 is not a cue
STYLE

intro
00:01.500 --> 00:03.250 align:start position:10%
<v Ann>Good <00:02.000><c.loud>morning</c>.

01:01:01.000 --> 01:01:02.040
He said "yes" &amp; left
"""
ASS = """[Script Info]
Title: x
[V4+ Styles]
Format: Name, Fontname
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,not said
Dialogue: 0,0:00:01.50,0:00:03.25,Default,,0,0,0,,{\\i1}Good{\\i0}\\Nmorning.
Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 10 10
Dialogue: 0,1:01:01.00,1:01:02.04,Default,,0,0,0,,He said "yes" & left
"""
TEXTGRID_LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 3700
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "TextTier"
        name = "beeps 12"
        xmin = 0
        xmax = 3700
        points: size = 1
        points [1]:
            number = 2.5
            mark = "beep"
    item [2]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 3700
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 1.5
            text = ""
        intervals [2]:
            xmin = 1.5
            xmax = 3.25
            text = "Good
morning."
        intervals [3]:
            xmin = 3661
            xmax = 3662.04
            text = "He said ""yes"" & left"
    item [3]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 3700
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1
            text = "G"
"""
TEXTGRID_SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
3700
<exists>
1
"IntervalTier"
"words"
0
3700
2
1.5
3.25
"Good morning."
3661
3662.04
"He said ""yes"" & left"
"""
WHISPER = json.dumps(
    {
        "text": "...",
        "segments": [
            {"id": 0, "start": 1.5, "end": 3.25, "text": " Good morning."},
            {"id": 1, "start": 3661, "end": 3662.04, "text": ' He said "yes" & left'},
        ],
    }
)
AENEAS = json.dumps(
    {
        "fragments": [
            {"begin": "1.500", "end": "3.250", "lines": ["Good", "morning."]},
            {"begin": "3661", "end": "3662.04", "lines": ['He said "yes" & left']},
        ]
    }
)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", SRT),
        ("a.SRT", SRT.replace("\n", "\r\n")),
        ("a.vtt", VTT),
        ("a.ass", ASS),
        ("a.TextGrid", TEXTGRID_LONG),
        ("a.textgrid", TEXTGRID_SHORT),
        ("a.json", WHISPER),
        ("b.json", AENEAS),
    ],
)
def test_every_format_gives_the_same_sentences(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    cues = read_subtitles(tmp_path / name)
    assert [(each.start, each.end, each.sentence.text) for each in cues] == [
        (each.start, each.end, each.text) for each in EXPECTED
    ]
    assert not any(each.problem for each in cues)


def test_a_textgrid_in_utf_16_is_read(tmp_path: Path) -> None:
    # Praat writes UTF-16 as soon as a text is not ASCII.
    path = tmp_path / "a.TextGrid"
    path.write_text(TEXTGRID_SHORT.replace("Good", "Güten"), encoding="utf-16")
    assert read_subtitles(path)[0].text == "Güten morning."


def test_a_tier_is_chosen_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(TEXTGRID_LONG, encoding="utf-8")
    assert read_subtitles(path, "phones") == [Cue(0, 1, "G", None, 0)]
    with pytest.raises(UserError, match="no tier of intervals x; it has beeps 12, words, phones"):
        read_subtitles(path, "x")


def test_cues_without_a_blank_line_between_them_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_text("1\n00:00:00,0 --> 00:00:01,0\n42\n2\n00:00:01,0 --> 00:00:02,0\nb\n")
    assert [each.text for each in read_subtitles(path)] == ["42", "b"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.srt", "hello", "holds no sentence with times"),
        ("a.doc", "hello", "is no subtitle file"),
        ("a.json", "{", "Expecting property name"),
        ("a.json", '{"segments": [{"start": 1}]}', "segment 0 has no start, end and text"),
        ("a.json", '{"text": "x"}', 'expected {"segments"'),
        ("a.json", '[{"start": NaN, "end": 1, "text": "x"}]', "goes from nan to 1"),
        ("a.textgrid", TEXTGRID_SHORT[:120], "no whole TextGrid"),
        ("a.textgrid", "", "no whole TextGrid"),
        ("a.ass", "[Events]\nDialogue: 0,1,2,x", "line 2: no Start, End and Text"),
    ],
)
def test_what_is_no_subtitle_is_named(
    tmp_path: Path, name: str, content: str, expected: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_subtitles(tmp_path / name)
    assert expected in caught.value.message
