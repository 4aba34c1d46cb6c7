"""Transcripts as other programs write them: understood, or named with their stretch kept out."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from utils.sources.text.cues import FOREVER, Cue
from utils.sources.text.marks import Marks
from utils.sources.text.subtitle_files import read_subtitles


def read(tmp_path: Path, name: str, content: str | bytes) -> list[Cue]:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return Marks(True).apply(read_subtitles(path))


def shown(cues: list[Cue]) -> list[tuple[float, float, str]]:
    return [(each.start, each.end, " ".join(each.text.split())) for each in cues]


@pytest.mark.parametrize(
    "times",
    [
        "00:00:01, 000 --> 00:00:02, 500",
        "00 : 00 : 01,000 --> 00:00: 02.500",
        "００：００：０１，０００ --> ００：００：０２，５００",
        "00：00：01，000 --> 00：00：02，500",
        "00:00:01,000 --> 00:00:02,500 X1:100 X2:200 Y1:5 Y2:9",
    ],
)
def test_times_of_subtitles_are_read_however_they_are_typed(tmp_path: Path, times: str) -> None:
    assert shown(read(tmp_path, "a.srt", f"1\n{times}\none\n")) == [(1.0, 2.5, "one")]


def test_a_time_below_0_is_named(tmp_path: Path) -> None:
    (cue,) = read(tmp_path, "a.srt", "1\n-00:00:01,000 --> 00:00:02,000\none\n")
    assert "cannot be read" in cue.problem and cue.end == 2.0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[door [creaks] loudly] Hello", "Hello"),
        ("so (laughs) yes", "so yes"),
        ("你好（笑）世界", "你好 世界"),
        ("北京（首都）", "北京（首都）"),
        ("he (my brother) came", "he (my brother) came"),
    ],
)
def test_sound_tags_within_a_line(tmp_path: Path, text: str, said: str) -> None:
    cues = read(tmp_path, "a.srt", f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n")
    assert shown(cues)[0][2] == said


ASS = "[Events]\nFormat: Start, End, Name, Text\n"


def test_one_broken_line_of_ass_costs_no_other(tmp_path: Path) -> None:
    lines = "Dialogue: 0:00:01.00,0:00:02.00,,a\\hb\nDialogue: bad,0:00:09.00,,broken\n"
    good, bad = read(tmp_path, "a.ass", ASS + lines)
    assert shown([good]) == [(1.0, 2.0, "a b")]
    assert "cannot be read" in bad.problem and bad.end == 9.0


SHORT = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n12\n<exists>\n1\n'
    '"IntervalTier"\n"A"\n0\n12\n2\n0\n2\n"one"\n2\n4\n"né"\n'
)


def binary() -> bytes:
    tier = b"\x0cIntervalTier" + struct.pack(">H", 1) + b"A" + struct.pack(">ddi", 0, 12, 2)
    first = struct.pack(">ddH", 0, 2, 3) + b"one"
    second = struct.pack(">ddHH", 2, 4, 0xFFFF, 2) + "né".encode("utf-16-be")
    head = b"ooBinaryFile\x08TextGrid" + struct.pack(">dd?i", 0, 12, True, 1)
    return head + tier + first + second


@pytest.mark.parametrize(
    "content",
    [
        SHORT,
        SHORT.encode("utf-16"),
        SHORT.replace('"ooTextFile"\nObject class = ', '"ooTextFile short"\n'),
        SHORT.replace('"A"\n', '"A" ! tier 5 of 7\n'),
        SHORT.replace("\n2\n4\n", "\n2e0\n4.0E+0\n"),
        binary(),
    ],
)
def test_every_form_of_textgrid_reads_alike(tmp_path: Path, content: str | bytes) -> None:
    assert shown(read(tmp_path, "a.TextGrid", content)) == [(0, 2, "one"), (2, 4, "né")]


def test_a_slot_of_elan_without_a_time_lies_between_its_neighbours(tmp_path: Path) -> None:
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{number}" {"" if at is None else f"TIME_VALUE={at!r}"}/>'
        for number, at in enumerate(["0", "1500", None, "4000"])
    )
    annotations = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="t{n}" TIME_SLOT_REF2="t{n + 1}">'
        f"<ANNOTATION_VALUE>{n}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        for n in range(3)
    )
    document = f'<D><TIME_ORDER>{slots}</TIME_ORDER><TIER TIER_ID="A">{annotations}</TIER></D>'
    cues = read(tmp_path, "a.eaf", document)
    assert [(each.start, each.end, bool(each.problem)) for each in cues] == [
        (0.0, 1.5, False),
        (1.5, 4.0, True),
        (1.5, 4.0, True),
    ]


def test_json_without_an_end_or_a_text_is_named(tmp_path: Path) -> None:
    chunks = [{"timestamp": [0.0, 1.0], "text": "a"}, {"timestamp": [1.0, None], "text": "b"}]
    first, last = read(tmp_path, "a.json", json.dumps({"chunks": chunks}))
    assert shown([first]) == [(0.0, 1.0, "a")]
    assert last.end == FOREVER and "no end" in last.problem
    segments = [{"start": "00:00:01.000", "end": "00:00:02.500", "text": None}]
    (cue,) = read(tmp_path, "a.json", json.dumps(segments))
    assert (cue.start, cue.end) == (1.0, 2.5) and "no text" in cue.problem


def test_noises_of_an_stm_are_tags_and_unknown_words_are_named(tmp_path: Path) -> None:
    lines = "t 1 s 0 1 <o> {BREATH} hello (%hesitation) %uh you\nt 1 s 1 2 this <unk> word\n"
    first, second = read(tmp_path, "a.stm", lines)
    assert shown([first]) == [(0.0, 1.0, "hello you")]
    assert second.problem == "not transcribed: <unk>"
