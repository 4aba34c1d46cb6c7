"""Corrected transcripts, saved with their sound as lines of a manifest that finetune.py takes."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import soundfile
from fastapi import APIRouter, File, Form, Request, UploadFile
from pydantic import BaseModel

from utils.audio.clip import AudioRef, Seconds, TimedSentence
from utils.audio.load import SAMPLE_RATE
from utils.cli.files import atomic_write
from utils.manifest.read import read_manifest
from utils.manifest.utterance import TASKS, Utterance
from utils.manifest.write import path_from_manifest, write_manifest
from utils.serving.answers import ERRORS, unless_gone
from utils.serving.errors import Refused
from utils.serving.messages import Sound
from utils.serving.service import Service
from utils.sources.text.pieces import WINDOW, Piece, check_times, pack

MANIFEST = "corrections.jsonl"
SOURCE = "correction"
LONGEST_NAME = 100
MOST_SENTENCES = 100_000


class Saved(BaseModel):
    """How many lines were added to the manifest."""

    lines: int


def corrections_routes(service: Service, folder: Path) -> APIRouter:
    """`/corrections`.

    Args:
        service: that decodes the sound.
        folder: for sound and manifest.
    """
    routes = APIRouter(tags=["Corrections"], responses=ERRORS)
    writing = asyncio.Lock()

    @routes.post("/corrections")
    async def corrections(
        request: Request,
        audio: Annotated[UploadFile, File(description="The recording")],
        sentences: Annotated[
            str, Form(description='JSON: [{"start": s, "end": s, "text": "..."}, ...]')
        ],
        language: Annotated[str | None, Form(description="Of the speech; None if unknown")] = None,
        speaker: Annotated[str, Form(max_length=LONGEST_NAME)] = "",
        task: Annotated[str, Form(description="transcribe or translate")] = "transcribe",
    ) -> Saved:
        """Save a recording with its corrected text, in place of what was saved of it before."""
        options = service.options(None, language)
        if task not in TASKS:
            raise Refused(422, f"task is {task!r}; expected {' or '.join(TASKS)}", "task")
        timed = _read_sentences(sentences)

        async def work() -> Saved:
            sound = await service.read(audio.file, audio.filename or "", audio.size)
            try:
                stated = options.language if language else None
                about = {"language": stated, "speaker": speaker.strip() or None, "task": task}
                async with writing:
                    lines = await asyncio.to_thread(save, folder, sound, timed, about)
                return Saved(lines=lines)
            finally:
                service.forget(sound)

        return await unless_gone(request, work())

    return routes


def _read_sentences(text: str) -> list[TimedSentence]:
    """The sentences of a request, without those that were emptied.

    Raises:
        Refused: they are no such list.
    """
    try:
        values: Any = json.loads(text)
        if type(values) is not list or len(values) > MOST_SENTENCES:
            raise ValueError("expected a list of sentences")
        found = []
        for number, each in enumerate(values):
            if type(each) is dict and type(each.get("text")) is str and not each["text"].strip():
                continue
            kept = {name: each.get(name) for name in ("start", "end", "text")}
            found.append(TimedSentence.from_json(kept, f"sentences[{number}]"))
    except (ValueError, AttributeError, RecursionError) as error:
        raise Refused(422, f"sentences cannot be read: {error}.", "sentences") from None
    return found


def save(
    folder: Path, sound: Sound, sentences: Sequence[TimedSentence], about: Mapping[str, Any]
) -> int:
    """Write a recording, and its lines in place of those that the manifest had of it.

    Args:
        folder: for `corrections.jsonl` and `audio/`.
        sound: decoded.
        sentences: with times in seconds; none where nothing is said.
        about: language, speaker and task of all.

    Returns:
        How many lines were added.

    Raises:
        Refused: the times cannot be right.
    """
    samples = np.fromfile(sound.path, np.float32)
    length = len(samples) / SAMPLE_RATE
    pieces = _pieces(sentences, length)
    digest = hashlib.sha256(samples.tobytes()).hexdigest()[:16]
    path, manifest = folder / "audio" / f"{digest}.flac", folder / MANIFEST
    if not path.exists():
        with atomic_write(path, "wb") as file:
            soundfile.write(file, samples, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    named = path_from_manifest(path, manifest)
    is_whole = length <= WINDOW
    added = [
        Utterance(
            AudioRef(named) if is_whole else AudioRef(named, each.start, each.end),
            each.text,
            digest if is_whole else f"{digest}-{round(1000 * each.start)}",
            sentences=each.sentences,
            duration=round(length if is_whole else each.end - each.start, 3),
            source=SOURCE,
            **about,
        )
        for each in pieces
    ]
    others = [each for each in _lines(manifest) if Path(each.audio.path).name != path.name]
    write_manifest(manifest, [*others, *added])
    return len(added)


def _pieces(sentences: Sequence[TimedSentence], length: Seconds) -> list[Piece]:
    usable, unusable = check_times(sentences, length)
    if unusable:
        first = unusable[0]
        shown = first.sentence.text[:40]
        raise Refused(422, f"The times of “{shown}” cannot be right: {first.reason}.", "sentences")
    if length > WINDOW:
        return pack(usable)
    return [Piece(0.0, length, tuple(usable))]


def _lines(manifest: Path) -> list[Utterance]:
    """The manifest's lines, their paths relative to it again."""
    if not manifest.exists() or manifest.stat().st_size == 0:
        return []
    return [
        replace(each, audio=replace(each.audio, path=path_from_manifest(each.audio.path, manifest)))
        for each in read_manifest(manifest)
    ]
