"""Text that looks wrong is decoded again, and silence is left out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils.manifest.read import read_manifest
from utils.transcription.clips import read_clip
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import DecodingResult, Search, open_engine
from utils.transcription.loops import (
    FEWEST_TIMES,
    FEWEST_TOKENS,
    LONGEST_PERIOD,
    ends_in_loop,
)
from utils.transcription.transcript import compression_ratio
from utils.transcription.windows import WindowDecoder

FALLBACK = Decoding(temperature_fallback=True, audio_context="dynamic")


@dataclass
class Watched:
    """A real engine that writes down what it was asked, and may be made unsure."""

    engine: Any
    doubt: float = 0.0
    no_speech: float = 0.0
    asked: list[tuple[int, float]] = field(default_factory=list)
    answers: list[list[DecodingResult]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def generate(self, states: Any, prompts: torch.Tensor, search: Search) -> list[DecodingResult]:
        self.asked.append((len(prompts), search.temperature))
        found = self.engine.generate(states, prompts, search)
        self.answers.append(
            [
                replace(f, mean_logprob=f.mean_logprob - self.doubt, no_speech=self.no_speech)
                for f in found
            ]
        )
        return self.answers[-1]


@pytest.fixture(scope="module")
def engine(demo_model: Path):
    return open_engine(str(demo_model))


@pytest.fixture(scope="module")
def clips(demo_model: Path):
    return [read_clip(u) for u in list(read_manifest(demo_model.parent / "zh" / "test.jsonl"))[:4]]


def test_sure_text_is_decoded_once(engine, clips):
    watched = Watched(engine, doubt=-100.0)
    sure = replace(FALLBACK, compression_ratio_threshold=1e9)
    plain = WindowDecoder(engine, replace(FALLBACK, temperature_fallback=False)).decode(clips)
    assert WindowDecoder(watched, sure).decode(clips) == plain
    assert watched.asked == [(4, 0.0)]


def test_unlikely_text_is_tried_at_every_temperature(engine, clips):
    watched = Watched(engine, doubt=100.0)
    WindowDecoder(watched, FALLBACK).decode(clips)
    assert watched.asked == [(4, temperature) for temperature in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]


def test_only_rows_that_look_wrong_are_tried_again(engine, clips):
    first = Watched(engine)
    WindowDecoder(first, FALLBACK).decode(clips)
    means = sorted(found.mean_logprob for found in first.answers[0])
    between = (means[1] + means[2]) / 2
    watched = Watched(engine)
    settings = replace(FALLBACK, logprob_threshold=between, compression_ratio_threshold=1e9)
    WindowDecoder(watched, settings).decode(clips)
    assert watched.asked[0] == (4, 0.0)
    assert 0 < watched.asked[1][0] < 4


def test_silence_has_no_text_and_is_not_tried_again(engine, clips):
    watched = Watched(engine, doubt=100.0, no_speech=0.9)
    found = WindowDecoder(watched, FALLBACK).decode(clips)
    assert [(p.hypothesis, p.status) for p in found] == [("", "ok")] * 4
    assert watched.asked == [(4, 0.0)]


def test_the_same_clips_give_the_same_text_again(engine, clips):
    once, again = (
        WindowDecoder(Watched(engine, doubt=100.0), FALLBACK).decode(clips) for _ in range(2)
    )
    assert once == again


def test_a_converted_model_samples_the_same_whatever_was_sampled_before(ct2_model: Path, clips):
    """So that a run that was killed, or shared among processes, ends as any other."""
    engine = open_engine(str(ct2_model))
    hot = replace(FALLBACK, language="zh", temperature=1.0)
    alone, others, after, other_seed = (
        WindowDecoder(engine, replace(hot, seed=seed)).decode(batch)
        for batch, seed in ((clips[:2], 3), (clips[2:], 3), (clips[:2], 3), (clips[:2], 4))
    )
    assert len(others) == 2
    assert after == alone
    assert [p.hypothesis for p in other_seed] != [p.hypothesis for p in alone]


def test_repeated_text_shrinks_more_than_whispers_threshold():
    assert compression_ratio("turn on the lights in the kitchen") < 2.4
    assert compression_ratio("thank you " * 30) > 2.4
    assert compression_ratio("") == 0.0


def test_thresholds_are_named_only_where_they_count():
    plain = replace(FALLBACK, temperature_fallback=False)
    assert "logprob_threshold" in FALLBACK.to_json()
    assert not any(name.endswith("threshold") for name in plain.to_json())
    assert "num_workers" not in plain.to_json()


def test_fallback_is_on_wherever_text_is_decoded():
    from utils.evaluation.settings import EvaluationSettings

    assert Decoding().temperature_fallback
    assert EvaluationSettings().temperature_fallback


def test_where_no_attempt_looks_right_the_likeliest_is_kept(engine, clips):
    plain = WindowDecoder(engine, replace(FALLBACK, temperature_fallback=False)).decode(clips)
    watched = Watched(engine, doubt=100.0)
    found = WindowDecoder(watched, replace(FALLBACK, compression_ratio_threshold=1e9)).decode(clips)
    assert len(watched.asked) == 6
    best = [max(found.mean_logprob for found in row) for row in zip(*watched.answers, strict=True)]
    first = [found.mean_logprob for found in watched.answers[0]]
    same = [f == b for f, b in zip(first, best, strict=True)]
    assert any(same)
    for place in [place for place, is_same in enumerate(same) if is_same]:
        assert found[place] == plain[place]


@given(
    text=st.lists(st.integers(0, 9), max_size=20),
    phrase=st.lists(st.integers(0, 9), min_size=1, max_size=LONGEST_PERIOD),
)
def test_a_phrase_again_and_again_is_a_loop_wherever_it_is_cut(text, phrase):
    loop = text + phrase * (FEWEST_TOKENS // len(phrase) + FEWEST_TIMES + 1)
    cut = len(loop) - len(phrase) // 2
    assert ends_in_loop(loop)
    assert ends_in_loop(loop[:cut])
    assert not ends_in_loop([*loop, 10])
    assert not ends_in_loop(loop[: FEWEST_TOKENS - 1])


def test_a_decoder_that_loops_is_stopped_tried_again_and_kept_out(engine, clips):
    """The demo's model loops where it is never allowed to end."""
    stuck = Watched(engine)
    never_ends = {"suppress_tokens": (engine.tokens.end,), "max_new_tokens": 200}
    plain = replace(FALLBACK, temperature_fallback=False, **never_ends)
    WindowDecoder(stuck, plain).decode(clips)
    assert [len(each.ids) for each in stuck.answers[0]] == [200] * 4
    assert any(ends_in_loop(each.ids) for each in stuck.answers[0])
    watched = Watched(engine)
    WindowDecoder(watched, replace(FALLBACK, **never_ends)).decode(clips)
    for before, after in zip(stuck.answers[0], watched.answers[0], strict=True):
        assert before.ids[: len(after.ids)] == after.ids
        assert len(after.ids) == 200 or ends_in_loop(after.ids)
    assert sum(len(each.ids) < 200 for each in watched.answers[0]) >= 1
    assert watched.asked[1][0] >= sum(ends_in_loop(each.ids) for each in watched.answers[0])
