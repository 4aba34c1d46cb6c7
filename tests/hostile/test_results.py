"""Results, gates and predictions with anything in them: a report, or a sentence that says why not.

Fields are lost, doubled, exchanged or made of another type, one by one: what a parser lets pass and
a report then trips over.
"""

from __future__ import annotations

import copy
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evaluation
from tests.hostile.hostility import fuzz, mutations
from utils.cli.errors import UserError, run_script
from utils.report.forms import make_forms
from utils.scoring.gate import read_gate
from utils.scoring.predictions import read_predictions

LINES = [("a", "good morning", "good mourning"), ("b", "turn it off", "turn it"), ("c", "yes", "")]
SECONDS = 10
FORMS = ("summary", "comment", "junit", "card")
ODD: list[Any] = [
    *(None, True, False, -1, 0, 3, 1e300, -1e300, 10**400, "", "x", "a\x1b[31m\x00b", "\u202e`|<"),
    *([], {}, [1, 2], [None], {"rate": "x"}, [[]], {"a": {"b": []}}, "9" * 5000, float("nan")),
]
GATE = "all: failed<=0, missing<=0\ntest: [wer<=5%, wer.delta<=0.2%]\ntest[duration=0-2]: wer<=1\n"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small evaluation with a baseline and a gate."""
    folder = tmp_path_factory.mktemp("results")
    sentences = [
        {"id": i, "sentence": s, "audio": {"path": "x.wav"}, "duration": 1} for i, s, _ in LINES
    ]
    _write(folder / "test.jsonl", sentences)
    for name, place in (("old", 2), ("new", 1)):
        said = [{"id": line[0], "hypothesis": line[place], "audio_seconds": 1.0} for line in LINES]
        _write(folder / f"{name}.jsonl", said)
    flags = {
        "test_data": folder / "test.jsonl",
        "predictions": folder / "new.jsonl",
        "baseline": folder / "old.jsonl",
        "language": "en",
        "gate": "failed<=0, wer.delta<=0",
        "report_dir": folder / "report",
    }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    assert run_script(lambda _: evaluation.main(arguments)) in (0, 3, 4)
    return folder / "report"


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every field of a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield (*at, key)
        if isinstance(each, (dict, list)):
            yield from _places(each, (*at, key))


@st.composite
def changes(draw: Callable[..., Any]) -> Callable[[Any], Any]:
    """Draw a few changes of the fields of a JSON value."""
    edits = draw(
        st.lists(
            st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([*ODD, "lose", "double"])),
            min_size=1,
            max_size=3,
        )
    )

    def change(value: Any) -> Any:
        value = json.loads(json.dumps(value))
        for where, what in edits:
            places = list(_places(value))
            *above, key = places[int(where * len(places))]
            holder = value
            for step in above:
                holder = holder[step]
            if what == "lose":
                del holder[key]
            elif what == "double" and isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            else:
                holder[key] = copy.deepcopy(what)
            if not value:
                break
        return value

    return change


def _complaint(work: Callable[[], Any]) -> str | None:
    """Return the message of the error that a work ends in, if it does."""
    try:
        work()
    except UserError as error:
        return error.message
    return None


def _made(results: Path, folder: Path) -> None:
    started = time.perf_counter()
    with suppress(UserError):
        make_forms([results], folder, FORMS, loudness=False)
    assert time.perf_counter() - started < SECONDS


@fuzz
@given(change=changes())
def test_a_report_of_changed_results_is_made_or_refused(
    report: Path, tmp_path_factory: pytest.TempPathFactory, change: Callable[[Any], Any]
):
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(report / "predictions", folder / "predictions")
    content = json.loads((report / "results.json").read_text(encoding="utf-8"))
    (folder / "results.json").write_text(json.dumps(change(content)), encoding="utf-8")
    _made(folder / "results.json", folder)


@fuzz
@given(change=mutations())
def test_so_is_one_of_broken_bytes(
    report: Path, tmp_path_factory: pytest.TempPathFactory, change: Callable[[bytes], bytes]
):
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(report / "predictions", folder / "predictions")
    content = (report / "results.json").read_bytes()
    (folder / "results.json").write_bytes(change(content))
    _made(folder / "results.json", folder)


@fuzz
@given(change=changes())
def test_changed_predictions_are_read_or_refused_by_line(
    report: Path, tmp_path_factory: pytest.TempPathFactory, change: Callable[[Any], Any]
):
    path = next((report / "predictions").glob("*.jsonl"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    changed = tmp_path_factory.mktemp("lines") / "p.jsonl"
    value = change(lines)
    changed.write_text("".join(json.dumps(line) + "\n" for line in value), encoding="utf-8")
    complaint = _complaint(lambda: read_predictions(changed))
    assert complaint is None or ", line " in complaint


@fuzz
@given(change=mutations())
def test_a_broken_gate_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, change: Callable[[bytes], bytes]
):
    path = tmp_path_factory.mktemp("gate") / "gate.yaml"
    path.write_bytes(change(GATE.encode()))
    started = time.perf_counter()
    complaint = _complaint(lambda: read_gate(str(path)))
    assert complaint is None or str(path) in complaint
    assert time.perf_counter() - started < SECONDS


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefghijkl", "bcdefghijklm", strict=True)
)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (BOMB, "expected conditions such as"),
        ("all: &a [*a]\n", "expected conditions such as"),
        ("all: " + "[" * 50_000, "nested too deeply"),
        ("all: failed<=0\nall: missing<=0\n", "line 2: all stands there twice"),
        ("? [a]\n: cer<=1\n", "expected the name of a test set"),
        ("all: failed<=0\n" * 100_000, "at most 1000000 bytes"),
        (b"all: \xff", "cannot be read"),
    ],
)
def test_a_gate_that_does_harm_is_refused_at_once(
    tmp_path: Path, content: str | bytes, complaint: str
):
    path = tmp_path / "gate.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    started = time.perf_counter()
    with pytest.raises(UserError) as caught:
        read_gate(str(path))
    assert complaint in caught.value.message
    assert time.perf_counter() - started < SECONDS


@pytest.mark.parametrize("content", ["[" * 200_000, '{"schema": 1, "scores": ' + "[" * 200_000])
def test_results_nested_without_end_are_refused(tmp_path: Path, content: str):
    (tmp_path / "results.json").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="nested too deeply"):
        make_forms([tmp_path / "results.json"], tmp_path, FORMS)
