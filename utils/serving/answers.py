"""Transcripts in the forms of the two interfaces: the published one and OpenAI's."""

from __future__ import annotations

import asyncio
import json
import weakref
from collections.abc import AsyncIterator, Awaitable
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.requests import Request

from utils.audio.load import SAMPLE_RATE
from utils.manifest.languages import LANGUAGES
from utils.serving.errors import Refused
from utils.serving.messages import Options, Sound
from utils.serving.service import Service
from utils.transcription.rewriting import rewritten
from utils.transcription.transcript import ClipTranscript, TimedText

GONE = 499
"""Status in the metrics of a request whose client left before the answer."""

Answer = TypeVar("Answer")


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorAnswer(BaseModel):
    """The body of every answer that is an error; `code` is the HTTP status."""

    error: ErrorDetail
    code: int


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": description}
    for status, description in (
        (400, "The body is no form that can be read"),
        (401, "The key is missing or wrong"),
        (403, "The request comes from a page of another origin"),
        (404, "There is no such model"),
        (408, "The upload came too slowly"),
        (413, "The upload or the recording is too long"),
        (422, "A field has a wrong value, or the file holds no sound"),
        (429, "The server has as many requests as it takes; Retry-After says when to try again"),
        (503, "The request took too long, a process ended, or the server is stopping"),
    )
}


class Texts:
    """The texts of one upload: its sound is decoded, and removed when it is done.

    Args:
        service: that recognises.
        options: of the request.
        sound: that was decoded.
    """

    def __init__(self, service: Service, options: Options, sound: Sound) -> None:
        self.service = service
        self.options = options
        self.sound = sound
        # Also where an answer is never begun.
        self._forget = weakref.finalize(self, service.forget, sound)

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.sound.num_samples / SAMPLE_RATE

    async def parts(self) -> AsyncIterator[ClipTranscript]:
        """Yield the windows' texts in order; the sound is removed afterwards."""
        try:
            async for part in self.service.texts(self.sound, self.options):
                yield part
        finally:
            self._forget()

    async def all(self) -> list[ClipTranscript]:
        """All windows' texts."""
        return [part async for part in self.parts()]


async def unless_gone(request: Request, work: Awaitable[Answer]) -> Answer:
    """Wait for an answer; it is given up when the client leaves.

    Args:
        request: whose body has been read.
        work: that makes the answer.

    Raises:
        Refused: the client left, and nobody will read this.
    """
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            return doing.result()
        raise Refused(GONE, "The client left.")
    finally:
        for task in (doing, leaving):
            task.cancel()
        await asyncio.gather(doing, leaving, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def as_event(value: Any) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def published(each: TimedText, language: str | None, to_simple: int, remove_pun: int) -> Any:
    """A segment as the published interface has it."""
    text = rewritten(each.text, language, to_simple=to_simple == 1, remove_pun=remove_pun == 1)
    return {"result": text, "start": round(each.start, 2), "end": round(each.end, 2)}


def verbose(
    text: ClipTranscript, task: str, seconds: float, *, segments: bool, words: bool
) -> dict[str, Any]:
    """OpenAI's `verbose_json`.

    Args:
        text: of the recording.
        task: "transcribe" or "translate".
        seconds: length of the recording.
        segments: whether they are wanted.
        words: whether they are wanted, apart from the segments.
    """
    whole = text.to_json()
    language = "en" if task == "translate" else whole["language"]
    value: dict[str, Any] = {
        "task": task,
        "language": LANGUAGES.get(language, language),
        "duration": round(seconds, 3),
        "text": text.text,
        "usage": usage(seconds),
    }
    if segments:
        value["segments"] = [
            {name: each[name] for name in each if name != "words"} for each in whole["segments"]
        ]
    if words:
        value["words"] = [
            {"word": word["word"].strip(), "start": word["start"], "end": word["end"]}
            for each in whole["segments"]
            for word in each.get("words", ())
        ]
    return value


def usage(seconds: float) -> dict[str, Any]:
    """What was used, as OpenAI has it: seconds of sound."""
    return {"type": "duration", "seconds": round(seconds, 3)}
