"""What was done is known after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.cli.errors import UserError
from utils.parallel.journal import Journal


def test_answers_are_there_in_the_next_run(tmp_path: Path) -> None:
    memory = Journal(tmp_path / "new" / "done.jsonl")
    memory.add(["a", 1, None], {"text": "好"})
    memory.add("b", [1.5])
    again = Journal(tmp_path / "new" / "done.jsonl")
    assert ["a", 1, None] in again and "c" not in again
    assert again[["a", 1, None]] == {"text": "好"}
    assert list(again.items()) == [(["a", 1, None], {"text": "好"}), ("b", [1.5])]


def test_a_later_answer_replaces_an_earlier_one(tmp_path: Path) -> None:
    memory = Journal(tmp_path / "done.jsonl")
    memory.add("a", 1)
    memory.add("a", 2)
    assert Journal(tmp_path / "done.jsonl")["a"] == 2


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_kill_costs_the_last_line_only(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "done.jsonl"
    Journal(path).add("first", 1)
    Journal(path).add("今天", 2)
    path.write_bytes(path.read_bytes()[:-cut])
    memory = Journal(path)
    assert "first" in memory and "今天" not in memory
    memory.add("third", 3)
    assert [key for key, _ in Journal(path).items()] == ["first", "third"]


def test_a_fresh_start_forgets(tmp_path: Path) -> None:
    Journal(tmp_path / "done.jsonl").add("a", 1)
    assert "a" not in Journal(tmp_path / "done.jsonl", fresh=True)
    assert "a" not in Journal(tmp_path / "done.jsonl")


@pytest.mark.parametrize("line", ["{", "5", '["key"]', '["key", 1, 2]', "\x00", ""])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "done.jsonl"
    path.write_text(f'["first", 1]\n{line}\n["last", 2]\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"done\.jsonl, line 2: expected a key and its answer"):
        Journal(path)
