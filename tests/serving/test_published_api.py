"""The published interface: its fields arrive, and its answers have their form."""

from __future__ import annotations

import json

import pytest
import requests

from utils.transcription.rewriting import rewritten


def test_a_file_becomes_sentences_with_times(server, clips):
    answer = server.post("/recognition", clips[0])
    value = answer.json()
    assert (answer.status_code, value["code"]) == (200, 0)
    for each in value["results"]:
        assert set(each) == {"result", "start", "end"}
        assert each["result"] and 0 <= each["start"] <= each["end"] <= 1.7


def test_the_stream_is_the_same_sentences_with_a_nul_after_each(server, clips, talk):
    for sound, model in ((clips[1], "base"), (talk, "tiny")):
        whole = server.post("/recognition", sound, model=model).json()["results"]
        answer = server.post("/recognition_stream", sound, model=model)
        assert answer.status_code == 200 and answer.content.endswith(b"\0")
        assert [json.loads(piece) for piece in answer.content.split(b"\0")[:-1]] == whole


def test_sentences_arrive_as_they_are_recognised(server, talk):
    files = {"audio": ("talk.wav", talk.read_bytes())}
    url = f"{server.url}/recognition_stream"
    with requests.post(url, files=files, data={"model": "tiny"}, stream=True) as answer:
        chunks = [chunk for chunk in answer.iter_content(None) if chunk]
    assert len(chunks) > 1


def test_times_of_a_long_recording_are_the_recordings(server, talk):
    found = server.post("/recognition", talk, model="tiny").json()["results"]
    starts = [each["start"] for each in found]
    assert starts == sorted(starts) and starts[-1] > 15


def test_form_fields_reach_the_server(server, clips):
    """The published client sends them as `json=` beside `files=`, where they are lost."""
    assert server.post("/recognition", clips[0], to_simple=2).status_code == 422
    assert server.post("/recognition", clips[0], task="sing").status_code == 422
    assert server.post("/recognition", clips[0], language="Klingon").status_code == 422
    lost = requests.post(
        f"{server.url}/recognition",
        files={"audio": clips[0].read_bytes()},
        json={"task": "sing"},
        timeout=60,
    )
    assert lost.status_code == 200


@pytest.mark.parametrize("language", ["zh", "Chinese", "chinese", "ZH"])
def test_a_language_is_a_name_or_a_code(server, clips, language):
    assert server.texts(clips[0], language=language) == server.texts(clips[0], language="zh")


@pytest.mark.parametrize("language", ["None", "", "auto"])
def test_no_language_is_detected(server, clips, language):
    assert server.texts(clips[0], language=language) == server.texts(clips[0])


def test_the_language_of_the_server_holds_where_a_request_states_none(server, clips):
    with server.settings(language="English"):
        assert server.texts(clips[0]) == server.texts(clips[0], language="en")


def test_models_are_chosen_by_name(server, clips):
    assert server.texts(clips[0], model="tiny") != server.texts(clips[0], model="base")
    answer = server.post("/recognition", clips[0], model="../demo/base")
    assert answer.status_code == 404
    assert "Models: base, tiny" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("text", "language", "options", "expected"),
    [
        ("乾燥的頭髮", "zh", {"to_simple": True}, "干燥的头发"),
        ("乾燥的頭髮", "zh", {"to_simple": False}, "乾燥的頭髮"),
        ("発売中の龍", "ja", {"to_simple": True}, "発売中の龍"),
        ("近几年，不但我。", "zh", {"remove_pun": True}, "近几年不但我"),
        ("Well, yes!", "en", {"remove_pun": True}, "Well yes"),
    ],
)
def test_texts_are_rewritten_by_their_language(text, language, options, expected):
    wanted = {"to_simple": False, "remove_pun": False, **options}
    assert rewritten(text, language, **wanted) == expected
