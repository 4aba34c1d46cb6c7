"""Forty layouts that corpora are published in, each read by the one command of docs/layouts.md."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import custom
from utils.manifest.read import read_manifest

PAGE = Path(__file__).parents[2] / "docs" / "layouts.md"
SRT = "1\n00:00:00,000 --> 00:00:01,000\none\n\n2\n00:00:01,000 --> 00:00:02,000\ntwo\n"
GRID = (
    'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n1\n'
    '"IntervalTier"\n"A"\n'
    '0\n2\n2\n0\n1\n"one"\n1\n2\n"two"\n'
)
EAF = (
    '<D><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="b" '
    'TIME_VALUE="2000"/></TIME_ORDER><TIER TIER_ID="A"><ANNOTATION><ALIGNABLE_ANNOTATION '
    'TIME_SLOT_REF1="a" TIME_SLOT_REF2="b"><ANNOTATION_VALUE>one two</ANNOTATION_VALUE>'
    "</ALIGNABLE_ANNOTATION></ANNOTATION></TIER></D>"
)
ASS = (
    "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:00.00,0:00:01.00,one\n"
    "Dialogue: 0:00:01.00,0:00:02.00,two\n"
)
SEGMENTS = [{"start": 0, "end": 1, "text": "one"}, {"start": 1, "end": 2, "text": "two"}]
RECORDING = {
    "id": "a",
    "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
    "sampling_rate": 16000,
    "num_samples": 32000,
    "duration": 2.0,
}
SAID = {"id": "a", "recording_id": "a", "start": 0, "duration": 2.0, "channel": 0, "text": "one"}
CUT = {"id": "a", "start": 0, "duration": 2.0, "channel": 0, "type": "MonoCut"}
COMMON_VOICE = "client_id\tpath\tsentence\tlocale\ns\ta.mp3\tone\ten\n"
WENET = {
    "audios": [
        {
            "path": "a.wav",
            "aid": "a",
            "duration": 2.0,
            "segments": [
                {
                    "sid": "a_0",
                    "begin_time": 0,
                    "end_time": 2,
                    "text": "one two",
                    "confidence": 1.0,
                    "subsets": ["L"],
                }
            ],
        }
    ]
}


def lines(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


# Name in docs/layouts.md -> the files (sound where the content is None) and the texts expected.
LAYOUTS: dict[str, tuple[dict[str, str | None], list[str]]] = {
    "Text beside each recording": ({"d/a.wav": None, "d/a.txt": "one"}, ["one"]),
    "Texts in a folder of their own": ({"d/wav/a.wav": None, "d/txt/a.txt": "one"}, ["one"]),
    "LibriSpeech": (
        {"d/1/2/1-2-0.wav": None, "d/1/2/1-2.trans.txt": "1-2-0 ONE TWO\n"},
        ["ONE TWO"],
    ),
    "LibriTTS": ({"d/1/a.wav": None, "d/1/a.normalized.txt": "One."}, ["One."]),
    "THCHS-30": ({"d/A1_0.wav": None, "d/A1_0.wav.trn": "一 二\nyi1 er4\ny i1\n"}, ["一 二"]),
    "Multilingual LibriSpeech": (
        {"d/audio/1/2/1_2_0.wav": None, "d/transcripts.txt": "1_2_0\tone two\n"},
        ["one two"],
    ),
    "JSUT": ({"d/wav/B_1.wav": None, "d/transcript_utf8.txt": "B_1:一、二\n"}, ["一、二"]),
    "CSS10 and KSS": (
        {"d/x/a.wav": None, "d/transcript.txt": "x/a.wav|1|one and|0.5\n"},
        ["one and"],
    ),
    "Google's line_index.tsv": ({"d/a.wav": None, "d/line_index.tsv": "a\tone two\n"}, ["one two"]),
    "TIMIT": ({"d/A.WAV": None, "d/A.TXT": "0 32000 One two.\n"}, ["One two."]),
    "Hugging Face audiofolder": (
        {"d/a.wav": None, "d/metadata.csv": "file_name,transcription\na.wav,one\n"},
        ["one"],
    ),
    "audiofolder with jsonl": (
        {"d/a.wav": None, "d/metadata.jsonl": lines({"file_name": "a.wav", "text": "one"})},
        ["one"],
    ),
    "audiofolder in parts": (
        {"d/train/a.wav": None, "d/train/metadata.csv": "file_name,text\na.wav,one\n"},
        ["one"],
    ),
    "Digits named by file": ({"d/7_george_3.wav": None}, ["7"]),
    "Speech Commands": ({"d/yes/0a7c_0.wav": None}, ["yes"]),
    "CSV": ({"a.wav": None, "t.csv": "path,sentence\na.wav,one\n"}, ["one"]),
    "CSV of pandas": ({"a.wav": None, "t.csv": ",path,text\n0,a.wav,one\n"}, ["one"]),
    "TSV": ({"a.wav": None, "t.tsv": "path\ttext\na.wav\tone\n"}, ["one"]),
    "Semicolons": ({"a.wav": None, "t.csv": "path;text;start;end\na.wav;one;0,5;1\n"}, ["one"]),
    "No header": ({"a.wav": None, "t.csv": "a.wav|one\n"}, ["one"]),
    "Milliseconds": (
        {"a.wav": None, "t.csv": "path,text,start_ms,end_ms\na.wav,one,500,1000\n"},
        ["one"],
    ),
    "DeepSpeech": (
        {"a.wav": None, "t.csv": "wav_filename,wav_filesize,transcript\na.wav,9,one\n"},
        ["one"],
    ),
    "Common Voice": ({"cv/clips/a.mp3": None, "cv/train.tsv": COMMON_VOICE}, ["one"]),
    "LJSpeech": ({"lj/wavs/a.wav": None, "lj/metadata.csv": "a|1|one\n"}, ["one"]),
    "Kaldi": ({"a.wav": None, "k/wav.scp": "a a.wav\n", "k/text": "a one\n"}, ["one"]),
    "Kaldi with segments": (
        {
            "a.wav": None,
            "k/wav.scp": "r a.wav\n",
            "k/segments": "a r 0 1\nb r 1 2\n",
            "k/text": "a one\nb two\n",
        },
        ["one", "two"],
    ),
    "Kaldi in parts": (
        {"a.wav": None, "data/train/wav.scp": "a a.wav\n", "data/train/text": "a one\n"},
        ["one"],
    ),
    "NeMo": (
        {"a.wav": None, "n.json": lines({"audio_filepath": "a.wav", "duration": 2, "text": "one"})},
        ["one"],
    ),
    "Lhotse cuts": (
        {"a.wav": None, "c.jsonl": lines({**CUT, "recording": RECORDING, "supervisions": [SAID]})},
        ["one"],
    ),
    "Lhotse recordings and supervisions": (
        {"a.wav": None, "r.jsonl": lines(RECORDING), "s.jsonl": lines(SAID)},
        ["one"],
    ),
    "WenetSpeech": ({"w/a.wav": None, "w/WenetSpeech.json": json.dumps(WENET)}, ["one two"]),
    "SubRip": ({"a.wav": None, "a.srt": SRT}, ["one two"]),
    "WebVTT": (
        {"a.wav": None, "a.vtt": "WEBVTT\n\n" + SRT.replace(",", ".")},
        ["one two"],
    ),
    "SubStation Alpha": ({"a.wav": None, "a.ass": ASS}, ["one two"]),
    "Praat TextGrid": ({"a.wav": None, "a.TextGrid": GRID}, ["one two"]),
    "ELAN": ({"a.wav": None, "a.eaf": EAF}, ["one two"]),
    "Audacity labels": ({"a.wav": None, "a.txt": "0\t1\tone\n1\t2\ttwo\n"}, ["one two"]),
    "Whisper JSON": ({"a.wav": None, "a.json": json.dumps({"segments": SEGMENTS})}, ["one two"]),
    "TED-LIUM (STM)": ({"d/a.wav": None, "t.stm": "a 1 s 0 2 <o> one two\n"}, ["one two"]),
    "CTM": ({"a.wav": None, "a.ctm": "a 1 0 1 one\na 1 1 1 two\n"}, ["one two"]),
    "Lists of older scripts": (
        {
            "a.wav": None,
            "train.data": json.dumps({"audio": {"path": "a.wav"}, "sentence": "one"}),
            "train.header": "0\t0\t48\n",
        },
        ["one"],
    ),
}


def commands() -> dict[str, str]:
    """Return the command of each row of the page's table."""
    rows = re.findall(
        r"^\| ([^|]+) \|.*\| `python custom.py ([^`]+)` \|$", PAGE.read_text("utf-8"), re.M
    )
    return {name.strip(): command for name, command in rows}


def test_every_layout_is_in_the_page_and_the_other_way() -> None:
    assert list(commands()) == list(LAYOUTS)
    assert len(LAYOUTS) >= 40


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_by_its_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files, expected = LAYOUTS[name]
    for path, content in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            sound = np.random.default_rng(0).uniform(-0.1, 0.1, 32000)
            soundfile.write(path, sound, 16000)
        else:
            Path(path).write_bytes(content.encode())
    argv = [each.strip("'") for each in re.findall(r"(?:[^\s']|'[^']*')+", commands()[name])]
    custom.main([each.replace("'", "") for each in argv] + ["--language=en", "--output_dir=out"])
    assert [each.sentence for each in read_manifest("out/train.json")] == expected
