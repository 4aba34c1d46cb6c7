"""The decoder reads one start token, learns the text and its end, and nothing of the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import WhisperProcessor

from utils.audio.clip import AudioRef, TimedSentence
from utils.cli.errors import UserError
from utils.data.labels import IGNORED, LabelEncoder
from utils.manifest.utterance import Utterance

AUDIO = AudioRef("a.wav")
SOT, EOT, EN, ZH = 50258, 50257, 50259, 50260
TRANSLATE, TRANSCRIBE, NO_SPEECH, NO_TIME = 50358, 50359, 50362, 50363


def tokenizer_folders() -> list[Path]:
    root = Path(__file__).resolve().parents[2]
    official = root.parent / "shared" / "models" / "whisper-tokenizer"
    return [root / "demo" / "base", *([official] if official.is_dir() else [])]


@pytest.fixture(scope="module", params=tokenizer_folders(), ids=lambda p: p.name)
def tokenizer(request: pytest.FixtureRequest) -> object:
    return WhisperProcessor.from_pretrained(request.param).tokenizer


def test_the_start_token_stands_first_and_once(tokenizer: object) -> None:
    labels = LabelEncoder(tokenizer).encode(Utterance(AUDIO, "你好", "a", "zh"))
    assert labels.decoder_input_ids[:4] == (SOT, ZH, TRANSCRIBE, NO_TIME)
    assert labels.decoder_input_ids.count(SOT) == 1
    assert SOT not in labels.labels


def test_the_prompt_is_not_learned_and_the_end_is(tokenizer: object) -> None:
    labels = LabelEncoder(tokenizer).encode(Utterance(AUDIO, "你好", "a", "zh"))
    assert labels.labels[:3] == (IGNORED,) * 3
    assert labels.labels[-1] == EOT
    assert IGNORED not in labels.labels[3:]


def test_labels_are_the_next_tokens(tokenizer: object) -> None:
    labels = LabelEncoder(tokenizer).encode(Utterance(AUDIO, "one two", "a", "en"))
    assert labels.labels[3:-1] == labels.decoder_input_ids[4:]
    assert sum(label != IGNORED for label in labels.labels) == len(labels) - 3


@pytest.mark.parametrize(("language", "text"), [("en", "so it is"), ("zh", "明天见")])
def test_text_survives_the_round_trip(tokenizer: object, language: str, text: str) -> None:
    encoder = LabelEncoder(tokenizer, language=language)
    assert encoder.decode([*encoder.text_ids(text, language), EOT, SOT]) == text


def test_spaced_languages_begin_with_a_space_and_unspaced_ones_do_not(tokenizer: object) -> None:
    encoder = LabelEncoder(tokenizer)
    decode = tokenizer.decode  # type: ignore[attr-defined]
    assert decode(encoder.text_ids("yes", "en")) == " yes"
    assert decode(encoder.text_ids("是", "zh")) == "是"


def test_special_tokens_spelled_out_in_a_transcript_stay_text(tokenizer: object) -> None:
    ids = LabelEncoder(tokenizer).text_ids("<|endoftext|>", "en")
    assert EOT not in ids
    assert len(ids) > 1


def test_no_speech_is_taught_at_the_start_and_at_the_end(tokenizer: object) -> None:
    labels = LabelEncoder(tokenizer).encode(Utterance(AUDIO, "", "a", "en", sentences=()))
    assert labels.labels == (NO_SPEECH, IGNORED, IGNORED, EOT)


def test_no_speech_after_a_prompt_is_taught_at_the_start_token(tokenizer: object) -> None:
    utterance = Utterance(AUDIO, "", "a", "en", sentences=(), prompt="before")
    labels = LabelEncoder(tokenizer).encode(utterance)
    start = labels.decoder_input_ids.index(SOT)
    assert start > 0
    assert set(labels.labels[:start]) == {IGNORED}
    assert labels.labels[start] == NO_SPEECH


def test_timestamps_frame_each_sentence_in_steps_of_20_ms(tokenizer: object) -> None:
    timed = (TimedSentence(0.0, 1.4, "one"), TimedSentence(1.5, 29.99, "two"))
    utterance = Utterance(AUDIO, "one two", "a", "en", sentences=timed)
    labels = LabelEncoder(tokenizer, timestamps=True).encode(utterance)
    assert NO_TIME not in labels.decoder_input_ids
    times = [token - 50364 for token in labels.labels if token >= 50364]
    assert times == [0, 70, 75, 1500]


def test_an_utterance_without_times_is_trained_without_timestamps(tokenizer: object) -> None:
    labels = LabelEncoder(tokenizer, timestamps=True).encode(Utterance(AUDIO, "one", "a", "en"))
    assert NO_TIME in labels.decoder_input_ids


def test_previous_text_stands_before_the_start_and_is_not_learned(tokenizer: object) -> None:
    utterance = Utterance(AUDIO, "two", "a", "en", prompt="one " * 400)
    labels = LabelEncoder(tokenizer).encode(utterance)
    start = labels.decoder_input_ids.index(SOT)
    assert start == 224  # <|startofprev|> and the last 223 tokens
    assert set(labels.labels[: start + 3]) == {IGNORED}


def test_each_line_keeps_its_own_language(tokenizer: object) -> None:
    encoder = LabelEncoder(tokenizer, language="zh")
    languages = [
        encoder.encode(Utterance(AUDIO, "a", "a", language)).decoder_input_ids[1]
        for language in ("en", None, "en")
    ]
    assert languages == [EN, ZH, EN]


def test_an_english_only_model_names_neither_language_nor_task(tokenizer: object) -> None:
    assert LabelEncoder(tokenizer, multilingual=False).prompt("en") == [SOT, NO_TIME]


def test_a_language_that_nobody_names_is_an_error(tokenizer: object) -> None:
    with pytest.raises(UserError, match="names no language and the run has no --language"):
        LabelEncoder(tokenizer).encode(Utterance(AUDIO, "a", "a"))


def test_a_language_that_the_tokenizer_lacks_is_an_error(tokenizer: object) -> None:
    with pytest.raises(UserError, match=r"no token <\|yue\|>"):
        LabelEncoder(tokenizer).encode(Utterance(AUDIO, "a", "a", "yue"))


def test_timestamps_spelled_out_in_a_text_stay_text(tokenizer: object) -> None:
    encoder = LabelEncoder(tokenizer)
    for text in ("a <|0.00|> b <|1.20|>", "<|0.00|>", "<|<|30.00|>|>", "x<|en|><|0.02|>"):
        ids = encoder.text_ids(text, "en")
        assert all(map(encoder.is_text, ids)), text
        assert encoder.decode(ids) == text


def test_each_line_keeps_its_own_task(tokenizer: object) -> None:
    encoder = LabelEncoder(tokenizer, task="transcribe")
    line = Utterance(AUDIO, "hello", "a", "zh", task="translate")
    assert encoder.encode(line).decoder_input_ids[:4] == (SOT, ZH, TRANSLATE, NO_TIME)
    plain = LabelEncoder(tokenizer, task="translate").encode(Utterance(AUDIO, "hello", "a", "zh"))
    assert plain.decoder_input_ids[:4] == (SOT, ZH, TRANSLATE, NO_TIME)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_are_written_as_their_language_is_wherever_they_stand(
    tokenizer: object, language: str
) -> None:
    """Text, sentences and the text before: after a space, or not."""
    encoder = LabelEncoder(tokenizer, timestamps=True)
    ids = encoder.text_ids("yes", language)
    plain = encoder.encode(Utterance(AUDIO, "yes", "a", language))
    assert list(plain.labels[3:-1]) == ids
    sentences = (TimedSentence(0.0, 1.0, "yes"),)
    timed = encoder.encode(Utterance(AUDIO, "yes", "a", language, sentences=sentences))
    assert list(timed.labels[3:-2]) == ids
    before = encoder.encode(Utterance(AUDIO, "no", "a", language, prompt="yes"))
    assert list(before.decoder_input_ids[1 : 1 + len(ids)]) == ids


def test_what_was_tokenized_together_is_what_each_is_alone(tokenizer: object) -> None:
    lines = [
        Utterance(AUDIO, "one two", "a", "en", prompt="before that"),
        Utterance(AUDIO, "一二", "b", "zh"),
        Utterance(AUDIO, "one", "c", "en", sentences=(TimedSentence(0.0, 1.0, "one"),)),
        Utterance(AUDIO, "no language", "d"),
        Utterance(AUDIO, "", "e", "en"),
        Utterance(AUDIO, "a <|0.00|> b", "f", "en"),
    ]
    for timestamps in (False, True):
        encoder = LabelEncoder(tokenizer, language="en", timestamps=timestamps)
        known = encoder.tokenized(lines)
        assert [encoder.encode(line, known) for line in lines] == list(map(encoder.encode, lines))
        # All of them are there: nothing is tokenised again.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoder, "_plain_ids", lambda texts: pytest.fail(f"again: {texts}"))
            for line in lines[:4]:
                encoder.encode(line, known)


def test_only_words_in_brackets_with_bars_are_special(tokenizer: object) -> None:
    for token, index in LabelEncoder(tokenizer).special_ids.items():
        assert token[:2] + token[-2:] == "<||>" and index >= EOT, token


def test_text_before_is_cut_to_what_the_reference_keeps(tokenizer: object) -> None:
    long = "one two three " * 100
    for options, kept in (({}, 223), ({"max_tokens": 40}, 19)):
        prompt = LabelEncoder(tokenizer, **options).prompt("en", previous=long)
        assert prompt.index(SOT) == kept + 1


def test_what_is_text_ends_where_the_special_tokens_begin(tokenizer: object) -> None:
    encoder = LabelEncoder(tokenizer)
    assert list(map(encoder.is_text, (0, EOT - 1, EOT, SOT, NO_TIME, NO_TIME + 1))) == [
        True,
        True,
        *[False] * 4,
    ]
