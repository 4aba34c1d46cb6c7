"""A language that no line states is read from the text, and said; it is never a default."""

from __future__ import annotations

from pathlib import Path

import pytest

from utils.audio.clip import AudioRef, TimedSentence
from utils.manifest.languages import text_language
from utils.manifest.spelled_times import spelled_times
from utils.manifest.text_language import with_languages
from utils.manifest.utterance import Utterance

ENGLISH = ("turn off the lights", "refill the coolant until the voltage is high", "good morning")
GERMAN = (
    "das Wetter ist heute wirklich sehr schön und wir gehen spazieren",
    "ich möchte bitte ein Glas Wasser und eine Tasse Kaffee bestellen",
)


def lines(*texts: str, language: str | None = None, task: str | None = None) -> list[Utterance]:
    return [
        Utterance(AudioRef("a.wav"), text, str(number), language, task=task)
        for number, text in enumerate(texts)
    ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (ENGLISH, "en"),
        (tuple(text.upper() for text in ENGLISH), "en"),
        (GERMAN, "de"),
        (("打开空调", "今天天气很好"), "zh"),
        (("今日は良い天気です", "はい"), "ja"),
        (("안녕하세요",), "ko"),
        (("сегодня хорошая погода и мы пойдём гулять в парк",), "ru"),
    ],
)
def test_lines_without_a_language_take_that_of_their_text(
    texts: tuple[str, ...], expected: str
) -> None:
    found, shares = with_languages(lines(*texts), None)
    assert {each.language for each in found} == {expected}
    assert "100 % (as the text reads)" in shares.told()


def test_each_line_of_a_mixed_manifest_takes_its_own() -> None:
    found, shares = with_languages(lines("打开空调", "今天我听 hip hop", *ENGLISH), None)
    assert [each.language for each in found] == ["zh", "zh", "en", "en", "en"]
    assert shares.told() == "English 60 % (as the text reads), Chinese 40 % (as the text reads)"


def test_two_languages_of_one_script_are_told_apart_where_they_are_sure() -> None:
    english = "the committee will meet again on thursday to discuss the new proposal"
    found, _ = with_languages(lines(*GERMAN, english, english + " today"), None)
    assert [each.language for each in found] == ["de", "de", "en", "en"]


def test_what_is_stated_wins_over_the_flag_and_the_flag_over_the_text() -> None:
    stated = lines("打开空调", language="yue") + lines("turn off the lights")
    found, shares = with_languages(stated, "fr")
    assert [each.language for each in found] == ["yue", None]
    assert "Cantonese 50 % (stated)" in shares.told()
    assert "French 50 % (by --language)" in shares.told()


def test_a_text_in_another_script_than_its_language_is_a_clash() -> None:
    _, shares = with_languages(lines(*ENGLISH), "zh")
    assert shares.clashes == 3
    assert "'turn off the lights' is written in Latin" in shares.first


def test_a_translation_says_nothing_of_what_is_spoken() -> None:
    found, shares = with_languages(lines(*ENGLISH, task="translate"), None)
    assert {each.language for each in found} == {None}
    assert "not known" in shares.told()
    _, shares = with_languages(lines(*ENGLISH, language="zh", task="translate"), None)
    assert shares.clashes == 0
    assert text_language("zh", "translate") == "en"
    assert text_language("zh", None) == "zh"


def test_silence_takes_the_language_of_the_others() -> None:
    found, _ = with_languages(lines(*ENGLISH, ""), None)
    assert {each.language for each in found} == {"en"}


def test_timestamps_spelled_out_in_a_text_are_sentences() -> None:
    value = {
        "audio": {"path": "a.wav"},
        "sentence": "<|0.00|> good<|0.50|><|0.60|> morning<|1.20|>",
    }
    read = Utterance.from_json(value, default_id="x")
    assert read.sentence == "good morning"
    assert read.sentences == (TimedSentence(0.0, 0.5, "good"), TimedSentence(0.6, 1.2, "morning"))
    prompted = "<|startoftranscript|><|en|><|transcribe|><|0.00|> hi<|0.50|><|endoftext|>"
    assert spelled_times(prompted) == (TimedSentence(0.0, 0.5, "hi"),)
    for text in ("a <|0.00|> b", "<|0.00|> b", "<|1.00|> b<|0.50|>", "<|en|> b"):
        assert spelled_times(text) is None


def test_a_large_manifest_is_completed_as_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from utils.manifest import read

    monkeypatch.setattr(read, "LARGE_BYTES", 1)
    path = tmp_path / "m.jsonl"
    row = '{{"audio": {{"path": "a.wav"}}, "sentence": "{}", "id": "{}"}}\n'
    path.write_text("".join(row.format(text, number) for number, text in enumerate(ENGLISH * 5)))
    found, _ = with_languages(read.read_manifest(path).utterances, None)
    assert not isinstance(found, list)
    assert {each.language for each in found} == {"en"}
    assert found[3].language == "en"
    assert [each.language for each in found[2:4]] == ["en", "en"]
