"""Sides of a call and pieces of recordings, in the forms in which foreign corpora state them."""

from __future__ import annotations

from pathlib import Path

import pytest

import custom
from tests.sources.test_channels import pitches, write_lines
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest

BOTH = {"left": 200, "right": 1000}


@pytest.mark.parametrize("channels", [("0", "1"), ("1", "2"), ("A", "B")])
def test_channels_of_kaldi_segments_may_be_counted_from_1(
    call: Path,
    channels: tuple[str, str],
) -> None:
    (call / "wav.scp").write_text("c call.wav\n")
    (call / "text").write_text("a left\nb right\n")
    (call / "segments").write_text(f"a c 0 1 {channels[0]}\nb c 1 2 {channels[1]}\n")
    assert pitches("kaldi", f"--path={call}") == BOTH


@pytest.mark.parametrize("names", [("c-A", "c-B"), ("c_0", "c_1"), ("c.left", "c.right")])
def test_recordings_of_one_call_are_sides_by_their_names(
    call: Path,
    names: tuple[str, str],
) -> None:
    (call / "wav.scp").write_text("".join(f"{name} call.wav\n" for name in names))
    (call / "text").write_text("a left\nb right\n")
    (call / "segments").write_text(f"a {names[0]} 0 1\nb {names[1]} 1 2\n")
    assert pitches("kaldi", f"--path={call}") == BOTH


def test_recordings_of_one_call_without_a_side_are_left_out(call: Path) -> None:
    (call / "wav.scp").write_text("one call.wav\ntwo call.wav\n")
    (call / "text").write_text("one left\ntwo right\n")
    with pytest.raises(UserError) as error:
        custom.main(["kaldi", f"--path={call}", "--output_dir=out"])
    assert "unknown channel" in error.value.hint


def test_paths_of_another_machine_are_found_by_their_end(call: Path) -> None:
    (call / "wav.scp").write_text("a /home/bob/corpus/mono.wav\nb /else/where/mono.wav\n")
    (call / "text").write_text("a left\nb other\n")
    assert pitches("kaldi", f"--path={call}") == {"left": 200}


def supervision(name: str, channel: object) -> dict[str, object]:
    times = {"start": 0.5, "duration": 1.0}
    return {"id": name, "recording_id": "r", "channel": channel, "text": name, **times}


def cut(kind: str, channel: object, **recording: object) -> dict[str, object]:
    sources = [{"type": "file", "channels": [0, 1], "source": "call.wav"}]
    known = {"id": "r", "sources": sources, "sampling_rate": 16000, "duration": 4.0, **recording}
    said = [supervision("left", 0), supervision("right", [1])]
    place = {"id": "c", "start": 0, "duration": 2, "channel": channel, "type": kind}
    return {**place, "recording": known, "supervisions": said}


def test_a_cut_of_several_channels_is_one_utterance_each(call: Path) -> None:
    write_lines(call / "cuts.jsonl", [cut("MultiCut", [0, 1])])
    assert pitches("lhotse", "--path=cuts.jsonl") == BOTH


def test_a_cut_of_one_channel_has_no_words_of_the_other(call: Path) -> None:
    write_lines(call / "cuts.jsonl", [cut("MonoCut", 1)])
    assert pitches("lhotse", "--path=cuts.jsonl") == {"right": 1000}


def test_a_recording_at_another_speed_is_left_out(call: Path) -> None:
    write_lines(call / "cuts.jsonl", [cut("MonoCut", 0, transforms=[{"name": "Speed"}])])
    with pytest.raises(UserError) as error:
        custom.main(["lhotse", "--path=cuts.jsonl", "--output_dir=out"])
    assert "changes the sound's times" in error.value.hint


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"duration": 1.0}, (None, 1.0)),
        ({"offset": "0.5", "duration": "1.0"}, (0.5, 1.5)),
        ({"duration": 1.0, "channel_selector": [1]}, (None, 1.0)),
    ],
)
def test_times_of_nemo(
    call: Path,
    times: dict[str, object],
    expected: tuple[float | None, float],
) -> None:
    write_lines(call / "n.json", [{"audio_filepath": "call.wav", "text": "left", **times}])
    custom.main(["nemo", "--path=n.json", "--output_dir=out"])
    (each,) = read_manifest("out/train.json")
    assert (each.audio.start_time, each.audio.end_time) == expected
    assert each.audio.channel == (1 if "channel_selector" in times else None)


def test_translations_of_nemo_are_translations(call: Path) -> None:
    line = {"audio_filepath": "mono.wav", "duration": 1.0, "source_lang": "de"}
    lines = [{**line, "target_lang": "en", "answer": "hi"}, {**line, "target_lang": "fr"}]
    lines[1] |= {"text": "salut"}
    write_lines(call / "n.json", lines)
    custom.main(["nemo", "--path=n.json", "--output_dir=out"])
    (each,) = read_manifest("out/train.json")
    assert (each.sentence, each.language, each.task) == ("hi", "de", "translate")
    assert "Whisper translates into English alone" in Path("out/nemo_left_out.jsonl").read_text()


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("start,end", "0.5,1.5"),
        ("start_ms,end_ms", "500,1500"),
        ("offset,duration", "0.5,1"),
        ("begin,duration_ms", "0.5,1000"),
        ("Start Time,End Time", "0:00:00.5,0:00:01.5"),
    ],
)
def test_times_of_a_table(call: Path, header: str, cells: str) -> None:
    (call / "t.csv").write_text(f"wav_filename,transcript,{header}\nmono.wav,left,{cells}\n")
    custom.main(["table", "--path=t.csv", "--output_dir=out"])
    (each,) = read_manifest("out/train.json")
    assert (each.audio.start_time, each.audio.end_time) == (0.5, 1.5)


def test_quotation_marks_may_be_escaped(call: Path) -> None:
    (call / "t.csv").write_text('path,sentence\nmono.wav,"say \\"hi, you\\" now"\n')
    custom.main(["table", "--path=t.csv", "--output_dir=out"])
    assert [each.sentence for each in read_manifest("out/train.json")] == ['say "hi, you" now']
