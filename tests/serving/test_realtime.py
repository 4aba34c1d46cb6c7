"""Live text, in OpenAI's realtime events, by its own client."""

from __future__ import annotations

import base64
import itertools
import json
import time

import numpy as np
import openai
import pytest
import soundfile
import soxr
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from utils.serving.errors import Refused
from utils.serving.live.agreement import Agreement
from utils.serving.live.session import Session

KIND = "conversation.item.input_audio_transcription"


def encoded(samples: np.ndarray, rate: int = 24_000) -> list[str]:
    """A tenth of a second each, as the events have them."""
    moved = soxr.resample(samples, 16_000, rate)
    whole = (np.clip(moved, -1, 1) * 32767).astype("<i2").tobytes()
    step = rate // 10 * 2
    return [base64.b64encode(whole[i : i + step]).decode() for i in range(0, len(whole), step)]


@pytest.fixture(scope="module")
def spoken(clips):
    """Two sentences with a second of silence after each."""
    quiet = np.zeros(16_000, np.float32)
    sounds = [soundfile.read(clip, dtype="float32")[0] for clip in clips[:2]]
    return np.concatenate([part for sound in sounds for part in (sound, quiet)])


@pytest.fixture
def live(server):
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none")
    options = {"extra_query": {"intent": "transcription"}}
    with client.realtime.connect(**options) as connection:
        assert connection.recv().type == "session.created"
        yield connection


def until_completed(connection, count: int) -> list:
    """All events until so many turns have their text."""
    events = []
    while sum(event.type == f"{KIND}.completed" for event in events) < count:
        events.append(connection.recv())
        assert events[-1].type != "error", events[-1]
    return events


def test_turns_are_found_and_transcribed(live, spoken, server, clips):
    for part in encoded(spoken):
        live.input_audio_buffer.append(audio=part)
    events = until_completed(live, 2)
    kinds = [event.type for event in events]
    assert kinds.count("input_audio_buffer.speech_started") == 2
    assert kinds.count("input_audio_buffer.committed") == 2
    completed = [event for event in events if event.type == f"{KIND}.completed"]
    for event in completed:
        mine = [each for each in events if getattr(each, "item_id", None) == event.item_id]
        order = [each.type.rpartition(".")[2] for each in mine if "delta" not in each.type]
        assert order == ["speech_started", "speech_stopped", "committed", "completed"]
        deltas = "".join(each.delta for each in mine if each.type == f"{KIND}.delta")
        assert event.transcript.startswith(deltas) or deltas
    started = [e.audio_start_ms for e in events if e.type.endswith("speech_started")]
    assert started[0] < 500 and started[1] > 1500
    assert completed[0].transcript.startswith(server.texts(clips[0])[0][:3])
    assert not server.files()


def test_text_comes_while_somebody_speaks(live, server, talk):
    live.session.update(
        session={
            "type": "transcription",
            "audio": {"input": {"transcription": {"model": "base", "language": "en"}}},
        }
    )
    sound = soundfile.read(talk, dtype="float32", stop=16_000 * 4)[0]
    for part in encoded(sound[: 16_000 * 2]):
        live.input_audio_buffer.append(audio=part)
    for event in iter(live.recv, None):
        if event.type == "input_audio_buffer.speech_started":
            break
    time.sleep(0.1)
    live.input_audio_buffer.commit()
    events = until_completed(live, 1)
    assert events[-1].transcript


def test_the_client_may_end_turns_itself(live, clips, server):
    session = {"turn_detection": None, "transcription": {"model": "base", "language": "zh"}}
    session["format"] = {"type": "audio/pcm", "rate": 16_000}
    live.session.update(session={"type": "transcription", "audio": {"input": session}})
    shown = live.recv()
    assert shown.type == "session.updated"
    assert shown.session.audio.input.turn_detection is None
    sound = soundfile.read(clips[0], dtype="float32")[0]
    for part in encoded(sound, 16_000):
        live.input_audio_buffer.append(audio=part)
    live.input_audio_buffer.commit()
    events = until_completed(live, 1)
    assert [event.type.rpartition(".")[2] for event in events if event.type != f"{KIND}.delta"] == [
        *("committed", "added", "done", "completed")
    ]
    assert events[-1].transcript and events[-1].usage.seconds == pytest.approx(1.67, abs=0.02)


