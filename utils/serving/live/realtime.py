"""Live text over a WebSocket, in the form of OpenAI's realtime transcription events.

https://platform.openai.com/docs/guides/realtime-transcription
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import secrets
from collections.abc import Coroutine
from typing import Any

import numpy as np
import soxr
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.websockets import WebSocketState

from utils.audio.clip import Seconds
from utils.audio.load import SAMPLE_RATE
from utils.audio.segmentation import cut_at_silence
from utils.serving.answers import Texts, usage
from utils.serving.errors import Refused, as_json
from utils.serving.live.agreement import Agreement
from utils.serving.live.session import Session
from utils.serving.messages import Options, Sound
from utils.serving.service import Service, whole
from utils.transcription.transcript import ClipTranscript

PROTOCOL = "realtime"
LOOK: Seconds = 0.25  # of new sound between two looks for speech
LOOKED_AT: Seconds = 6.0  # of the end of the sound, for where speech ends
INTERIM: Seconds = 0.8  # of new sound between two texts of a turn that goes on
LONGEST_TURN: Seconds = 29.0  # what a window holds
SHORTEST: Seconds = 0.1
MOST_UNDONE = 8  # turns whose text is awaited, before no more sound is read


def realtime_routes(service: Service) -> APIRouter:
    """`/v1/realtime`.

    Args:
        service: that recognises.
    """
    routes = APIRouter()
    open_now: set[WebSocket] = set()

    @routes.websocket("/v1/realtime")
    async def realtime(socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(PROTOCOL if PROTOCOL in offered else None)
        if len(open_now) >= service.settings.max_live or service.is_stopping:
            await socket.send_text(json.dumps(_error("The server has no room. Try again later.")))
            await socket.close(1013)
            return
        open_now.add(socket)
        try:
            await Live(service, socket).run(socket.query_params.get("model"))
        finally:
            open_now.discard(socket)

    return routes


class Live:
    """One connection.

    Args:
        service: that recognises.
        socket: accepted.
    """

    def __init__(self, service: Service, socket: WebSocket) -> None:
        self.service = service
        self.socket = socket
        self.session = Session()
        self.name = _new_id("sess")
        self.last_item: str | None = None
        self._reset()
        self.position = 0  # samples that came so far
        self.resampler: soxr.ResampleStream | None = None
        self.undone: list[asyncio.Task[None]] = []
        self.interim: asyncio.Task[None] | None = None

    def _reset(self) -> None:
        self.buffer = np.zeros(0, np.float32)
        self.item: str | None = None  # of the turn that goes on
        self.agreement = Agreement()
        self.unseen = 0  # samples since the last look
        self.untold = 0  # samples since the last text

    async def run(self, model: str | None) -> None:
        """Answer events until the client leaves.

        Args:
            model: name in the address; None is the default.
        """
        try:
            # Clients name a model for conversations there; a session may name its own.
            known = model if model in self.service.facts else None
            self.session = Session(model=known)
            await self._send("session.created", session=self._shown())
            while True:
                await self._receive(await self.socket.receive_text())
        except (WebSocketDisconnect, KeyError):  # a binary message has no text
            pass
        finally:
            for task in (*self.undone, self.interim):
                if task is not None:
                    task.cancel()
            if self.socket.application_state is WebSocketState.CONNECTED:
                await self._close()

    async def _close(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is closed
            await self.socket.close(1003)

    async def _receive(self, text: str) -> None:
        name: Any = None
        try:
            event = json.loads(text)
            if not isinstance(event, dict):
                raise Refused(422, "An event is a JSON object with a type.")
            name = event.get("event_id")
            await self._handle(event)
        except Refused as error:
            await self._send_json(_error(error.detail, error.param, name))
        except ValueError:
            await self._send_json(_error("The message is not JSON.", None, name))

    async def _handle(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind in ("session.update", "transcription_session.update"):
            session = self.session.updated(event)
            self._options(session)
            if session.rate != self.session.rate:
                self.resampler = None
            self.session = session
            name = "transcription_session" if str(kind).startswith("trans") else "session"
            await self._send(f"{name}.updated", session=self._shown())
        elif kind == "input_audio_buffer.append":
            await self._append(event.get("audio"))
        elif kind == "input_audio_buffer.commit":
            await self._commit_by_client()
        elif kind == "input_audio_buffer.clear":
            self._reset()
            await self._send("input_audio_buffer.cleared")
        else:
            raise Refused(
                422, f"type is {str(kind)[:80]!r}, which this server does not know", "type"
            )

    def _options(self, session: Session, *, timestamps: bool = False) -> Options:
        return self.service.options(
            session.model, session.language, prompt=session.prompt, timestamps=timestamps
        )

    def _shown(self) -> dict[str, Any]:
        return self.session.to_json(self.name, self._options(self.session).model)

    # ---------------------------------------------------------------------------------------------
    # Sound.

    async def _append(self, encoded: Any) -> None:
        samples = self.session.samples(encoded)
        if self.session.rate != SAMPLE_RATE and len(samples):
            if self.resampler is None:
                self.resampler = soxr.ResampleStream(
                    self.session.rate, SAMPLE_RATE, 1, "float32", "HQ"
                )
            samples = self.resampler.resample_chunk(samples)
        longest = self.service.settings.max_audio_seconds * SAMPLE_RATE
        if self.position + len(samples) > longest:
            raise Refused(413, "The session is as long as this server takes. Open another.")
        # In steps: a client may send minutes at once.
        step = round(LOOK * SAMPLE_RATE)
        for first in range(0, len(samples), step):
            part = samples[first : first + step]
            self.buffer = np.concatenate([self.buffer, part])
            self.position += len(part)
            self.unseen += len(part)
            self.untold += len(part)
            if self.session.turns is not None and self.unseen >= step:
                self.unseen = 0
                await self._look()

    async def _look(self) -> None:
        """Find out whether a turn begins, goes on, or ends."""
        turns = self.session.turns
        assert turns is not None
        tail = self.buffer[-round(LOOKED_AT * SAMPLE_RATE) :]
        offset = self.position - len(tail)
        speech = await self.service.speech(tail.tobytes(), turns.threshold)
        if self.item is None:
            if not speech:
                self.buffer = tail[-round(max(turns.padding, 1.0) * SAMPLE_RATE) :]
                return
            await self._begin(offset + round(speech[0][0] * SAMPLE_RATE), turns.padding)
        ends = offset + round((speech[-1][1] if speech else 0.0) * SAMPLE_RATE)
        is_over = self.position - ends >= turns.silence * SAMPLE_RATE
        if is_over or len(self.buffer) >= LONGEST_TURN * SAMPLE_RATE:
            await self._send(
                "input_audio_buffer.speech_stopped",
                audio_end_ms=_milliseconds(ends if is_over else self.position),
                item_id=self.item,
            )
            await self._commit()
        elif self.untold >= INTERIM * SAMPLE_RATE:
            self._tell_interim()

    async def _begin(self, start: int, padding: Seconds) -> None:
        kept = self.position - start + round(padding * SAMPLE_RATE)
        self.buffer = self.buffer[-min(len(self.buffer), max(kept, 1)) :]
        self.item = _new_id("item")
        self.untold = 0
        await self._send(
            "input_audio_buffer.speech_started",
            audio_start_ms=_milliseconds(max(start, self.position - len(self.buffer))),
            item_id=self.item,
        )

    async def _commit_by_client(self) -> None:
        if self.session.turns is not None and self.item is None:
            raise Refused(422, "Nobody has spoken since the last turn.")
        if len(self.buffer) < SHORTEST * SAMPLE_RATE:
            seconds = len(self.buffer) / SAMPLE_RATE
            raise Refused(
                422, f"The buffer holds {seconds:.2f} s of sound, expected at least {SHORTEST} s."
            )
        await self._commit()

    async def _commit(self) -> None:
        """End the turn, and have its text found."""
        item, samples, agreement = self.item or _new_id("item"), self.buffer, self.agreement
        if self.interim is not None:
            self.interim.cancel()
        self._reset()
        before, self.last_item = self.last_item, item
        await self._send("input_audio_buffer.committed", item_id=item, previous_item_id=before)
        content = [{"type": "input_audio", "transcript": None}]
        shown: dict[str, Any] = {
            "id": item,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
        }
        shown |= {"status": "completed", "content": content}
        for kind in ("added", "done"):
            await self._send(f"conversation.item.{kind}", item=shown, previous_item_id=before)
        previous = self.undone[-1] if self.undone else None
        self._start(self._finish(item, samples, agreement, previous))
        while len(self.undone) > MOST_UNDONE:
            await asyncio.wait(self.undone, return_when=asyncio.FIRST_COMPLETED)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self.undone.append(task)
        task.add_done_callback(self.undone.remove)

    # ---------------------------------------------------------------------------------------------
    # Text.

    def _tell_interim(self) -> None:
        """Transcribe the turn so far, unless the text before is still awaited."""
        if self.interim is not None and not self.interim.done():
            return
        self.untold = 0
        assert self.item is not None
        self.interim = asyncio.ensure_future(
            self._interim(self.item, self.buffer.copy(), self.agreement)
        )

    async def _interim(self, item: str, samples: np.ndarray, agreement: Agreement) -> None:
        try:
            text = await self._text(samples)
        except Refused:
            return  # the end of the turn will say so
        await self._delta(item, agreement.grown(text.text))

    async def _finish(
        self,
        item: str,
        samples: np.ndarray,
        agreement: Agreement,
        previous: asyncio.Task[None] | None,
    ) -> None:
        """Tell the text of a turn, after those before it."""
        place = {"item_id": item, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        try:
            text = await self._text(samples)
        except Refused as error:
            await self._send(f"{kind}.failed", **place, error=as_json(500, error.detail)["error"])
            return
        finally:
            if previous is not None:
                await asyncio.wait([previous])
        await self._delta(item, agreement.ended(text.text))
        used = usage(len(samples) / SAMPLE_RATE)
        await self._send(f"{kind}.completed", **place, transcript=text.text, usage=used)

    async def _delta(self, item: str, new: str) -> None:
        if new:
            kind = "conversation.item.input_audio_transcription.delta"
            await self._send(kind, item_id=item, content_index=0, delta=new)

    async def _text(self, samples: np.ndarray) -> ClipTranscript:
        service = self.service
        length = len(samples)
        stretches: tuple[tuple[int, int], ...] = ((0, length),)
        if length > LONGEST_TURN * SAMPLE_RATE + SAMPLE_RATE:
            speech = await service.speech(samples.tobytes(), 0.5)
            pieces, _ = cut_at_silence(speech, length / SAMPLE_RATE, SHORTEST, LONGEST_TURN)
            ends = [(round(a * SAMPLE_RATE), round(b * SAMPLE_RATE)) for a, b in pieces]
            stretches = tuple((begin, min(end, length)) for begin, end in ends)
        place = service.new_place()
        with open(place, "xb") as file:
            file.write(samples.tobytes())
        texts = Texts(service, self._options(self.session), Sound(place, length, stretches))
        return whole(await texts.all())

    # ---------------------------------------------------------------------------------------------
    # Events.

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._send_json({"type": kind, "event_id": _new_id("event"), **fields})

    async def _send_json(self, event: dict[str, Any]) -> None:
        # Where the client left, the loop that receives learns of it.
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self.socket.send_text(json.dumps(event))


def _error(message: str, param: str | None = None, event: Any = None) -> dict[str, Any]:
    error = as_json(422, message, param)["error"]
    shown = event if isinstance(event, str) else None
    return {"type": "error", "event_id": _new_id("event"), "error": {**error, "event_id": shown}}


_numbers = itertools.count()


def _new_id(kind: str) -> str:
    return f"{kind}_{next(_numbers)}{secrets.token_hex(8)}"


def _milliseconds(samples: int) -> int:
    return round(1000 * samples / SAMPLE_RATE)
