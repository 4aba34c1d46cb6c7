"""The interface of the published server: its form fields, its answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from utils.serving.answers import ERRORS, Texts, published, unless_gone
from utils.serving.errors import as_json
from utils.serving.messages import Sound
from utils.serving.service import Service
from utils.transcription.transcript import TimedText

END = b"\0"

Audio = Annotated[UploadFile, File(description="Sound or video, in any format that ffmpeg reads")]
Simple = Annotated[int, Form(description="1: Chinese in simplified characters", ge=0, le=1)]
Punctuation = Annotated[int, Form(description="1: without punctuation", ge=0, le=1)]
Task = Annotated[str, Form(description="transcribe, or translate to English")]
Language = Annotated[
    str | None, Form(description="Language such as zh or Chinese; None detects it")
]
Model = Annotated[str | None, Form(description="Name of a model, of GET /v1/models")]


@dataclass(frozen=True)
class Asked:
    """The form of both routes."""

    audio: UploadFile
    to_simple: int
    remove_pun: int
    task: str
    language: str | None
    model: str | None

    async def read(self, service: Service) -> Sound:
        """Decode the upload; raises as `Service.read`."""
        return await service.read(self.audio.file, self.audio.filename or "", self.audio.size)

    def shown(self, segment: TimedText, language: str | None) -> Any:
        """A segment as it is wanted."""
        return published(segment, language, self.to_simple, self.remove_pun)


def as_asked(
    audio: Audio,
    to_simple: Simple = 1,
    remove_pun: Punctuation = 0,
    task: Task = "transcribe",
    language: Language = None,
    model: Model = None,
) -> Asked:
    """The form's fields, as the published client sends them."""
    return Asked(audio, to_simple, remove_pun, task, language, model)


class Result(BaseModel):
    """A sentence and its times in seconds."""

    result: str
    start: float
    end: float


class Recognition(BaseModel):
    """The answer; `code` is 0."""

    results: list[Result]
    code: int = 0


def published_routes(service: Service) -> APIRouter:
    """`/recognition` and `/recognition_stream`.

    Args:
        service: that recognises.
    """
    routes = APIRouter(tags=["Recognition"], responses=ERRORS)

    @routes.post("/recognition")
    async def recognition(
        request: Request, asked: Annotated[Asked, Depends(as_asked)]
    ) -> Recognition:
        """Transcribe a file, and answer when all is recognised."""
        options = service.options(asked.model, asked.language, asked.task)

        async def work() -> Recognition:
            sound = await asked.read(service)
            parts = await Texts(service, options, sound).all()
            found = [asked.shown(each, part.language) for part in parts for each in part.segments]
            return Recognition(results=found)

        return await unless_gone(request, work())

    _add_stream(routes, service)
    return routes


def _add_stream(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/recognition_stream",
        response_class=StreamingResponse,
        responses={
            200: {
                "description": "A JSON object for each sentence, a NUL after each",
                "content": {"application/octet-stream": {"schema": {"type": "string"}}},
            }
        },
    )
    async def recognition_stream(
        request: Request, asked: Annotated[Asked, Depends(as_asked)]
    ) -> StreamingResponse:
        """Transcribe a file, and answer sentence by sentence as they are recognised."""
        options = service.options(asked.model, asked.language, asked.task)
        # Before the answer begins, so that a file without sound is an error of its own.
        sound = await unless_gone(request, asked.read(service))
        texts = Texts(service, options, sound)

        async def pieces() -> AsyncIterator[bytes]:
            try:
                async for part in texts.parts():
                    for each in part.segments:
                        piece = asked.shown(each, part.language)
                        yield json.dumps(piece).encode() + END
            except HTTPException as error:
                yield json.dumps(as_json(error.status_code, error.detail)).encode() + END

        return StreamingResponse(pieces(), media_type="application/octet-stream")
