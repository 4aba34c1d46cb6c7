"""Predictions kept under the hash of all that made them, written as they come.

What a prediction was made of: the sound itself, what the manifest asks for (language, task), those
it was batched with, the model's files, the decoding settings, and this code with its
libraries. Change one of them and the name changes, so that nothing stale is ever read. The
reference is not among them: a corrected one is scored against the earlier hypothesis.

A run's folder holds JSON lines, appended whole batch by whole batch: a run that is killed goes on
where it stopped, and ends as if it had not been killed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from utils.audio.clip import AudioRef
from utils.cli.console import is_main_process, process_rank, warn
from utils.cli.files import HASH_CHUNK_BYTES, atomic_write, naming, sha256_file
from utils.manifest.utterance import Utterance
from utils.scoring.predictions import Prediction
from utils.transcription.decoding import Decoding

SCHEMA = 1
LIBRARIES = ("torch", "transformers", "peft", "ctranslate2", "soundfile", "av", "soxr")
REPOSITORY = Path(__file__).resolve().parent.parent.parent
# Whose change may change a text.
CODE = (
    *("utils/transcription/**/*.py", "utils/model/audio_context/*.py", "utils/data/labels.py"),
    *("utils/audio/load.py", "utils/audio/features.py", "utils/audio/decode*.py"),
)
_NAMED = 3
# On Windows a file is text, whose line ends change, unless it is opened as binary.
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


def hash_of(value: Any) -> str:
    """SHA-256 of a JSON value, the same for equal values; 64 hexadecimal digits."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=1)
def code_version() -> dict[str, str]:
    """Hash of the code that makes text, and the versions of the libraries below it."""
    files = sorted(path for pattern in CODE for path in REPOSITORY.glob(pattern))
    versions = {"code": hash_of([sha256_file(path) for path in files])}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


@dataclass(frozen=True)
class RunKey:
    """What all predictions of a run share.

    Attributes:
        model: hashes of its files, as `model_fingerprint` returns them.
        decoding: the settings.
        device: "cpu", "cuda" or "mps", whose sums differ in the last digits.
    """

    model: tuple[str, ...]
    decoding: Decoding
    device: str

    @cached_property
    def digest(self) -> str:
        """Name of the run's folder."""
        return hash_of(
            {
                "schema": SCHEMA,
                "model": self.model,
                "decoding": self.decoding.to_json(),
                "device": self.device,
                "versions": code_version(),
            }
        )


def batch_keys(batch: Sequence[Utterance]) -> list[str | None]:
    """The name of each utterance of a batch within a run; None for one that cannot be read.

    Names depend on the whole batch: its longest clip sets the length that all are padded to.
    """
    own = [utterance_key(utterance) for utterance in batch]
    together = hash_of(own)
    return [None if key is None else hash_of([key, together]) for key in own]


def utterance_key(utterance: Utterance) -> str | None:
    """Hash of an utterance's sound and of what is asked about it; None if it cannot be read."""
    audio = utterance.audio
    try:
        sound = _sound_sha256(replace(audio, start_time=None, end_time=None, channel=None))
    except OSError:
        return None
    asked = [utterance.language, utterance.task, audio.start_time, audio.end_time]
    if audio.channel is not None:
        asked.append(f"channel {audio.channel}")
    return hash_of([sound, *asked])


@lru_cache(maxsize=100_000)
def _sound_sha256(audio: AudioRef) -> str:
    """Hash of a file, or of its part of a tar; once for all pieces of one recording."""
    if audio.offset is None or audio.size is None:
        return sha256_file(audio.path)
    digest = hashlib.sha256()
    left = audio.size
    with open(audio.path, "rb") as handle:
        handle.seek(audio.offset)
        while left > 0 and (chunk := handle.read(min(left, HASH_CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


class PredictionCache:
    """The predictions of one run that are on disk.

    Args:
        folder: `<cache_dir>/<run's digest>`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> dict[str, dict[str, Any]]:
        """Key -> prediction as JSON; entries that are broken are named and taken away."""
        entries: dict[str, dict[str, Any]] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            lines = path.read_bytes().splitlines()
            broken = []
            for number, line in enumerate(lines, start=1):
                try:
                    entry = _checked(json.loads(line)) if line else None
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    broken.append(number)
                    continue
                if entry is not None:
                    entries[entry["key"]] = entry["prediction"]
            if broken:
                self._take_away(path, lines, broken)
        return entries

    def append(self, keys: Iterable[str | None], predictions: Iterable[Prediction]) -> None:
        """Write a decoded batch: all of its lines at once, behind those that are there."""
        lines = [
            json.dumps(_entry(key, prediction), ensure_ascii=False)
            for key, prediction in zip(keys, predictions, strict=True)
            if key is not None
        ]
        if not lines:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{process_rank()}.jsonl"
        # One write in append mode: processes do not mix their lines, and a kill leaves at most
        # one torn line, which the newline in front parts from what follows.
        handle = os.open(path, _APPEND, 0o666)
        try:
            with naming(path):
                os.write(handle, ("\n" + "\n".join(lines) + "\n").encode())
        finally:
            os.close(handle)

    def _take_away(self, path: Path, lines: Sequence[bytes], broken: Sequence[int]) -> None:
        named = ", ".join(map(str, broken[:_NAMED])) + (", ..." if len(broken) > _NAMED else "")
        warn(
            f"{path}, line {named}: {len(broken)} broken cache "
            f"{'entry' if len(broken) == 1 else 'entries'}; transcribed again"
        )
        if is_main_process():
            gone = set(broken)
            kept = [line for number, line in enumerate(lines, start=1) if number not in gone]
            with atomic_write(path, "wb") as handle:
                handle.write(b"\n".join(kept) + b"\n")


def _entry(key: str, prediction: Prediction) -> dict[str, Any]:
    prediction_fields = {
        "hypothesis": prediction.hypothesis,
        "language": prediction.language,
        "status": prediction.status,
        "failure": prediction.failure,
        "audio_seconds": prediction.audio_seconds,
        "segments": prediction.to_json()["segments"],
    }
    return {"key": key, "sha256": hash_of(prediction_fields), "prediction": prediction_fields}


def _checked(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry that is what was written.

    Raises:
        ValueError: its hash says otherwise.
    """
    if entry["sha256"] != hash_of(entry["prediction"]):
        raise ValueError("the hash does not fit the prediction")
    return entry


def restore(prediction_fields: Mapping[str, Any], utterance: Utterance) -> Prediction:
    """A kept prediction with today's words of the manifest: id, reference, who, where from."""
    return Prediction.from_json(
        {
            "id": utterance.id,
            "reference": utterance.sentence,
            "speaker": utterance.speaker,
            "recording": utterance.audio.path,
            "source": utterance.source,
            **prediction_fields,
        }
    )
