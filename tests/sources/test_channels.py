"""Each side of a call is heard under its own words, from whatever form names the channel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

import custom
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest

RATE = 16000


def pitches(*argv: str) -> dict[str, int]:
    """Run custom.py and return the loudest pitch that is heard under each text, in Hz."""
    custom.main([*argv, "--output_dir=out", "--language=English"])
    heard = {}
    for each in read_manifest("out/train.json"):
        samples = load_audio(each.audio)
        spectrum = np.abs(np.fft.rfft(samples))
        loud = np.flatnonzero(spectrum > 0.3 * spectrum.max()) * RATE / len(samples)
        heard[each.sentence] = round(float(loud.mean()))
        assert len(loud) == 1, f"{each.sentence}: several pitches are heard"
    return heard


def write_lines(path: Path, values: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    return path


def test_kaldi_segments_with_a_channel(call: Path) -> None:
    (call / "wav.scp").write_text("call call.wav\n")
    (call / "segments").write_text("a call 0.5 1.5 0\nb call 0.5 1.5 1\n")
    (call / "text").write_text("a left\nb right\n")
    assert pitches("kaldi", f"--path={call}") == {"left": 200, "right": 1000}


def test_kaldi_recordings_that_are_sides_of_one_file(call: Path) -> None:
    (call / "wav.scp").write_text("call-A call.wav\ncall-B call.wav\n")
    (call / "reco2file_and_channel").write_text("call-A call A\ncall-B call B\n")
    (call / "text").write_text("call-A left\ncall-B right\n")
    assert pitches("kaldi", f"--path={call}") == {"left": 200, "right": 1000}


def lhotse(call: Path, sources: list[dict[str, object]]) -> list[str]:
    recording = {"id": "call", "sources": sources, "sampling_rate": RATE, "num_samples": 4 * RATE}
    path = write_lines(call / "recordings.jsonl", [recording | {"duration": 4.0}])
    shared = {"recording_id": "call", "start": 0.5, "duration": 1.0}
    sides = [
        shared | {"id": name, "channel": channel, "text": name}
        for channel, name in enumerate(("left", "right"))
    ]
    supervisions = write_lines(call / "supervisions.jsonl", sides)
    return ["lhotse", f"--path={path}", f"--supervisions={supervisions}"]


def test_lhotse_supervisions_of_a_channel(call: Path) -> None:
    argv = lhotse(call, [{"type": "file", "channels": [0, 1], "source": str(call / "call.wav")}])
    assert pitches(*argv) == {"left": 200, "right": 1000}


def test_lhotse_recordings_with_a_file_for_each_channel(call: Path) -> None:
    samples, _ = soundfile.read(call / "call.wav")
    soundfile.write(call / "right.wav", samples[:, 1], RATE)
    names = ("mono.wav", "right.wav")
    sources = [
        {"type": "file", "channels": [channel], "source": str(call / name)}
        for channel, name in enumerate(names)
    ]
    assert pitches(*lhotse(call, sources)) == {"left": 200, "right": 1000}


def test_lhotse_cuts_keep_the_channel_there_and_back(call: Path) -> None:
    argv = lhotse(call, [{"type": "file", "channels": [0, 1], "source": str(call / "call.wav")}])
    custom.main([*argv, "--output_dir=cuts", "--format=lhotse"])
    assert pitches("lhotse", "--path=cuts/train_cuts.jsonl") == {"left": 200, "right": 1000}


def test_nemo_channel_selector_there_and_back(call: Path) -> None:
    lines: list[dict[str, object]] = [
        {"audio_filepath": "call.wav", "duration": 2.0, "text": name, "channel_selector": channel}
        for channel, name in enumerate(("left", "right"))
    ]
    path = write_lines(call / "nemo.json", lines)
    custom.main(["nemo", f"--path={path}", "--output_dir=again", "--format=nemo"])
    assert pitches("nemo", "--path=again/train_nemo.json") == {"left": 200, "right": 1000}


def test_nemo_lines_without_an_offset_begin_at_the_beginning(call: Path) -> None:
    line: dict[str, object] = {"audio_filepath": "mono.wav", "duration": 1.5, "text": "hum"}
    custom.main(["nemo", f"--path={write_lines(call / 'nemo.json', [line])}", "--output_dir=out"])
    (read,) = read_manifest("out/train.json")
    assert (read.audio.start_time, read.audio.end_time, read.duration) == (None, 1.5, 1.5)


def test_channel_0_of_a_mono_file_is_all_of_it(call: Path) -> None:
    line = {"audio_filepath": "mono.wav", "duration": 4.0, "text": "hum", "channel_selector": 0}
    custom.main(["nemo", f"--path={write_lines(call / 'nemo.json', [line])}", "--output_dir=out"])
    (read,) = read_manifest("out/train.json")
    assert (read.audio.channel, read.audio.end_time) == (None, None)


def test_a_channel_that_a_file_lacks_is_left_out_by_name(call: Path) -> None:
    line = {"audio_filepath": "mono.wav", "duration": 4.0, "text": "hum", "channel_selector": 1}
    path = write_lines(call / "nemo.json", [line])
    with pytest.raises(UserError, match="left out") as error:
        custom.main(["nemo", f"--path={path}", "--output_dir=out"])
    assert "has only channel 0" in error.value.hint
