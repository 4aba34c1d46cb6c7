"""The HTTP application: routes, and errors in one form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from utils.serving.corrections import corrections_routes
from utils.serving.docs_page import docs_page
from utils.serving.errors import as_json
from utils.serving.gate import Gate
from utils.serving.live.realtime import realtime_routes
from utils.serving.metrics import Metrics
from utils.serving.openai_api import openai_routes
from utils.serving.page_routes import page_routes
from utils.serving.published_api import published_routes
from utils.serving.service import Service

TITLE = "Whisper server"
VERSION = "1"
UPLOADS = frozenset(
    {
        "/recognition",
        "/recognition_stream",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/corrections",
    }
)
"""Paths of which the body holds sound: they are counted, and limited in size and time."""


def make_app(service: Service) -> Gate:
    """The application over a running service.

    Args:
        service: that recognises.
    """
    app = FastAPI(title=TITLE, version=VERSION, docs_url=None, redoc_url=None)
    metrics = Metrics(service)
    app.include_router(published_routes(service))
    app.include_router(openai_routes(service))
    app.include_router(realtime_routes(service))
    app.include_router(page_routes(service))
    if service.settings.collect is not None:
        app.include_router(corrections_routes(service, Path(service.settings.collect)))
    _add_watching(app, service, metrics)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(docs_page(app.openapi()), media_type="text/html; charset=utf-8")

    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _told_invalid)
    return Gate(app, service, metrics, UPLOADS)


def _add_watching(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """What watches a server: whether it lives, whether it can take requests, and its counts."""

    @app.get("/health", tags=["Watching"])
    async def health() -> dict[str, str]:
        """Whether the server runs."""
        return {"status": "ok"}

    @app.get("/ready", tags=["Watching"], responses={503: {"description": "Not now"}})
    async def ready() -> JSONResponse:
        """Whether it takes requests: status 503 while it stops, or has no worker."""
        is_ready = service.scheduler.is_ready and not service.is_stopping
        status = "stopping" if service.is_stopping else "ok" if is_ready else "no worker"
        return JSONResponse({"status": status}, 200 if is_ready else 503)

    @app.get("/metrics", tags=["Watching"], response_class=PlainTextResponse)
    async def prometheus() -> Response:
        """Counts, in Prometheus's format."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _told(request: Request, error: Any) -> Response:
    detail = str(error.detail)
    if error.status_code == 404 and detail == "Not Found":
        detail = f"There is nothing at {request.url.path[:200]}. See /docs."
    elif error.status_code == 405:
        detail = f"{request.method} is not for {request.url.path[:200]}. See /docs."
    elif error.status_code == 400 and detail == "There was an error parsing the body":
        detail = "The body cannot be read. Send a form: multipart/form-data."
    body = as_json(error.status_code, detail, getattr(error, "param", None))
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _told_invalid(request: Request, error: Any) -> Response:
    """One sentence of what may be a list: the first field that is wrong."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part != "body"]
    field = place[0] if place else "the body"
    if first["type"] == "missing":
        hint = (
            ""
            if "multipart/form-data" in request.headers.get("content-type", "")
            else (" Send fields as a form (multipart/form-data), not as JSON.")
        )
        message = f"The field {field} is missing.{hint}"
    else:
        message = f"The field {field} is wrong: {first['msg']}."
    return JSONResponse(as_json(422, message, field), 422)
