"""A manifest line: what is accepted, what is refused, and what is kept."""

from __future__ import annotations

import contextlib
import json
import math
import pickle
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.audio.clip import AudioRef, TimedSentence
from utils.manifest.utterance import Utterance

SCHEMA = Path(__file__).parents[2] / "utils" / "manifest" / "manifest.schema.json"


def line(**changes: Any) -> dict[str, Any]:
    """Return the smallest line with some fields changed or added."""
    return {"audio": {"path": "a.wav"}, "sentence": "hello"} | changes


def audio(**changes: Any) -> dict[str, Any]:
    return line(audio={"path": "a.wav"} | changes)


def timed(*sentences: Any) -> dict[str, Any]:
    return line(sentences=list(sentences))


ACCEPTED = {
    "smallest": line(),
    "all fields": line(
        audio={"path": "a.wav", "start_time": 0.5, "end_time": 2, "offset": 0, "size": 9}
        | {"channel": 1},
        id="1",
        language="Chinese",
        duration=1.5,
        speaker="S1",
        prompt="before",
        task="translate",
        source="x",
        sentences=[{"start": 0, "end": 1.5, "text": "hello"}],
    ),
    "no speech": line(sentence="", sentences=[]),
    "empty text without sentences": line(sentence=""),
    "nulls": line(
        id=None, language=None, duration=None, speaker=None, prompt=None, task=None, sentences=None
    ),
    "audio nulls": audio(start_time=None, end_time=None, offset=None, size=None, channel=None),
    "channel": audio(channel=0),
    "numbers as names": line(id=7, speaker=12),
    "unknown fields": line(words=[1, {"a": None}], gender="f") | {"": 1},
    "unknown audio fields": audio(sampling_rate=16000),
    "unknown sentence fields": timed({"start": 0, "end": 1, "text": "hello", "words": []}),
    "zero length sentence": timed({"start": 1, "end": 1, "text": ""}),
    "any script": line(sentence="हिन्दी में — 中文 🎤 \u2028 x"),
}

REFUSED = {
    "no object": ([1], "a list; expected a JSON object"),
    "no audio": ({"sentence": "x", "text": "y"}, 'the line has "sentence", "text"'),
    "audio null": (line(audio=None), '"audio" is missing or null'),
    "audio text": (line(audio="a.wav"), "\"audio\" is the text 'a.wav'; expected an object"),
    "no path": (line(audio={"file": "a.wav"}), '"audio.path" is missing or null'),
    "empty path": (line(audio={"path": " "}), '"audio.path" is the text'),
    "path number": (line(audio={"path": 3}), '"audio.path" is the number 3'),
    "path with zero byte": (line(audio={"path": "a\0"}), "zero byte"),
    "no sentence": ({"audio": {"path": "a.wav"}}, '"sentence" is missing; the line has "audio"'),
    "sentence null": (line(sentence=None), '"sentence" is missing or null; expected text'),
    "sentence number": (line(sentence=12), '"sentence" is the number 12; expected text'),
    "sentence list": (line(sentence=["a"]), '"sentence" is a list; expected text'),
    "white space": (line(sentence=" \t\n"), "holds only white space"),
    "negative start": (audio(start_time=-1), '"audio.start_time" is -1; expected seconds'),
    "time as text": (audio(end_time="3"), "\"audio.end_time\" is the text '3'"),
    "time as bool": (audio(end_time=True), "true/false True; expected seconds"),
    "offset alone": (audio(offset=3), "belong together"),
    "size alone": (audio(size=3, offset=None), "belong together"),
    "size zero": (audio(offset=0, size=0), '"audio.size" is the number 0'),
    "offset fraction": (audio(offset=0.5, size=3), '"audio.offset" is the number 0.5'),
    "negative channel": (audio(channel=-1), '"audio.channel" is the number -1; expected'),
    "channel letter": (audio(channel="A"), "\"audio.channel\" is the text 'A'"),
    "channel bool": (audio(channel=True), '"audio.channel" is true/false True'),
    "negative duration": (line(duration=-0.1), '"duration" is -0.1; expected seconds'),
    "duration text": (line(duration="1"), '"duration" is the text'),
    "language number": (line(language=3), '"language" is the number 3; expected a name or code'),
    "task": (line(task="transcribes"), "expected transcribe or translate"),
    "id list": (line(id=[]), '"id" is a list'),
    "id empty": (line(id=""), "\"id\" is the text ''"),
    "id bool": (line(id=True), '"id" is true/false True'),
    "speaker fraction": (line(speaker=1.5), '"speaker" is the number 1.5'),
    "prompt number": (line(prompt=1), '"prompt" is the number 1'),
    "source list": (line(source=[]), '"source" is a list'),
    "sentences text": (line(sentences="x"), '"sentences" is the text'),
    "sentences of texts": (timed("x"), '"sentences[0]" is the text'),
    "sentence without text": (timed({"start": 0, "end": 1}), '"sentences[0]" has no "text"'),
    "sentence without end": (timed({"start": 0, "text": "x"}), '"sentences[0]" has no "end"'),
    "sentence time null": (timed({"start": None, "end": 1, "text": "x"}), 'has no "start"'),
    "sentence time text": (timed({"start": "0", "end": 1, "text": "x"}), '"sentences[0].start"'),
    "second sentence": (
        timed({"start": 0, "end": 1, "text": "x"}, {"start": 0, "end": -1, "text": "x"}),
        '"sentences[1].end" is -1',
    ),
    "sentence text list": (timed({"start": 0, "end": 1, "text": []}), '"sentences[0].text"'),
    "times but no text": (
        line(sentence="", sentences=[{"start": 0, "end": 1, "text": "x"}]),
        '"sentence" is empty, but "sentences" has 1',
    ),
    "text but no times": (line(sentences=[]), 'leave "sentences" out where the times'),
}