def test_the_buffer_can_be_cleared(live):
    live.session.update(
        session={"type": "transcription", "audio": {"input": {"turn_detection": None}}}
    )
    live.recv()
    live.input_audio_buffer.append(audio=encoded(np.ones(16_000, np.float32) / 9)[0])
    live.input_audio_buffer.clear()
    assert live.recv().type == "input_audio_buffer.cleared"
    live.input_audio_buffer.commit()
    assert "0.00 s" in live.recv().error.message


@pytest.fixture
def raw(server):
    with connect(f"{server.url}/v1/realtime".replace("http", "ws")) as socket:
        json.loads(socket.recv())
        yield socket


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ("no json", "not JSON"),
        ("[1]", "JSON object"),
        ('{"type": "sing"}', "'sing'"),
        ('{"type": "input_audio_buffer.append", "audio": "??"}', "base64"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "half a sample"),
        ('{"type": "input_audio_buffer.append"}', "base64"),
        ('{"type": "input_audio_buffer.commit"}', "Nobody has spoken"),
        ('{"type": "session.update"}', "no object session"),
        ('{"type": "session.update", "session": {"input_audio_format": "mp3"}}', "mp3"),
        (
            '{"type": "session.update", "session": {"audio": {"input": {"transcription": '
            '{"model": "../base"}}}}}',
            "Models: base, tiny",
        ),
    ],
)
def test_an_event_that_is_wrong_is_told_and_the_session_goes_on(raw, sent, message):
    for _ in range(2):
        raw.send(sent)
        event = json.loads(raw.recv())
        assert event["type"] == "error" and message in event["error"]["message"]


def test_a_binary_message_ends_the_session(raw):
    raw.send(b"\0\1")
    with pytest.raises(ConnectionClosed):
        raw.recv()


def test_sessions_are_limited(server):
    url = f"{server.url}/v1/realtime".replace("http", "ws")
    with server.settings(max_live=0), connect(url) as socket:
        assert "no room" in socket.recv()
        with pytest.raises(ConnectionClosed):
            socket.recv()


def test_pages_of_other_origins_cannot_connect(server):
    url = f"{server.url}/v1/realtime".replace("http", "ws")
    with pytest.raises(InvalidStatus):
        connect(url, origin="https://evil.example")


def test_the_key_may_be_a_protocol(keyed):
    url = f"{keyed.url}/v1/realtime".replace("http", "ws")
    with pytest.raises(InvalidStatus):
        connect(url)
    key = "openai-insecure-api-key.sesame"
    with connect(url, subprotocols=["realtime", key]) as socket:
        assert socket.subprotocol == "realtime"


def test_what_was_told_of_a_turn_never_changes():
    words = ["the", "quick", "brown", "fox", "jumps", "again"]
    turn = Agreement()
    told = ""
    for count, wrong in itertools.product(range(1, len(words) + 1), ("one", "two")):
        told += turn.grown(" ".join([*words[:count], wrong]))
        assert " ".join(words).startswith(told)
    assert told == " ".join(words)
    assert turn.ended(f"{told} today") == " today"
    assert turn.ended("something else") == ""


def test_chinese_is_agreed_on_by_character():
    turn = Agreement()
    assert [turn.grown(text) for text in ("今天", "今天天", "今天天气好")] == ["", "今天", "天"]


@pytest.mark.parametrize(("name", "subtype"), [("audio/pcmu", "ULAW"), ("audio/pcma", "ALAW")])
def test_telephone_sound_is_taken(name, subtype, tmp_path):
    samples = np.sin(np.arange(800) / 5).astype(np.float32) / 2
    path = tmp_path / "sound.raw"
    soundfile.write(path, samples, 8000, format="RAW", subtype=subtype)
    event = {"session": {"audio": {"input": {"format": {"type": name}}}}}
    session = Session().updated(event)
    found = session.samples(base64.b64encode(path.read_bytes()).decode())
    assert session.rate == 8000 and np.abs(found - samples).max() < 0.02


@pytest.mark.parametrize("rate", [0, -1, 7999, 10**9, True, "24000", 1.5])
def test_no_other_rates_are_taken(rate):
    event = {"session": {"audio": {"input": {"format": {"type": "audio/pcm", "rate": rate}}}}}
    with pytest.raises(Refused, match="rate"):
        Session().updated(event)
