from __future__ import annotations

import io
import re
import sys
import time
import warnings

import pytest

from utils.cli.console import (
    be_quiet,
    is_main_process,
    process_count,
    process_rank,
    say,
    say_result,
    warn,
)
from utils.cli.progress import progress


@pytest.fixture(params=[None, "0", "1"])
def rank(request, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    if request.param is not None:
        monkeypatch.setenv("RANK", request.param)
        monkeypatch.setenv("WORLD_SIZE", "2")
    return request.param


def test_the_launcher_says_which_process_this_is(rank):
    assert process_rank() == int(rank or 0)
    assert is_main_process() == (rank != "1")


def test_one_process_is_counted_without_a_launcher(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert process_count() == 1
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert process_count() == 4


def test_only_the_main_process_speaks(rank, capsys):
    say("hello")
    say()
    warn("careful")
    spoken = ("hello\n\n", "warning: careful\n") if rank != "1" else ("", "")
    assert capsys.readouterr() == spoken


def test_what_would_steer_a_terminal_is_spelled_out(monkeypatch, capsys):
    monkeypatch.delenv("RANK", raising=False)
    steering = "\x1b[2J\x07\r\x9b\x7f\u202eevil\u2069\u2028"
    say(f"a\tb\n{steering}打开é")
    warn(steering)
    spelled = "\\x1b[2J\\x07\\r\\x9b\\x7f\\u202eevil\\u2069\\u2028"
    assert capsys.readouterr() == (f"a\tb\n{spelled}打开é\n", f"warning: {spelled}\n")


def test_signs_that_the_terminal_has_not_are_spelled_out(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    say("开 \udcff")
    assert stream.buffer.getvalue() == b"\\u5f00 \\udcff\n"


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    for name in ("WHISPER_FINETUNE_QUIET", "TRANSFORMERS_VERBOSITY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "")
    with warnings.catch_warnings():
        be_quiet()
        yield


def test_quiet_leaves_only_results(quiet, capsys):
    say("on the way")
    warn("odd")
    list(progress(range(3), desc="reading"))
    say_result("the result")
    assert capsys.readouterr() == ("the result\n", "")


def test_progress_passes_every_item_on(rank, capsys, monkeypatch):
    monkeypatch.setattr("utils.cli.progress.SECONDS_BETWEEN_LOG_LINES", 0.0)
    assert list(progress(range(3), desc="reading", unit="utt")) == [0, 1, 2]
    shown = capsys.readouterr().err
    assert ("reading: 100%" in shown) == (rank != "1")


def test_progress_in_a_log_is_a_line_at_a_time_without_control_characters(capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr("utils.cli.progress.SECONDS_BETWEEN_LOG_LINES", 0.02)
    for _ in progress(iter(range(40)), total=40, desc="reading \x1b[2Ja"):
        time.sleep(0.002)
    lines = capsys.readouterr().err.split("\n")
    assert 2 <= len(lines) <= 8
    assert all(
        re.fullmatch(r"reading \\x1b\[2Ja: +\d+% \d+/40 \[.*\]", line) for line in lines[:-1]
    )
    assert (lines[-2].split()[2:4], lines[-1]) == (["100%", "40/40"], "")


def test_progress_of_unknown_length_counts(capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr("utils.cli.progress.SECONDS_BETWEEN_LOG_LINES", 0.0)
    list(progress(iter(range(7)), desc="reading", unit="utt"))
    assert re.fullmatch(r"reading: 7utt \[.*\]", capsys.readouterr().err.split("\n")[-2])


def test_work_that_takes_little_time_prints_no_progress_in_a_log(capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    list(progress(range(10_000), desc="reading"))
    assert capsys.readouterr().err == ""