# What JSON Schema cannot say, or JSON cannot hold.
REFUSED_BY_THE_READER_ALONE = {
    "reversed": (audio(start_time=2, end_time=1), '"audio.end_time" 1 is not after'),
    "no length": (audio(start_time=2.0, end_time=2), '"audio.end_time" 2 is not after'),
    "ends at 0": (audio(end_time=0), '"audio.end_time" 0 is not after "audio.start_time" 0'),
    "sentence reversed": (
        timed({"start": 2, "end": 1, "text": "x"}),
        '"sentences[0]" ends at 1 s before it starts at 2 s',
    ),
    "nan": (line(duration=math.nan), '"duration" is nan'),
    "infinite": (audio(end_time=math.inf), '"audio.end_time" is inf'),
    "huge": (line(duration=10**400), '"duration" is inf'),
    "language": (line(language="Chinees"), "did you mean Chinese (zh)"),
}


def is_accepted_by_the_schema(value: Any) -> bool:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("name", ACCEPTED)
def test_reader_and_schema_accept(name: str) -> None:
    utterance = Utterance.from_json(ACCEPTED[name], default_id="default")
    assert utterance.sentence == ACCEPTED[name]["sentence"]
    assert is_accepted_by_the_schema(ACCEPTED[name])


@pytest.mark.parametrize("name", REFUSED)
def test_reader_and_schema_refuse(name: str) -> None:
    value, expected = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(expected)):
        Utterance.from_json(value, default_id="default")
    assert not is_accepted_by_the_schema(value)


@pytest.mark.parametrize("name", REFUSED_BY_THE_READER_ALONE)
def test_the_reader_refuses(name: str) -> None:
    value, expected = REFUSED_BY_THE_READER_ALONE[name]
    with pytest.raises(ValueError, match=re.escape(expected)):
        Utterance.from_json(value, default_id="default")


def test_fields_are_read_and_typed() -> None:
    assert Utterance.from_json(ACCEPTED["all fields"], default_id="default") == Utterance(
        audio=AudioRef("a.wav", 0.5, 2.0, 0, 9, 1),
        sentence="hello",
        id="1",
        language="zh",
        sentences=(TimedSentence(0.0, 1.5, "hello"),),
        duration=1.5,
        speaker="S1",
        prompt="before",
        task="translate",
        source="x",
    )


def test_absent_fields_have_their_defaults() -> None:
    utterance = Utterance.from_json(line(), default_id="train-000003")
    assert utterance == Utterance(AudioRef("a.wav"), "hello", "train-000003")
    assert utterance.language is None
    assert utterance.sentences is None
    assert not utterance.is_no_speech


def test_no_speech_is_known_by_its_empty_text() -> None:
    utterance = Utterance.from_json(ACCEPTED["no speech"], default_id="x")
    assert utterance.is_no_speech
    assert utterance.sentences == ()
    assert utterance.to_json()["sentences"] == []


def test_values_can_be_hashed_and_pickled() -> None:
    for value in ACCEPTED.values():
        utterance = Utterance.from_json(value, default_id="x")
        assert pickle.loads(pickle.dumps(utterance)) == utterance
        assert hash(utterance) == hash(Utterance.from_json(value, default_id="x"))


FINITE = st.floats(0, 1e6, allow_nan=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
EXTRA = st.dictionaries(TEXT.map(lambda name: f"x{name}"), JSON, max_size=3)


@st.composite
def utterances(draw: st.DrawFn) -> Utterance:
    """Draw any value that a manifest can hold."""
    start = draw(st.none() | FINITE)
    end = None if start is None else draw(st.none() | FINITE.map(lambda more: start + more + 1))
    span = draw(st.none() | st.tuples(st.integers(0), st.integers(1)))
    channel = st.none() | st.integers(0)
    path = draw(TEXT.filter(lambda text: text.strip() and "\0" not in text))
    sentence = draw(TEXT.filter(lambda text: not text or text.strip()))
    times = st.tuples(FINITE, FINITE).map(sorted)
    each = st.builds(
        lambda t, text, extra: TimedSentence(t[0], t[1], text, extra), times, TEXT, EXTRA
    )
    sentences = draw(
        st.none() | (st.lists(each, min_size=1, max_size=3) if sentence else st.just([]))
    )
    return Utterance(
        audio=AudioRef(path, start, end, *(span or (None, None)), draw(channel), draw(EXTRA)),
        sentence=sentence,
        id=draw(TEXT.filter(bool)),
        language=draw(st.none() | st.sampled_from(["zh", "en", "yue"])),
        sentences=None if sentences is None else tuple(sentences),
        duration=draw(st.none() | FINITE),
        speaker=draw(st.none() | TEXT.filter(bool)),
        prompt=draw(st.none() | TEXT),
        task=draw(st.none() | st.sampled_from(["transcribe", "translate"])),
        source=draw(st.none() | TEXT),
        extra=draw(EXTRA),
    )


@given(utterances())
def test_what_is_written_is_read_back(utterance: Utterance) -> None:
    text = json.dumps(utterance.to_json(), allow_nan=False)
    assert Utterance.from_json(json.loads(text), default_id="other") == utterance


@given(JSON)
def test_any_json_is_an_utterance_or_a_named_error(value: Any) -> None:
    for candidate in (value, line(sentences=value), line(audio=value), {"audio": {"path": value}}):
        # Anything but a ValueError would be a bug.
        with contextlib.suppress(ValueError):
            assert Utterance.from_json(candidate, default_id="x").id
