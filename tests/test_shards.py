"""--shard: the parts of every data command together hold what the whole run holds, each once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import aishell
import custom
import pseudo_label
from tests.test_aishell import corpus_files, write_archive, write_folder
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.parallel.shards import Shard

PARTS = 3
EXAMPLES = "docs/examples"
COMMANDS = {
    "folder": [f"--path={EXAMPLES}/folder"],
    "table": [
        f"--path={EXAMPLES}/clips.csv",
        *("--audio_column=recording", "--text_column=words", "--speaker_column=who"),
    ],
    "kaldi": [f"--path={EXAMPLES}/kaldi"],
    "subtitles": ["--path=dataset/sample.flac", f"--subtitles={EXAMPLES}/sample.srt"],
    "hub": [f"--path={EXAMPLES}/audiofolder"],
    "wenetspeech": [f"--path={EXAMPLES}/WenetSpeech.json", "--audio_dir=demo/en", "--subset=M"],
    "nemo": [f"--path={EXAMPLES}/nemo.json"],
    "lhotse": [
        f"--path={EXAMPLES}/lhotse/recordings.jsonl",
        f"--supervisions={EXAMPLES}/lhotse/supervisions.jsonl",
    ],
    "manifest": ["--path=demo/en/dev.jsonl,demo/zh/dev.jsonl"],
}


def written(folder: Path, name: str) -> list[str]:
    """Return the lines of all parts of a file, sorted, with audio paths that hold anywhere."""
    lines = []
    for path in sorted(folder.glob(name)):
        for line in path.read_text(encoding="utf-8").splitlines():
            value: dict[str, Any] = json.loads(line)
            if "audio" in value:
                value["audio"]["path"] = str((folder / value["audio"]["path"]).resolve())
                value["audio"]["path"] = Path(value["audio"]["path"]).name
            lines.append(json.dumps(value, sort_keys=True))
    return sorted(lines)


def test_every_command_is_here() -> None:
    assert set(COMMANDS) | {"pack"} == set(custom.COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_parts_of_a_source_are_the_whole(
    command: str, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    for folder, shards in (("whole", [None]), ("parts", range(1, PARTS + 1))):
        flags = [command, *COMMANDS[command], f"--output_dir={tmp_path / folder}"]
        flags += [f"--audio_dir={tmp_path / 'audio'}"] if command == "hub" else []
        for shard in shards:
            custom.main([*flags, *([f"--shard={shard}/{PARTS}"] if shard else [])])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert written(parts, "train-?of3.json") == written(whole, "train.json") != []
    left_out = f"{command}_left_out"
    assert written(parts, f"{left_out}-?of3.jsonl") == written(whole, f"{left_out}.jsonl")
    assert len(list(parts.glob(f"{left_out}-?of3.jsonl"))) == PARTS


def test_more_parts_than_files_leave_some_empty_and_say_so(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["nemo", f"--path={repository / EXAMPLES / 'nemo.json'}", f"--output_dir={tmp_path}"]
    for shard in range(1, 10):
        custom.main([*flags, f"--shard={shard}/9"])
    lines = len((repository / EXAMPLES / "nemo.json").read_text().splitlines())
    assert len(list(tmp_path.glob("train-*.json"))) == lines
    assert capsys.readouterr().out.count("this part holds nothing that can be used") == 9 - lines


def test_a_part_cannot_be_split(tmp_path: Path, repository: Path) -> None:
    flags = ["manifest", "--path=demo/en/dev.jsonl", f"--output_dir={tmp_path}"]
    with pytest.raises(UserError, match="needs all of the data, --shard=1/2 has a part"):
        custom.main([*flags, "--split=0.5/0.5", "--shard=1/2"])


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_the_parts_of_aishell_are_the_whole(tmp_path: Path, form: str) -> None:
    files = corpus_files()
    transcript = next(name for name in files if "transcript" in name)
    files[transcript] += "BAC009S0002W9999 没有 声音\nBAC009S0003W9999 没有\n".encode()
    source = tmp_path / "data_aishell.tgz"
    if form == "archive":
        write_archive(source, files)
    else:
        source = write_folder(tmp_path / "brought", files)
    for folder, shards in (("whole", [None]), ("parts", range(1, PARTS + 1))):
        for shard in shards:
            flags = [f"--filepath={source}", f"--target_dir={tmp_path / folder / 'audio'}"]
            flags += [f"--annotation_text={tmp_path / folder}", "--num_workers=1"]
            aishell.main([*flags, *([f"--shard={shard}/{PARTS}"] if shard else [])])
    for part in ("train", "dev", "test"):
        whole = written(tmp_path / "whole", f"{part}.json")
        assert written(tmp_path / "parts", f"{part}-?of3.json") == whole != []
    whole = written(tmp_path / "whole", "aishell_left_out.jsonl")
    assert written(tmp_path / "parts", "aishell_left_out-?of3.jsonl") == whole
    assert len(whole) == 2


def test_the_parts_of_pseudo_labels_are_the_whole(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        samples = np.random.default_rng(number).uniform(-0.2, 0.2, 6 * 16_000)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16_000)
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    audio = "--audio=broken.wav,0.wav,1.wav,2.wav,3.wav,0.wav"
    flags = [audio, f"--model_path={tiny_model}", "--language=en", "--window=6"]
    flags += ["--max_compression_ratio=100", "--batch_size=1"]
    pseudo_label.main([*flags, "--output_dir=whole"])
    for shard in range(1, PARTS + 1):
        pseudo_label.main([*flags, "--output_dir=parts", f"--shard={shard}/{PARTS}"])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert written(parts, "train-?of3.json") == written(whole, "train.json") != []
    assert written(parts, "left_out-?of3.jsonl") == written(whole, "left_out.jsonl") != []
    for name in ("done-2of3.jsonl", "pseudo_label-2of3.log", "settings-2of3.yaml"):
        assert (parts / name).is_file()
    joined = f"--path={','.join(str(each) for each in sorted(parts.glob('train-*.json')))}"
    custom.main(["manifest", joined, f"--output_dir={tmp_path / 'joined'}"])
    assert len(read_manifest(tmp_path / "joined" / "train.json")) == 4


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_name_belongs_to_one_part(count: int) -> None:
    for name in ("S0002", "S0916", "", "今天", "b\udcff"):
        assert sum(Shard(number, count).has(name) for number in range(1, count + 1)) == 1
