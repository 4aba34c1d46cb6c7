"""A check that was killed goes on, and finds what one finds that was not."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from utils.audio.clip import AudioRef
from utils.audio.fingerprint import FINGERPRINT
from utils.audio.probe import AudioFacts, UnreadableAudio, probe
from utils.cli.errors import UserError
from utils.cli.files import cache_folder
from utils.manifest import duplicates as same
from utils.manifest import read
from utils.validation import check, diagnosis, records
from utils.validation.check import Kept, check_manifests
from utils.validation.diagnosis import Diagnosis
from utils.validation.findings import Finding, Line

RATE = 16_000
KEPT = Kept("as always")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_corpus(folder: Path, number: int, **changes: dict[int, Any]) -> Path:
    """Write lines of which every fifth repeats a sound, one more softly, and every third a text."""
    lines = []
    for each in range(number):
        samples = np.random.default_rng(each % 5 or each).uniform(-0.2, 0.2, RATE)
        softer = 0.5 if each == 12 else 1.0
        soundfile.write(folder / f"{each}.wav", softer * samples, RATE)
        said = 2 if each == 12 else each  # the words of the sound that it repeats
        letters = "".join("abcdefghij"[int(digit)] for digit in str(said if said % 3 else 0))
        lines.append(
            {
                "audio": {"path": f"{each}.wav"},
                "sentence": letters,
                "id": f"u{each}",
                "speaker": f"S{each % 4}",
                **{name: at[each] for name, at in changes.items() if each in at},
            }
        )
    path = folder / "train.json"
    path.write_text("\n".join(["{broken", *map(json.dumps, lines), json.dumps(lines[3])]))
    return path


@pytest.fixture
def manifests(tmp_path: Path) -> list[Path]:
    """Two manifests, with something of the first in the second, and lines that are broken."""
    train = write_corpus(tmp_path, 23, sentence={7: "a\u0007", 9: "gate 12", 11: ""})
    (tmp_path / "13.wav").unlink()
    other = tmp_path / "test.json"
    other.write_text("\n".join(train.read_text().splitlines()[8:16]))
    return [train, other]


def all_of(found: Diagnosis) -> tuple[Any, ...]:
    return list(found.findings), list(found.summaries), list(found.lines)


class StoppedError(Exception):
    """Stands for the end of a process."""


@pytest.mark.parametrize("after", [0, 4, 9, 22, 27])
def test_what_is_known_is_not_listened_to_again(
    manifests: list[Path], monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(check, "LINES_A_TASK", 4)
    whole = all_of(check_manifests(manifests))
    assert "nearly the same audio" in {each.kind for each in whole[0]}
    decoded: list[str] = []
    most = after

    def listen(ref: AudioRef) -> AudioFacts | UnreadableAudio:
        if len(decoded) == most:
            raise StoppedError
        decoded.append(ref.path)
        return probe(ref)

    monkeypatch.setattr(records, "probe", listen)
    with pytest.raises(StoppedError):
        check_manifests(manifests, kept=KEPT)
    (folder,) = (each for each in (cache_folder() / "checks").iterdir() if each.is_dir())
    # As if a kill cut the last line in two.
    for name in ("records", "fingerprints", "findings", "done"):
        with open(folder / name, "ab") as file:
            file.write(b'[12, "')
    known, most = after // 4 * 4, 1000
    decoded.clear()
    assert all_of(check_manifests(manifests, kept=KEPT)) == whole
    assert len(decoded) == 24 + 8 - known
    gc.collect()  # the folder goes with the last who reads it
    assert not [each for each in (cache_folder() / "checks").iterdir() if each.is_dir()]


@pytest.mark.parametrize(
    ("lost", "bytes_a_line"),
    [("records", records.RECORD.itemsize), ("fingerprints", FINGERPRINT.itemsize)],
)
def test_what_the_system_lost_is_looked_at_again(
    manifests: list[Path], monkeypatch: pytest.MonkeyPatch, lost: str, bytes_a_line: int
) -> None:
    monkeypatch.setattr(check, "LINES_A_TASK", 4)
    whole = all_of(check_manifests(manifests))
    calls = iter(range(13))

    def listen(ref: AudioRef) -> AudioFacts | UnreadableAudio:
        if next(calls, None) is None:
            raise StoppedError
        return probe(ref)

    with monkeypatch.context() as patch:
        patch.setattr(records, "probe", listen)
        with pytest.raises(StoppedError):
            check_manifests(manifests, kept=KEPT)
    (file,) = (cache_folder() / "checks").glob(f"*/{lost}")
    os.truncate(file, bytes_a_line * 6)
    assert all_of(check_manifests(manifests, kept=KEPT)) == whole


def test_other_settings_another_manifest_and_a_fresh_start_begin_anew(
    manifests: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "LINES_A_TASK", 4)
    decoded = [0]

    def listen(ref: AudioRef) -> AudioFacts | UnreadableAudio:
        decoded[0] += 1
        if decoded[0] == 9:
            raise StoppedError
        return probe(ref)

    monkeypatch.setattr(records, "probe", listen)
    for kept in (KEPT, Kept("otherwise"), Kept("as always", fresh=True)):
        decoded[0] = 0
        with pytest.raises(StoppedError):
            check_manifests(manifests, kept=kept)
        assert decoded == [9]
    manifests[1].write_text(manifests[1].read_text() + "\n")
    decoded[0] = 0
    with pytest.raises(StoppedError):
        check_manifests(manifests, kept=KEPT)


def test_two_at_once_are_refused(manifests: list[Path]) -> None:
    def look_and_check(lines: Sequence[Line]) -> Iterator[Finding]:
        with pytest.raises(UserError, match="is being checked already"):
            check_manifests(manifests, kept=KEPT)
        yield lines[0].finding("note", "looked at", "once")

    found = check_manifests(manifests, inspectors=[look_and_check], kept=KEPT)
    assert [each.kind for each in found.findings].count("looked at") == 2


def test_many_findings_and_large_manifests_stay_on_disk(
    manifests: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = all_of(check_manifests(manifests))
    monkeypatch.setattr(diagnosis, "FEW_FINDINGS", 0)
    monkeypatch.setattr(read, "LARGE_BYTES", 0)
    monkeypatch.setattr(same, "BUCKET", 5)
    found = check_manifests(manifests)
    assert isinstance(found.findings, diagnosis.LazyFindings)
    assert all_of(found) == small
    assert [found.findings[place] for place in range(-3, 3)] == small[0][-3:] + small[0][:3]
    assert found.findings[2:5] == small[0][2:5]
    assert found.exit_code == 2
    line = small[2][12]
    assert found.lines.find(line.manifest, line.number) == line
    assert found.lines.find(line.manifest, 1) is None  # broken


def test_without_sound_what_the_manifest_says_is_looked_at(tmp_path: Path) -> None:
    times = [{"start": 0, "end": 9.0, "text": "x"}]
    path = write_corpus(
        tmp_path,
        7,
        duration={1: 1.0, 2: 0.1, 4: 2.0},
        sentences={4: times},
        sentence={2: "many words " * 3, 4: "x", 5: "a <b>"},
    )
    for each in tmp_path.glob("*.wav"):
        each.unlink()
    found = check_manifests([path], look=records.Look(listen=False))
    assert [(each.kind, each.line) for each in found.findings] == [
        ("broken line", 1),
        ("too fast to be true", 4),
        ("sentence outside the audio", 6),
        ("markup", 7),
        ("repeated id", 9),
        ("repeated text", 9),
    ]
    summary = found.summaries[0]
    assert (summary.lines, summary.usable, summary.seconds) == (9, 8, pytest.approx(3.1))
    assert summary.channels == summary.sampling_rates == {}


def wait_until_something_is_done(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if any(each.stat().st_size for each in folder.glob("whisper-finetune/checks/*/done")):
            return
        time.sleep(0.005)
    raise AssertionError(f"nothing was done, exit code {process.poll()}")


def outputs(folder: Path) -> Iterator[bytes]:
    for name in ("page.html", "fixed.json", "fixed.dropped.jsonl"):
        path = folder / name
        yield path.read_bytes()
        path.unlink()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_killed_check_ends_like_one_that_was_not(
    tmp_path: Path, repository: Path, own_cache: Path, num_workers: int
) -> None:
    path = write_corpus(tmp_path, 200, sentence={3: "gate 12", 190: "a <i>word</i>"})
    # These take a while, so that the kill comes in time.
    for each in range(150, 153):
        soundfile.write(tmp_path / f"{each}.wav", np.zeros(RATE * 120), RATE)
    command = [
        *(sys.executable, str(repository / "check_data.py"), f"--data={path}"),
        *("--voices=False", f"--num_workers={num_workers}", f"--html={tmp_path / 'page.html'}"),
        *(f"--fix={tmp_path / 'fixed.json'}", "--fix_warnings=True"),
    ]
    whole = subprocess.run(command, capture_output=True)
    assert whole.returncode == 2, whole.stderr
    written = list(outputs(tmp_path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        wait_until_something_is_done(own_cache, process)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "page.html").exists()
    resumed = subprocess.run(command, capture_output=True)
    lines = resumed.stdout.splitlines()
    (told,) = [line for line in lines if line.startswith(b"continuing an interrupted check: ")]
    lines.remove(told)
    assert lines == whole.stdout.splitlines()
    assert list(outputs(tmp_path)) == written
