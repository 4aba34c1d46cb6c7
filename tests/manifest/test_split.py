"""Parts share no speaker, hold about their shares, and are drawn alike from the same seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.manifest.split import parse_shares, split_utterances
from utils.manifest.utterance import Utterance

SHARES = {"train": 0.8, "dev": 0.1, "test": 0.1}


def utterance(number: int, speaker: str | None, seconds: float, language: str = "zh") -> Utterance:
    return Utterance(
        AudioRef(f"{number}.wav"), "x", f"u{number}", language, duration=seconds, speaker=speaker
    )


def corpus(sizes: Sequence[tuple[str, float]], each: int = 4) -> list[Utterance]:
    """Speakers with a language and seconds an utterance."""
    return [
        utterance(each * index + number, f"s{index}", seconds, language)
        for index, (language, seconds) in enumerate(sizes)
        for number in range(each)
    ]


@given(
    sizes=st.lists(
        st.tuples(st.sampled_from(["zh", "en", "de"]), st.floats(0.5, 30)), min_size=3, max_size=40
    ),
    seed=st.integers(0, 5),
)
def test_every_utterance_is_in_one_part_and_every_speaker_too(
    sizes: list[tuple[str, float]], seed: int
) -> None:
    utterances = corpus(sizes)
    parts = split_utterances(utterances, SHARES, "speaker", seed)
    assert sorted(each.id for part in parts.values() for each in part) == sorted(
        each.id for each in utterances
    )
    speakers = [{each.speaker for each in part} for part in parts.values()]
    assert all(speakers)
    assert sum(map(len, speakers)) == len(sizes)
    assert parts == split_utterances(utterances, SHARES, "speaker", seed)
    backwards = split_utterances(utterances[::-1], SHARES, "speaker", seed)
    assert {n: {u.id for u in p} for n, p in parts.items()} == {
        n: {u.id for u in p} for n, p in backwards.items()
    }


def test_shares_hold_in_every_language() -> None:
    utterances = corpus([("zh", 3.0)] * 200 + [("en", 6.0)] * 100)
    parts = split_utterances(utterances, SHARES, "speaker", 0)
    for language in ("zh", "en"):
        seconds: dict[str, float] = defaultdict(float)
        for part, members in parts.items():
            seconds[part] += sum(u.duration or 0 for u in members if u.language == language)
        total = sum(seconds.values())
        assert {p: round(s / total, 2) for p, s in seconds.items()} == SHARES


def test_small_languages_fill_a_part_together() -> None:
    # Five speakers each: a tenth of one language is half a speaker.
    languages = ["zh", "en", "de", "fr"]
    parts = split_utterances(
        corpus([(each, 5.0) for each in languages for _ in range(5)]), SHARES, "speaker", 1
    )
    assert {part: len({u.speaker for u in members}) for part, members in parts.items()} == {
        "train": 16,
        "dev": 2,
        "test": 2,
    }


def test_another_seed_draws_other_speakers() -> None:
    utterances = corpus([("zh", 3.0)] * 50)
    tests = {
        tuple(u.id for u in split_utterances(utterances, SHARES, "speaker", seed)["test"])
        for seed in range(4)
    }
    assert len(tests) == 4


def test_without_speakers_the_pieces_of_a_recording_stay_together() -> None:
    utterances = [
        Utterance(AudioRef(f"{n // 5}.wav", n % 5, n % 5 + 1), "x", str(n), duration=1.0)
        for n in range(100)
    ]
    parts = split_utterances(utterances, SHARES, "speaker", 0)
    files = [{u.audio.path for u in part} for part in parts.values()]
    assert sum(map(len, files)) == 20
    assert all(files)


def test_one_speaker_can_be_split_by_utterance_only() -> None:
    utterances = [utterance(n, "only", 2.0) for n in range(20)]
    with pytest.raises(UserError) as caught:
        split_utterances(utterances, SHARES, "speaker", 0)
    assert caught.value.message == "1 speaker cannot make 3 parts that share none"
    assert "--split_by=recording" in caught.value.hint
    parts = split_utterances(utterances, SHARES, "utterance", 0)
    assert {part: len(members) for part, members in parts.items()} == {
        "train": 16,
        "dev": 2,
        "test": 2,
    }


def test_shares_are_read_in_the_order_train_dev_test() -> None:
    assert parse_shares("0.9/0.05/0.05") == {"train": 0.9, "dev": 0.05, "test": 0.05}
    assert parse_shares("0.9/0.1") == {"train": 0.9, "dev": 0.1}


@pytest.mark.parametrize("text", ["1", "0.5/0.4", "a/b", "0.5/0.5/0/0", "1/0", "", "nan/0.5"])
def test_shares_that_make_no_whole_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="two or three shares above 0 that sum to 1"):
        parse_shares(text)
