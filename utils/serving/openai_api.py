"""OpenAI's interface: `/v1/audio/transcriptions`, `/v1/audio/translations`, `/v1/models`.

https://platform.openai.com/docs/api-reference/audio
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES
from utils.serving.answers import ERRORS, Texts, as_event, unless_gone, usage, verbose
from utils.serving.errors import Refused, as_json
from utils.serving.messages import ModelFacts, Options
from utils.serving.service import Service, whole
from utils.transcription.transcript import ClipTranscript
from utils.transcription.writers import PLAIN, WRITERS

Format = Literal["json", "text", "srt", "verbose_json", "vtt"]
TIMED_FORMATS = ("srt", "verbose_json", "vtt")
MEDIA_TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt", "text": "text/plain"}

File_ = Annotated[UploadFile, File(description="Sound or video, in any format that ffmpeg reads")]
ModelName = Annotated[str, Form(description="Name of a model, of GET /v1/models, or whisper-1")]
Prompt = Annotated[str | None, Form(description="Text that is given as what came before")]
ResponseFormat = Annotated[Format, Form(description="Form of the answer")]
Temperature = Annotated[float, Form(description="0 takes the likeliest text", ge=0, le=1)]
Language = Annotated[str | None, Form(description="Language such as en; without it detected")]
Granularities = Annotated[
    list[Literal["word", "segment"]] | None,
    Form(alias="timestamp_granularities[]", description="Of verbose_json; segment without it"),
]
Stream = Annotated[bool, Form(description="Server-sent events as the text is recognised")]

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The transcript, in the form asked for",
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/event-stream": {"schema": {"type": "string"}},
            **{name: {"schema": {"type": "string"}} for name in MEDIA_TYPES.values()},
        },
    }
}


class Model(BaseModel):
    """A model that requests may name."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class Models(BaseModel):
    """The models that requests may name, the default first."""

    object: Literal["list"] = "list"
    data: list[Model]


def openai_routes(service: Service) -> APIRouter:
    """The routes below `/v1`, but for live text.

    Args:
        service: that recognises.
    """
    routes = APIRouter(prefix="/v1", tags=["OpenAI"], responses=ERRORS)
    started = int(time.time())

    def model(facts: ModelFacts) -> Model:
        return Model(id=facts.name, created=started, owned_by=facts.engine)

    @routes.get("/models")
    async def models() -> Models:
        """The models that this server has."""
        return Models(data=[model(facts) for facts in service.facts.values()])

    @routes.get("/models/{name}")
    async def one_model(name: str) -> Model:
        """One of them."""
        return model(service.model(name))

    @routes.post("/audio/transcriptions", response_class=Response, responses=ANSWERS)
    async def transcriptions(
        request: Request,
        file: File_,
        model: ModelName,
        language: Language = None,
        prompt: Prompt = None,
        response_format: ResponseFormat = "json",
        temperature: Temperature = 0.0,
        granularities: Granularities = None,
        stream: Stream = False,
    ) -> Response:
        """Transcribe a file in the language that is spoken."""
        if granularities and response_format != "verbose_json":
            raise Refused(
                422,
                f"timestamp_granularities are for verbose_json; response_format is "
                f"{response_format}",
                "timestamp_granularities[]",
            )
        options = service.options(
            model,
            language,
            prompt=prompt,
            temperature=temperature,
            timestamps=response_format in TIMED_FORMATS,
            words="word" in (granularities or ()),
        )
        if stream:
            return await _streamed(service, request, file, options)
        return await _whole(service, request, file, options, response_format, granularities or ())

    _add_translations(routes, service)
    return routes


def _add_translations(routes: APIRouter, service: Service) -> None:
    @routes.post("/audio/translations", response_class=Response, responses=ANSWERS)
    async def translations(
        request: Request,
        file: File_,
        model: ModelName,
        prompt: Prompt = None,
        response_format: ResponseFormat = "json",
        temperature: Temperature = 0.0,
    ) -> Response:
        """Translate a file to English."""
        timed = response_format in TIMED_FORMATS
        options = service.options(model, None, "translate", prompt, temperature, timestamps=timed)
        return await _whole(service, request, file, options, response_format, ())


async def _whole(
    service: Service,
    request: Request,
    file: UploadFile,
    options: Options,
    form: str,
    granularities: Sequence[str],
) -> Response:
    async def work() -> Response:
        sound = await service.read(file.file, file.filename or "", file.size)
        texts = Texts(service, options, sound)
        text = whole(await texts.all())
        return _answer(text, options, texts.seconds, form, granularities)

    return await unless_gone(request, work())


def _answer(
    text: ClipTranscript, options: Options, seconds: float, form: str, granularities: Sequence[str]
) -> Response:
    if form == "json":
        return JSONResponse({"text": text.text, "usage": usage(seconds)})
    if form == "verbose_json":
        segments = "segment" in granularities or not granularities
        value = verbose(text, options.task, seconds, segments=segments, words=options.words)
        return JSONResponse(value)
    if form == "text":
        return PlainTextResponse(text.text + "\n")
    return Response(WRITERS[form](text.to_json(), PLAIN), media_type=MEDIA_TYPES[form])


async def _streamed(
    service: Service, request: Request, file: UploadFile, options: Options
) -> Response:
    # Before the answer begins, so that a file without sound is an error of its own.
    sound = await unless_gone(request, service.read(file.file, file.filename or "", file.size))
    texts = Texts(service, options, sound)

    async def events() -> AsyncIterator[str]:
        parts: list[ClipTranscript] = []
        try:
            async for part in texts.parts():
                if not part.text:
                    continue
                spaced = parts and part.language not in LANGUAGES_WITHOUT_SPACES
                delta = (" " if spaced else "") + part.text
                parts.append(part)
                yield as_event({"type": "transcript.text.delta", "delta": delta})
        except HTTPException as error:
            yield as_event(as_json(error.status_code, error.detail))
            return
        done = {"type": "transcript.text.done", "text": whole(parts).text}
        yield as_event({**done, "usage": _tokens(parts, texts.seconds)})

    return StreamingResponse(events(), media_type="text/event-stream")


def _tokens(parts: Sequence[ClipTranscript], seconds: float) -> dict[str, Any]:
    """What was used, in tokens: the encoder's positions of 20 ms, and those of the text."""
    heard = round(seconds * 50)
    written = sum(len(each.ids) for part in parts for each in part.segments)
    return {
        "type": "tokens",
        "input_tokens": heard,
        "output_tokens": written,
        "total_tokens": heard + written,
    }
