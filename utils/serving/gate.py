"""What every request passes before its route: who may ask, how much, and for how long.

A middleware of ASGI itself: the body's bytes are counted as they come, before anything is parsed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from utils.serving.errors import Refused, as_json
from utils.serving.metrics import Metrics
from utils.serving.service import Service

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = ("/", "/health", "/ready")
"""They ask for no key: the page, which asks the reader for it, and what watches a server."""
OPEN_FOLDERS = ("/page/",)
KEY_PROTOCOL = "openai-insecure-api-key."
"""A browser can send no header with a WebSocket: the key is one of the protocols that it offers, as
OpenAI's own server takes it."""
IDLE_SECONDS = 30.0  # without a byte of a body
DRAINED_BYTES = 4_000_000
"""Read of a body that is refused, so that the client comes to read why."""
DRAIN_SECONDS = 2.0
FORM_BYTES = 1_000_000  # of an upload beside the file

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cache-control": "no-store",
}


class Body:
    """Receives a request's body.

    Args:
        receive: of the server.
        headers: of the request, which say whether there is one.

    Attributes:
        received: bytes so far.
        is_whole: whether all of it came.
    """

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self.receive = receive
        self.received = 0
        length = headers.get("content-length", "0")
        self.is_whole = length == "0" and "transfer-encoding" not in headers

    async def __call__(self) -> Message:
        """The next message."""
        message = await self.receive()
        self.received += len(message.get("body", b""))
        self.is_whole = self.is_whole or not message.get("more_body", False)
        return message


class Gate:
    """Wraps the application.

    Args:
        app: what answers.
        service: whose limits hold.
        metrics: of requests.
        uploads: paths whose bodies hold sound.
    """

    def __init__(
        self, app: App, service: Service, metrics: Metrics, uploads: frozenset[str]
    ) -> None:
        self.app = app
        self.service = service
        self.metrics = metrics
        self.uploads = uploads
        key = service.settings.key
        # Digests have one length, which a comparison in constant time wants.
        self.key = None if key is None else _digest(key)
        self.is_local = _is_loopback(service.settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see `App`."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if scope["type"] == "websocket":
            if refusal is not None:
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})
                return
            await self.app(scope, receive, send)
            return
        await self._answer(scope, receive, send, refusal)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, refusal: Refused | None
    ) -> None:
        begin, status = time.monotonic(), 500
        body = Body(receive, Headers(scope=scope))

        async def secured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                if self.service.is_stopping or not body.is_whole:
                    # What the client still sends is not waited for.
                    headers["connection"] = "close"
            await send(message)

        try:
            with contextlib.ExitStack() as held:
                is_upload = scope["method"] == "POST" and scope["path"] in self.uploads
                if refusal is None and is_upload:
                    try:
                        held.enter_context(self.service.admitted())
                        receive = self._limited(scope, body)
                    except Refused as error:
                        refusal = error
                if refusal is not None:
                    await _refuse(refusal, scope, body, secured)
                    return
                await self.app(scope, receive if is_upload else body, secured)
        finally:
            self.metrics.answered(scope, status, time.monotonic() - begin)

    def _refusal(self, scope: Scope) -> Refused | None:
        """Why a request is refused by its head alone."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.is_local and host and not _is_loopback(_host_name(host)):
            # A page elsewhere whose name was made to mean this machine.
            return Refused(403, "This server answers requests to its own address only.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return Refused(403, "Pages of other origins may not use this server.")
        if self.key is None or _is_open(scope["path"]):
            return None
        if hmac.compare_digest(_digest(_key_of(headers)), self.key):
            return None
        return Refused(
            401,
            "The API key is missing or wrong. Send it as Authorization: Bearer <key>.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _limited(self, scope: Scope, body: Body) -> Receive:
        """Receive a body that ends in time and is no larger than allowed.

        Raises:
            Refused: its stated length is too large.
        """
        settings = self.service.settings
        most = settings.max_upload_bytes + FORM_BYTES
        stated = Headers(scope=scope).get("content-length", "0")
        too_large = Refused(
            413, f"The upload is larger than {settings.max_upload_mb:g} MB, the most taken."
        )
        if stated.isdecimal() and int(stated) > most:
            raise too_large
        deadline = time.monotonic() + settings.request_timeout

        async def limited() -> Message:
            if body.is_whole:
                return await body()  # it tells when the client leaves
            patience = max(0.01, min(IDLE_SECONDS, deadline - time.monotonic()))
            try:
                message = await asyncio.wait_for(body(), patience)
            except asyncio.TimeoutError:
                raise Refused(408, "The upload came too slowly.") from None
            if body.received > most:
                raise too_large
            return message

        return limited


async def _refuse(refusal: Refused, scope: Scope, body: Body, send: Send) -> None:
    """Answer a refusal after what the client has sent, or it would not read the answer."""
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_drain(body), DRAIN_SECONDS)
    value = as_json(refusal.status_code, refusal.detail, refusal.param)
    answer = JSONResponse(value, refusal.status_code, headers=dict(refusal.headers or {}))
    await answer(scope, body, send)


async def _drain(body: Body) -> None:
    while body.received < DRAINED_BYTES and not body.is_whole:
        await body()


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _key_of(headers: Headers) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    offered = headers.get("sec-websocket-protocol", "").split(",")
    keys = [each.strip() for each in offered if each.strip().startswith(KEY_PROTOCOL)]
    return keys[0][len(KEY_PROTOCOL) :] if keys else ""


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _host_name(host: str) -> str:
    """The name in a Host header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
