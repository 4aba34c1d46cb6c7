"""The page at `/`, its files, and what it needs to know of the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from utils.manifest.languages import LANGUAGES
from utils.page.files import MEDIA_TYPES, shared_files
from utils.serving.errors import Refused
from utils.serving.service import Service


def page_routes(service: Service) -> APIRouter:
    """`/` and `/page/`.

    Args:
        service: of which the page is to know.
    """
    routes = APIRouter(include_in_schema=False)
    # Read once: a request names one of these, never a path.
    files = {
        name: (content, MEDIA_TYPES[Path(name).suffix]) for name, content in shared_files().items()
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
