"""What is kept is what was said, of exactly this sound, by exactly this model, in this way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.model.fingerprint import model_fingerprint
from utils.transcription.cache import PredictionCache, RunKey, batch_keys, utterance_key
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import open_engine
from utils.transcription.transcribe import transcribe_with_engine

DECODING = Decoding(batch_size=2, max_new_tokens=8)


@pytest.fixture(scope="module")
def engine(tiny_model: Path):
    return open_engine(str(tiny_model))


@pytest.fixture
def utterances(speech_manifest: Path, tmp_path: Path) -> list[Utterance]:
    """Five of the clips, in files that a test may change."""
    found = []
    for utterance in list(read_manifest(speech_manifest))[:5]:
        copy = shutil.copy(utterance.audio.path, tmp_path)
        found.append(replace(utterance, audio=AudioRef(str(copy))))
    return found


def run(engine, utterances, cache, decoding=DECODING):
    return transcribe_with_engine(lambda: engine, utterances, decoding, cache=cache)


def said(done):
    return [(p.id, p.hypothesis, p.language, p.status, p.segments) for p in done.predictions]


def never():
    raise AssertionError("the model was loaded")


def test_a_finished_run_needs_no_model(engine, utterances, tmp_path):
    cache = PredictionCache(tmp_path / "cache")
    first = run(engine, utterances, cache)
    again = transcribe_with_engine(never, utterances, DECODING, cache=cache)
    assert said(again) == said(first)
    assert (first.cost.utterances, first.cost.cached_utterances) == (5, 0)
    assert (again.cost.utterances, again.cost.cached_utterances) == (0, 5)


def test_speed_is_never_told_from_the_cache(engine, utterances, tmp_path):
    cache = PredictionCache(tmp_path / "cache")
    run(engine, utterances, cache)
    again = transcribe_with_engine(never, utterances, DECODING, cache=cache)
    cost = again.cost
    assert (cost.real_time_factor, cost.tokens_per_second, cost.peak_memory_bytes) == (None,) * 3
    assert cost.latency_seconds == {}
    assert {p.work_seconds for p in again.predictions} == {0.0}


def test_a_run_that_was_cut_off_goes_on_and_ends_alike(engine, utterances, tmp_path):
    whole = PredictionCache(tmp_path / "whole")
    first = run(engine, utterances, whole)
    (path,) = whole.folder.glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    for length in range(0, len(b"".join(lines)), 397):  # killed at any byte
        torn = PredictionCache(tmp_path / f"torn{length}")
        torn.folder.mkdir()
        (torn.folder / "0.jsonl").write_bytes(b"".join(lines)[:length])
        again = run(engine, utterances, torn)
        assert said(again) == said(first)
        assert said(transcribe_with_engine(never, utterances, DECODING, cache=torn)) == said(first)


def test_a_batch_of_which_a_part_is_kept_is_decoded_whole(engine, utterances, tmp_path):
    cache = PredictionCache(tmp_path / "cache")
    run(engine, utterances, cache)
    (path,) = cache.folder.glob("*.jsonl")
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    path.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")
    again = run(engine, utterances, cache)
    assert (again.cost.utterances, again.cost.cached_utterances) == (2, 3)


def test_a_broken_entry_is_named_and_made_again(engine, utterances, tmp_path, capsys):
    cache = PredictionCache(tmp_path / "cache")
    first = run(engine, utterances, cache)
    (path,) = cache.folder.glob("*.jsonl")
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    number = next(i for i, line in enumerate(lines) if line)
    entry = json.loads(lines[number])
    entry["prediction"]["hypothesis"] = "what nobody said"
    lines[number] = json.dumps(entry)
    path.write_text("\n".join([*lines, "{not JSON"]) + "\n", encoding="utf-8")
    again = run(engine, utterances, cache)
    told = capsys.readouterr().err
    assert f"{path}, line {number + 1}, {len(lines) + 1}: 2 broken cache entries" in told
    assert said(again) == said(first)
    assert again.cost.utterances == 2
    run(engine, utterances, cache)
    assert "broken" not in capsys.readouterr().err


def test_a_corrected_reference_is_scored_against_what_was_said(engine, utterances, tmp_path):
    cache = PredictionCache(tmp_path / "cache")
    first = run(engine, utterances, cache)
    fixed = [replace(u, sentence="right", id=f"new-{u.id}", speaker="a") for u in utterances]
    again = transcribe_with_engine(never, fixed, DECODING, cache=cache)
    assert [p.hypothesis for p in again.predictions] == [p.hypothesis for p in first.predictions]
    assert {(p.reference, p.speaker) for p in again.predictions} == {("right", "a")}
    assert [p.id for p in again.predictions] == [u.id for u in fixed]


def test_changed_sound_is_heard_again(engine, utterances, tmp_path):
    cache = PredictionCache(tmp_path / "cache")
    run(engine, utterances, cache)
    key = utterance_key(utterances[0])
    samples, rate = soundfile.read(utterances[1].audio.path)
    other = replace(utterances[0], audio=AudioRef(str(tmp_path / "other.flac")))
    soundfile.write(other.audio.path, samples[: len(samples) // 2], rate)
    assert utterance_key(other) != key
    assert run(engine, [other, *utterances[1:]], cache).cost.utterances > 0


def test_what_is_asked_is_part_of_the_name(utterances):
    changes = [
        {"language": "fr"},
        {"task": "translate"},
        {"audio": replace(utterances[0].audio, end_time=0.5)},
    ]
    keys = {utterance_key(replace(utterances[0], **change)) for change in [{}, *changes]}
    assert len(keys) == 4


def test_a_clip_in_other_company_has_another_name(utterances):
    alone = batch_keys(utterances[:1])
    together = batch_keys(utterances[:2])
    assert alone[0] != together[0]


def test_a_file_that_is_not_there_is_failed_each_time_and_keeps_no_batch_waiting(
    engine, utterances, tmp_path
):
    gone = replace(utterances[2], id="gone", audio=AudioRef(str(tmp_path / "gone.wav")))
    cache = PredictionCache(tmp_path / "cache")
    first = run(engine, [*utterances[:2], gone], cache)
    again = run(engine, [*utterances[:2], gone], cache)
    assert said(again) == said(first)
    assert again.predictions[2].failure
    assert again.cost.utterances <= 1


@pytest.mark.parametrize(
    "change", [{"num_beams": 2}, {"batch_size": 3}, {"timestamps": True}, {"language": "de"}]
)
def test_other_settings_have_another_folder(change):
    base = RunKey(("model",), DECODING, "cpu")
    assert RunKey(("model",), replace(DECODING, **change), "cpu").digest != base.digest
    assert RunKey(("other",), DECODING, "cpu").digest != base.digest
    assert RunKey(("model",), replace(DECODING, num_workers=9), "cpu").digest == base.digest


def test_a_models_fingerprint_is_of_its_files_not_of_its_path(tiny_model, tmp_path):
    copy = shutil.copytree(tiny_model, tmp_path / "copy")
    before = model_fingerprint(str(tiny_model))
    assert model_fingerprint(str(copy)) == before
    (copy / "generation_config.json").write_text("{}")
    assert model_fingerprint(str(copy)) != before
    assert model_fingerprint("nobody/no-such-model") is None
