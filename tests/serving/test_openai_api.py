"""OpenAI's interface, by its own client as it is."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest
import requests


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


@pytest.fixture
def create(client, clips):
    def create(clip=0, model="base", **options):
        with open(clips[clip], "rb") as file:
            return client.audio.transcriptions.create(file=file, model=model, **options)

    return create


def test_json_is_the_text(create):
    found = create()
    assert found.text and found.usage.type == "duration"


def test_the_plain_forms_are_strings(create):
    assert create(response_format="text").strip() == create().text
    assert create(response_format="srt").startswith("1\n00:00:0")
    assert create(response_format="vtt").startswith("WEBVTT\n\n00:0")


def test_verbose_json_has_segments(create):
    found = create(response_format="verbose_json")
    assert (found.language, found.words) == ("chinese", None)
    assert 1 < found.duration < 3
    first = found.segments[0]
    assert first.text and first.tokens and first.avg_logprob < 0 and first.end <= found.duration


def test_word_times_are_words_of_the_text(create):
    granularities = {"timestamp_granularities": ["word"]}
    found = create(clip=4, response_format="verbose_json", **granularities)
    assert found.segments is None
    assert " ".join(word.word for word in found.words) == found.text
    assert all(word.start <= word.end for word in found.words)
    both = create(
        clip=4, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert both.words == found.words and both.segments


def test_a_stream_is_deltas_and_the_whole_text(client, talk):
    with open(talk, "rb") as file:
        stream = client.audio.transcriptions.create(file=file, model="tiny", stream=True)
        events = list(stream)
    kinds = [event.type for event in events]
    assert set(kinds[:-1]) == {"transcript.text.delta"} and len(kinds) > 2
    assert kinds[-1] == "transcript.text.done"
    assert "".join(event.delta for event in events[:-1]) == events[-1].text


def test_translations_have_the_same_forms(client, clips):
    for form in ("json", "text", "srt", "vtt", "verbose_json"):
        with open(clips[0], "rb") as file:
            found = client.audio.translations.create(file=file, model="tiny", response_format=form)
        if form == "verbose_json":
            assert found.language == "english"


def test_prompt_temperature_and_language_are_taken(create):
    assert create(language="zh").text == create().text
    assert (
        create(prompt="医保卡", temperature=0.4).text
        == create(prompt="医保卡", temperature=0.4).text
    )


def test_whisper_1_is_the_default_model(create):
    assert create(model="whisper-1").text == create(model="base").text


def test_models_are_listed(client):
    assert [model.id for model in client.models.list()] == ["base", "tiny"]
    assert client.models.retrieve("tiny").id == "tiny"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("large")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model": "large"}, openai.NotFoundError, "Models: base, tiny"),
        ({"language": "xx"}, openai.UnprocessableEntityError, "xx"),
        ({"temperature": 2}, openai.UnprocessableEntityError, "temperature"),
        ({"response_format": "doc"}, openai.UnprocessableEntityError, "response_format"),
        (
            {"timestamp_granularities": ["word"]},
            openai.UnprocessableEntityError,
            "verbose_json",
        ),
    ],
)
def test_what_cannot_be_done_is_an_error_of_the_client(create, options, error, message):
    with pytest.raises(error, match=message):
        create(**options)


def test_curl_as_openais_documentation_has_it(server, clips):
    form = {"model": "whisper-1", "timestamp_granularities[]": "word"}
    form["response_format"] = "verbose_json"
    with open(clips[0], "rb") as file:
        answer = requests.post(
            f"{server.url}/v1/audio/transcriptions", data=form, files={"file": file}, timeout=60
        )
    assert json.loads(answer.content)["words"]


def test_the_asynchronous_client_works(server, clips):
    asyncio.run(_ask(server, clips))


async def _ask(server, clips):
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
        with open(clips[0], "rb") as file:
            assert (await client.audio.transcriptions.create(file=file, model="tiny")).text
