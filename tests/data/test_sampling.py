"""Joined clips keep their words at their times; small groups come up more often."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from utils.audio.clip import AudioRef, TimedSentence
from utils.audio.features import SAMPLE_RATE
from utils.data.batching import ExampleKey
from utils.data.concat import group_rows, joined_line, parts_of
from utils.data.dataset import Shares, SpeechDataset, TrainingTable
from utils.data.labels import LabelEncoder
from utils.data.make_table import training_table
from utils.data.sampling import balance, join_clips, replay
from utils.data.table import open_rows
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.load import load_model
from utils.parallel.shards import Shard


@pytest.fixture(scope="module")
def encoder(tiny_model: Path) -> LabelEncoder:
    return load_model(str(tiny_model)).label_encoder(language="zh", timestamps=True)


def clip(number: int, **fields: object) -> Utterance:
    base = Utterance(AudioRef(f"{number}.wav"), f"word {number}", id=f"u{number}", duration=2.0)
    return replace(base, **{"speaker": "a", "language": "en", **fields})


def grouped(
    clips: list[Utterance], seconds: float, tokens: int, limits: tuple[float, int], seed: int
) -> list[list[int]]:
    """Groups of clips that are equally long."""
    names = [(each.speaker, each.language) for each in clips]
    order, starts = group_rows(
        np.array([sorted(set(names)).index(name) for name in names]),
        np.array([each.prompt is not None for each in clips]),
        np.full(len(clips), seconds),
        np.full(len(clips), tokens),
        limits,
        seed,
    )
    return [group.tolist() for group in np.split(order, starts[1:])]


def joined_table(
    table: TrainingTable, encoder: LabelEncoder, seed: int = 0, count: int = 1
) -> TrainingTable:
    shares = [Shard(number + 1, count) for number in range(count)]
    folders = [join_clips(table, encoder, 30.0, seed, share) for share in shares]
    return replace(table, rows=open_rows(folders))


def test_only_clips_of_one_kind_are_joined_up_to_the_limits() -> None:
    clips = [clip(n, speaker="ab"[n % 2], language="en" if n < 8 else "de") for n in range(12)]
    groups = grouped(clips, 2.0, 10, (6.0, 448), seed=1)
    assert sorted(row for group in groups for row in group) == list(range(12))
    assert max(map(len, groups)) == 3  # 6 s
    for group in groups:
        assert len({(clips[row].speaker, clips[row].language) for row in group}) == 1
    assert max(map(len, grouped(clips, 2.0, 10, (30.0, 25), seed=1))) == 2


def test_a_clip_with_a_prompt_stays_alone() -> None:
    clips = [clip(n, prompt="before" if n == 1 else None) for n in range(4)]
    groups = grouped(clips, 2.0, 10, (30.0, 448), seed=0)
    assert [1] in groups


def test_sentences_stand_at_their_times_after_one_another() -> None:
    own = (TimedSentence(0.5, 1.5, "word 1"),)
    whole = joined_line([clip(0), clip(1, sentences=own), clip(2, sentence="", sentences=())])
    assert whole.sentence == "word 0 word 1"
    assert [(s.start, s.end) for s in whole.sentences or ()] == [(0.0, 2.0), (2.5, 3.5)]
    assert [part.id for part in parts_of(whole)] == ["u0", "u1", "u2"]


def test_joined_examples_hold_all_sound_in_an_order_of_the_pass(
    speech_manifest: Path, encoder: LabelEncoder
) -> None:
    single = training_table(read_manifest(speech_manifest), encoder, 0.5, 30.0)
    joined = joined_table(single, encoder)
    shared = joined_table(single, encoder, count=2)
    assert list(shared.rows.values("line")) == list(joined.rows.values("line"))
    assert len(joined) == 2  # Mandarin and English
    assert sum(joined.durations) == pytest.approx(sum(single.durations))
    dataset = SpeechDataset(joined, encoder, seed=0)
    passes = [dataset[ExampleKey(0, epoch, 30.0)] for epoch in (0, 0, 1)]
    assert np.array_equal(passes[0].samples, passes[1].samples)
    assert not np.array_equal(passes[0].samples, passes[2].samples)
    assert sorted(passes[0].samples) == sorted(passes[2].samples)
    times = [
        (token - encoder.first_timestamp) * 0.02
        for token in passes[0].labels.labels
        if token >= encoder.first_timestamp
    ]
    assert times == sorted(times)
    assert times[-1] == pytest.approx(len(passes[0].samples) / SAMPLE_RATE, abs=0.02)


def test_temperature_makes_small_groups_come_up_more_often(
    speech_manifest: Path, encoder: LabelEncoder, tmp_path: Path
) -> None:
    lines = [json.loads(line) for line in speech_manifest.read_text().splitlines()]
    kept = [line for line in lines if line["language"] == "Chinese"]
    few = next(line for line in lines if line["language"] == "English")
    manifest = speech_manifest.parent / "unequal.jsonl"
    manifest.write_text("\n".join(json.dumps(x, ensure_ascii=False) for x in [*kept, few]))
    table = training_table(read_manifest(manifest), encoder, 0.5, 30.0)
    assert len(balance(table, 1.0, "language", None, 0)[0]) == len(table)
    balanced, sizes = balance(table, 1000.0, "language", None, 0)
    assert sizes == {"zh": (5, 5), "en": (1, 5)}
    assert [u.language for u in balanced.utterances].count("en") == 5
    assert balance(table, 2.0, "language", None, 0)[1]["en"] == (1, 2)  # 5 * (1/5) ** (1/2)


def test_times_and_prompts_are_shown_in_their_share() -> None:
    timed = clip(0, sentences=(TimedSentence(0, 1, "word 0"),), prompt="before")
    rng = np.random.default_rng(0)
    shown = [Shares(0.3, 0.6).apply(timed, rng) for _ in range(2000)]
    assert np.mean([u.sentences is not None for u in shown]) == pytest.approx(0.3, abs=0.03)
    assert np.mean([u.prompt is not None for u in shown]) == pytest.approx(0.6, abs=0.03)
    silent = clip(0, sentence="", sentences=())
    assert Shares(0.0, 0.0).apply(silent, rng).sentences == ()


def test_replayed_rows_make_up_their_share(speech_manifest: Path, encoder: LabelEncoder) -> None:
    table = training_table(read_manifest(speech_manifest), encoder, 0.5, 30.0)
    few = replace(table, rows=table.rows.select([0, 1]))
    for share, expected in ((0.1, 1), (0.5, 9), (0.75, 27)):
        joined = replay(table, few, share, seed=0)
        assert len(joined) == 9 + expected
        assert joined.utterances[:9] == table.utterances
        assert {u.id for u in joined.utterances[9:]} <= {"clip-0", "clip-1"}


def test_a_prompt_and_a_text_that_together_are_too_long_are_named(
    speech_manifest: Path, encoder: LabelEncoder
) -> None:
    lines = [json.loads(line) for line in speech_manifest.read_text().splitlines()]
    text = "x y z " * 50
    lines[0] |= {"sentence": text}
    lines[1] |= {"sentence": text, "prompt": "x y z " * 100}
    manifest = speech_manifest.parent / "prompted.jsonl"
    manifest.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    table = training_table(read_manifest(manifest), encoder, 0.5, 30.0)
    (dropped,) = table.dropped
    assert dropped.id == "clip-1"
    assert "prompt and label tokens; the decoder takes 448" in dropped.reason


def test_only_an_example_without_any_text_teaches_silence(
    speech_manifest: Path, encoder: LabelEncoder
) -> None:
    lines = [json.loads(line) for line in speech_manifest.read_text().splitlines()]
    lines[0] |= {"sentence": "", "sentences": []}
    manifest = speech_manifest.parent / "one_silent.jsonl"
    manifest.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    table = training_table(read_manifest(manifest), encoder, 0.5, 30.0)
    assert table.teaches_silence
    assert not replace(table, rows=table.rows.select(range(1, len(table)))).teaches_silence
    assert not joined_table(table, encoder).teaches_silence


def test_the_latest_start_is_that_of_any_clip(speech_manifest: Path, encoder: LabelEncoder) -> None:
    lines = [json.loads(line) for line in speech_manifest.read_text().splitlines()]
    for number, start in ((2, 0.4), (4, 1.26), (5, 0.9)):  # the later sentences do not count
        times = [{"start": start, "end": 1.3, "text": "x"}, {"start": 1.3, "end": 1.5, "text": "y"}]
        lines[number] |= {"sentences": times}
    manifest = speech_manifest.parent / "late.jsonl"
    manifest.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
    table = training_table(read_manifest(manifest), encoder, 0.5, 30.0)
    assert table.latest_start == 1.26
    assert replace(table, rows=table.rows.select([0, 1])).latest_start is None
    for seed in range(3):  # whichever is joined first
        assert joined_table(table, encoder, seed).latest_start == 1.26
