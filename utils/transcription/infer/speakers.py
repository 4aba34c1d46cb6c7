"""Who speaks when, by sherpa-onnx, and which segment is whose.

The library ends the process of a model that it cannot read, and holds a recording as a whole, so
that it runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from utils.audio.clip import Seconds
from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.transcription.infer.settings import InferSettings
from utils.transcription.longform import Samples
from utils.transcription.transcript import ClipTranscript

REPOSITORY = Path(__file__).resolve().parents[3]
CHILD = "utils.transcription.infer.speakers_child"
PIECE = 1_000_000  # samples that are handed over at a time


@dataclass(frozen=True)
class Turn:
    """A stretch in which one person speaks; turns may overlap."""

    start: Seconds
    end: Seconds
    speaker: str


def expect_speaker_models(settings: InferSettings) -> None:
    """Refuse `--diarize` without the library or a model, before any sound is read.

    Raises:
        UserError: saying what is missing.
    """
    if not settings.diarize:
        return
    expect_installed("sherpa_onnx", "--diarize=True")
    for name in ("segmentation_model", "embedding_model"):
        path = getattr(settings, name)
        if path is None or not os.path.isfile(path):
            found = "is not given" if path is None else f"{path} is no file"
            raise UserError(
                f"--{name} {found}; --diarize=True needs two ONNX models",
                "docs/inference.md says which, and where they come from",
            )


def turns_of(samples: Samples, settings: InferSettings) -> list[Turn]:
    """Find who speaks when.

    Args:
        samples: of a whole recording, mono, 16 kHz.
        settings: the models, and how many people speak.

    Returns:
        Turns in order of their beginning; the first to speak is `Speaker 1`.

    Raises:
        UserError: the library cannot use the models.
    """
    request = {
        "segmentation": settings.segmentation_model,
        "embedding": settings.embedding_model,
        "speakers": settings.num_speakers or -1,
        "threads": settings.threads or min(4, os.cpu_count() or 1),
    }
    paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [sys.executable, "-m", CHILD, json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(BrokenPipeError):  # it ended; why is asked below
            for first in range(0, len(samples), PIECE):
                process.stdin.write(samples[first : first + PIECE].astype("<f4").tobytes())
            process.stdin.close()
        answer = process.stdout.read()
        code = process.wait()
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip().splitlines()
    lines = answer.decode("utf-8", "replace").splitlines()
    if code or not lines:
        raise UserError(
            f"sherpa-onnx finds no speakers with {settings.segmentation_model} and "
            f"{settings.embedding_model} (its process ended with {code}): "
            f"{said[-1] if said else 'it gives no reason'}",
            "give a pyannote segmentation model and a speaker embedding model in its ONNX form",
        )
    return _named(json.loads(lines[-1]))


def _named(found: Sequence[tuple[float, float, int]]) -> list[Turn]:
    """Turns with names, numbered in the order in which people begin to speak."""
    numbers: dict[int, int] = {}
    return [
        Turn(start, end, f"Speaker {numbers.setdefault(speaker, len(numbers) + 1)}")
        for start, end, speaker in sorted(found)
    ]


def with_speakers(text: ClipTranscript, turns: Sequence[Turn]) -> ClipTranscript:
    """Give each segment the speaker who speaks longest in it; the nearest where nobody does.

    Args:
        text: of a recording.
        turns: in it; without any, the text stays as it is.
    """
    if not turns:
        return text
    segments = []
    for each in text.segments:
        spoken: dict[str, float] = {}
        for turn in turns:
            shared = min(turn.end, each.end) - max(turn.start, each.start)
            if shared > 0:
                spoken[turn.speaker] = spoken.get(turn.speaker, 0.0) + shared
        if spoken:
            speaker = max(spoken, key=lambda name: spoken[name])
        else:
            middle = (each.start + each.end) / 2
            nearest = min(turns, key=lambda turn: max(turn.start - middle, middle - turn.end))
            speaker = nearest.speaker
        segments.append(replace(each, speaker=speaker))
    return replace(text, segments=tuple(segments))
