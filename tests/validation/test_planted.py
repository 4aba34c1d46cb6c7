"""A set with faults of every kind: validation finds each of them, and nothing else."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.validation.test_check import PLANTED, RATE, Corpus, speech
from utils.audio.decode import decode_audio
from utils.manifest.read import read_manifest

Expected = tuple[str, str]
"""Kind of a finding, and the id of its line."""

# Kinds that need more than this layer has, with the test that plants them.
ELSEWHERE = {
    "text without voice": "tests/validation/test_inspect.py",
    "voice without text": "tests/validation/test_inspect.py",
    "too many tokens": "tests/validation/test_inspect.py",
    "contradicted by the model": "tests/transcription/test_contradictions.py",
    "the model contradicts most lines": "tests/transcription/test_contradictions.py",
    "empty manifest": "tests/validation/test_check.py",
}


def sentence(repository: Path) -> np.ndarray:
    """Return a spoken sentence, float32 (S,) at 16 kHz."""
    line = read_manifest(repository / "demo/en/dev.jsonl")[0]
    return decode_audio(line.audio)[0][:, 0]


def plant_pairs(corpus: Corpus, repository: Path) -> Iterator[Expected]:
    """Plant what is wrong between two lines."""
    corpus.add(speech(501), sentence="words of one", speaker="P1")
    yield "repeated audio", corpus.add(speech(501), sentence="words of one", speaker="P2")
    yield "one sound, two texts", corpus.add(speech(501), sentence="other words", speaker="P3")
    yield (
        "audio in two sets",
        corpus.add(speech(501), to="test", sentence="third words", speaker="P4"),
    )
    corpus.add(sentence(repository), sentence="what is said here", speaker="P5")
    again = 0.4 * sentence(repository)[900:]
    yield "nearly the same audio", corpus.add(again, sentence="what is said here", speaker="P6")
    softer = 0.1 * sentence(repository)
    yield (
        "nearly the same audio in two sets",
        corpus.add(softer, to="test", sentence="what is said here", speaker="P7"),
    )
    corpus.add(speech(502), sentence="words of two", speaker="P8")
    said = corpus.add(speech(503), to="test", sentence="words of two", speaker="P8")
    yield "text of a speaker in two sets", said
    yield "speaker in two sets", said
    yield (
        "text in two sets",
        corpus.add(speech(504), to="test", sentence="words of two", speaker="P9"),
    )


def plant_lines(corpus: Corpus) -> Iterator[Expected]:
    """Plant what is wrong with a line or a file by itself."""
    for name, (_, kind, plant) in PLANTED.items():
        if name != "said twice":
            yield kind, corpus.add(**plant(corpus.folder))
    corpus.add(sentence="said by one", speaker="Q1")
    yield "repeated text", corpus.add(sentence="said by one", speaker="Q1")
    soundfile.write(corpus.folder / "flac.wav", speech(505), RATE, format="FLAC")
    yield "wrong extension", corpus.add(audio={"path": "flac.wav"})
    corpus.lines["train"].append("{")
    yield "broken line", ""
    line = {"audio": {"path": "1.wav"}, "sentence": "", "sentences": [], "id": "u2"}
    soundfile.write(corpus.folder / "silence.wav", np.zeros(RATE), RATE)
    line["audio"] = {"path": "silence.wav"}
    corpus.lines["train"].append(json.dumps(line))
    yield "repeated id", ""


def test_every_planted_fault_is_found_and_nothing_else(tmp_path: Path, repository: Path) -> None:
    corpus = Corpus(tmp_path)
    for to in ("train", "test"):
        for _ in range(20):
            corpus.add(to=to)
    planted = Counter([*plant_lines(corpus), *plant_pairs(corpus, repository)])
    diagnosis = corpus.check()
    false_findings = [each for each in diagnosis.findings if (each.kind, each.id) not in planted]
    assert false_findings == []  # precision 1
    told = Counter((each.kind, each.id) for each in diagnosis.findings)
    assert told == planted  # recall 1
    assert {kind for kind, _ in planted} | ELSEWHERE.keys() == kinds(repository)


def kinds(repository: Path) -> set[str]:
    """Return every kind of finding that the code can name."""
    found = {f"{kind} audio" for kind in audio_errors(repository) - {"outside"}}
    for path in (repository / "utils").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "inding(" not in text:
            continue
        for call in ast.walk(ast.parse(text)):
            name = getattr(getattr(call, "func", None), "attr", None) or getattr(
                getattr(call, "func", None), "id", None
            )
            if name in ("finding", "Finding") and isinstance(call, ast.Call):
                found |= {each.value for each in call.args[1:2] if isinstance(each, ast.Constant)}
    in_variables = {
        *("broken line", "repeated id", "empty manifest"),
        *("nearly the same audio", "nearly the same audio in two sets"),
        *("contradicted by the model", "the model contradicts most lines"),
    }
    return found | in_variables


def audio_errors(repository: Path) -> set[str]:
    """Return the kinds of `AudioError`."""
    found = {"undecodable"}
    for path in (repository / "utils" / "audio").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "AudioError":
                found |= {
                    each.value.value
                    for each in node.keywords
                    if each.arg == "kind" and isinstance(each.value, ast.Constant)
                }
    return found


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_the_other_kinds_are_planted_where_it_says(repository: Path, kind: str) -> None:
    assert f'"{kind}"' in (repository / ELSEWHERE[kind]).read_text(encoding="utf-8")
