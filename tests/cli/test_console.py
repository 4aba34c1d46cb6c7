from __future__ import annotations

import pytest

from utils.cli.console import is_main_process, process_count, process_rank, say, warn
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


def test_progress_passes_every_item_on(rank, capsys):
    assert list(progress(range(3), desc="reading", unit="utt")) == [0, 1, 2]
    shown = capsys.readouterr().err
    assert ("reading: 100%" in shown) == (rank != "1")


def test_progress_in_a_log_file_is_short(capsys, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    list(progress(iter(range(10_000)), total=10_000))
    assert capsys.readouterr().err.count("\r") <= 3
