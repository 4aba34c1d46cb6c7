"""The page at `/`, its files, and what it needs to know of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from utils.manifest.languages import LANGUAGES
from utils.serving.errors import Refused
from utils.serving.service import Service

PAGE = Path(__file__).parent / "page"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_routes(service: Service) -> APIRouter:
    """`/` and `/page/`.

    Args:
        service: of which the page is to know.
    """
    routes = APIRouter(include_in_schema=False)
    # Read once: a request names one of these, never a path.
    files = {
        path.name: (path.read_bytes(), MEDIA_TYPES[path.suffix]) for path in sorted(PAGE.iterdir())
    }

    @routes.get("/")
    async def page() -> Response:
        content, kind = files["index.html"]
        return Response(content, media_type=kind)

    @routes.get("/page/settings.json")
    async def settings() -> JSONResponse:
        return JSONResponse(_settings(service))

    @routes.get("/page/{name}")
    async def file(name: str) -> Response:
        if name not in files:
            raise Refused(404, "The page has no such file.")
        content, kind = files[name]
        return Response(content, media_type=kind)

    return routes


def _settings(service: Service) -> dict[str, Any]:
    settings = service.settings
    return {
        "models": list(service.facts),
        "languages": list(LANGUAGES),
        "collect": settings.collect is not None,
        "key_required": settings.api_key is not None,
        "max_upload_mb": settings.max_upload_mb,
        "max_audio_seconds": settings.max_audio_seconds,
    }
