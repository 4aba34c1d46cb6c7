"""check_data.py tells what is wrong, in words and by its exit code, and changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import check_data
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest

# The lines of these tests hold noise, in which nobody speaks.
DEAF = ["--voices=False"]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Five sound lines."""
    lines = []
    for number in range(5):
        samples = np.random.default_rng(number).uniform(-0.2, 0.2, 16_000)
        soundfile.write(tmp_path / f"{number}.wav", samples, 16_000)
        lines.append(
            {
                "audio": {"path": f"{number}.wav"},
                "sentence": f"第{'零一二三四'[number]}句",
                "language": "Chinese",
                "id": f"u{number}",
                "speaker": f"S{number % 2}",
            }
        )
    path = tmp_path / "train.json"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def test_sound_data_ends_with_0(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check_data.main([f"--data={manifest}", *DEAF]) == 0
    output = capsys.readouterr().out
    row = next(line for line in output.splitlines() if line.startswith(f"{manifest}  "))
    assert " ".join(row.split()[1:]) == "5 5 0.00 1.00 s 1.00 s 1.00 s 2 5 0"
    assert "languages zh (5); sampling rates 16000 (5); channels 1 (5)" in output
    assert output.endswith("\nnothing to fix\n")


def test_warnings_end_with_1(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(manifest.parent / "2.wav", np.zeros(16_000), 16_000)
    assert check_data.main([f"--data={manifest}", *DEAF]) == 1
    output = capsys.readouterr().out
    assert "warning: silent: 1\n" in output
    assert f"  {manifest} line 3 (u2): the loudest sample is -inf dBFS, but there is text" in output
    assert output.endswith("\n1 warning\n")


def test_errors_end_with_2_and_are_counted_by_kind(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        (manifest.parent / f"{number}.wav").unlink()
    assert check_data.main([f"--data={manifest}", "--examples=2", *DEAF]) == 2
    output = capsys.readouterr().out
    assert "error: missing audio: 5\n" in output
    assert output.count("there is no audio file") == 2
    assert "... and 3 more; --examples=-1 shows all" in output
    assert output.endswith("\n5 errors\n")
    check_data.main([f"--data={manifest}", "--examples=-1", *DEAF])
    assert capsys.readouterr().out.count("there is no audio file") == 5


def test_several_manifests_are_compared(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = manifest.with_name("test.json")
    other.write_text(manifest.read_text())
    assert check_data.main([f"--data={manifest},{other}", "--num_workers=1", *DEAF]) == 2
    output = capsys.readouterr().out
    assert "error: audio in two sets: 5" in output
    assert f"{other} line 1 (u0): the sound of {manifest} line 1" in output


def test_parts_look_at_every_line_once_and_name_what_they_write(manifest: Path) -> None:
    (manifest.parent / "3.wav").unlink()
    kept, pages = [], []
    for part in (1, 2):
        flags = [f"--shard={part}/2", f"--fix={manifest.parent / 'out.json'}"]
        page = f"--html={manifest.parent / 'page.html'}"
        code = check_data.main([f"--data={manifest}", *flags, page, *DEAF])
        assert code == (0, 2)[part - 1]
        kept += read_manifest(manifest.parent / f"out-{part}of2.json").utterances
        pages.append(manifest.parent / f"page-{part}of2.html")
    assert [each.id for each in kept] == ["u0", "u1", "u2", "u4"]
    assert all(page.is_file() for page in pages)


def test_a_missing_manifest_is_the_users_mistake(manifest: Path) -> None:
    with pytest.raises(UserError, match="there is no such manifest"):
        check_data.main([f"--data={manifest},none.json"])


def test_the_command_changes_nothing_and_shows_no_traceback(
    manifest: Path, repository: Path
) -> None:
    (manifest.parent / "3.wav").write_bytes(b"no sound")
    manifest.write_text(manifest.read_text() + "\n{broken\n")
    before = {path: path.read_bytes() for path in manifest.parent.iterdir()}
    done = subprocess.run(
        [sys.executable, str(repository / "check_data.py"), f"--data={manifest}", *DEAF],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert "error: broken line: 1" in done.stdout
    assert "error: undecodable audio: 1" in done.stdout
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in manifest.parent.iterdir()} == before


def test_the_sample_in_the_repository_is_sound(repository: Path) -> None:
    assert check_data.main([f"--data={repository / 'dataset' / 'sample.jsonl'}"]) == 0


@pytest.mark.requires_shared
@pytest.mark.parametrize(
    "folder", ["zh_aishell_S0150", "en_speechocean762", "en_ljspeech", "en_single", "noise"]
)
def test_recorded_speech_has_nothing_to_fix(shared: Path, folder: str) -> None:
    paths = sorted((shared / "data" / folder).glob("*.jsonl"))
    assert check_data.main([f"--data={','.join(map(str, paths))}"]) == 0
