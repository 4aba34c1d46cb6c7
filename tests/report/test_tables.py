"""Tables line up, whatever the script."""

from __future__ import annotations

import pytest

from utils.report.tables import (
    display_width,
    markdown_table,
    pad,
    percent,
    percent_interval,
    points,
    text_table,
)


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("模型", 4), ("がA", 3), ("हि", 2), ("e\u0301", 1), ("Ａ", 2)]
)
def test_characters_of_double_width_take_two_columns(text: str, width: int):
    # A spacing vowel sign (Mc) takes a column of its own, a mark above (Mn) takes none.
    assert display_width(text) == width


def test_columns_of_mixed_scripts_line_up():
    table = text_table(("model", "rate"), [("模型一", "1"), ("base", "12")])
    assert table.split("\n") == [
        "model   rate",
        "──────  ────",
        "模型一     1",
        "base      12",
    ]


def test_padding_never_cuts():
    assert pad("模型", 3) == "模型"
    assert pad("ab", 4, right=True) == "  ab"


def test_markdown_cells_cannot_break_the_table():
    table = markdown_table(("a", "b"), [("x|y", "1\n2")])
    assert table.split("\n") == ["| a | b |", "| :-- | --: |", r"| x\|y | 1 2 |"]


def test_rates_are_percentages_and_nothing_is_a_dash():
    assert percent(0.05126) == "5.13 %"
    assert percent(None) == "–"
    assert percent_interval((0.04, 0.1)) == "4.00 to 10.00 %"
    assert percent_interval(None) == "–"
    assert points(-0.0123) == "−1.23 points"
    assert points(0.5) == "+50.00 points"
