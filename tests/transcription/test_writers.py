"""Transcripts are written as openai-whisper writes them, to the byte."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from utils.transcription.writers import WRITERS, SubtitleLayout, clock, write_transcript

oracle = pytest.importorskip("whisper.utils", reason="openai-whisper is a test extra")

TEXTS = (
    *(" And so, my fellow Americans,", " ask not --> what", "\tyour country\tcan do", "", "  "),
    *("今天天气很好。", " Ünïcödé 😀", " <b>tags</b> & more", "한국어 문장", " a" * 40),
)
LAYOUTS = (
    SubtitleLayout(),
    SubtitleLayout(highlight_words=True),
    SubtitleLayout(max_words_per_line=3),
    SubtitleLayout(max_words_per_line=2, highlight_words=True),
    SubtitleLayout(max_line_width=20),
    SubtitleLayout(max_line_width=20, max_line_count=2),
    SubtitleLayout(max_line_width=12, max_line_count=1, highlight_words=True),
    SubtitleLayout(max_line_count=2),
    SubtitleLayout(max_line_width=16, max_words_per_line=2),
)


def transcript(seed: int, *, words: bool) -> dict[str, Any]:
    """A result as openai-whisper makes it, of random segments with pauses, some over an hour in."""
    random_ = random.Random(seed)
    now = random_.choice([0.0, 12.34, 3590.0])
    segments = []
    for number in range(random_.randrange(0, 9)):
        begin = now + random_.choice([0.0, 0.2, 4.0])
        text = random_.choice(TEXTS)
        segment: dict[str, Any] = {"id": number, "seek": 0, "start": begin, "tokens": [50364, 7]}
        timed = []
        for word in text.replace(" ", "\0 ").split("\0"):
            end = now + random_.choice([0.0, 0.31, 0.5, 3.5])
            timed.append({"word": word, "start": now, "end": end, "probability": 0.9})
            now = end + random_.choice([0.0, 0.1])
        segment |= {"end": now, "text": text, "avg_logprob": -0.25, "temperature": 0.0}
        if words:
            segment["words"] = timed if text.strip() else []
        segments.append(segment)
    return {"text": "".join(s["text"] for s in segments), "segments": segments, "language": "en"}


@pytest.mark.parametrize("words", [False, True], ids=["segments", "words"])
@pytest.mark.parametrize("seed", range(20))
def test_files_are_those_of_openai_whisper(tmp_path, seed, words):
    result = transcript(seed, words=words)
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    theirs.mkdir()
    for number, layout in enumerate(LAYOUTS):
        written = write_transcript(result, ours / f"talk.{number}", "all", layout)
        oracle.get_writer("all", str(theirs))(result, f"talk.{number}.wav", vars(layout))
        for path in written:
            assert path.read_bytes() == (theirs / path.name).read_bytes(), (layout, path.suffix)
    assert sorted(p.name for p in ours.iterdir()) == sorted(p.name for p in theirs.iterdir())


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 59.9996, 61.5, 3599.9999, 360000.25])
@pytest.mark.parametrize("hours", [True, False])
def test_clock_is_theirs(seconds, hours):
    assert clock(seconds, ",", hours=hours) == oracle.format_timestamp(seconds, hours, ",")


def test_a_format_is_one_row():
    assert list(WRITERS) == ["txt", "vtt", "srt", "tsv", "json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_leaves_what_was_there(tmp_path):
    code = (
        "from utils.transcription.writers import write_transcript\n"
        "import pathlib, sys, resource, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "segments = [{'start': 0, 'end': 1, 'text': 'word ' * 100}]\n"
        "write_transcript({'segments': segments}, pathlib.Path(sys.argv[1]), 'txt')\n"
    )
    (tmp_path / "talk.txt").write_text("earlier\n")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "talk")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},
        cwd=Path(__file__).resolve().parents[2],
    )
    assert "File too large" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["talk.txt"]
    assert (tmp_path / "talk.txt").read_text() == "earlier\n"
