"""Requests to transcripts: uploads are decoded, their windows queued, their texts put in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from utils.audio.clip import Seconds
from utils.audio.load import SAMPLE_RATE
from utils.cli.errors import Failure, UserError
from utils.manifest.languages import language_code
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES
from utils.serving.errors import Refused, busy
from utils.serving.messages import LiveSound, ModelFacts, Options, Sound, TooLong, Upload, Window
from utils.serving.processes import Died, Readers
from utils.serving.scheduler import Found, Job, Scheduler
from utils.serving.settings import DEFAULT_ALIAS, ServerSettings
from utils.transcription.transcript import ClipTranscript, joined

DETECTED_IN = 5  # windows of a recording, whose language most decide, as infer.py does
NO_LANGUAGE = ("", "none", "auto")
MOST_RETRY_SECONDS = 60
COPIED_AT_ONCE = 1 << 20  # what a file may have to be copied without a thread


@dataclass
class Service:
    """What all interfaces share.

    Args:
        settings: of the server.
        facts: of each model, by name, the default first.
        readers: processes that decode uploads.
        scheduler: of the windows.
        folder: for what is being worked on; private to this process, and removed at its end.
    """

    settings: ServerSettings
    facts: dict[str, ModelFacts]
    readers: Readers
    scheduler: Scheduler
    folder: Path
    active: int = 0
    is_stopping: bool = False

    @contextlib.contextmanager
    def admitted(self) -> Iterator[None]:
        """Count a request as long as it lasts.

        Raises:
            Refused: there are as many as the server takes, or it is stopping.
        """
        if self.is_stopping:
            raise Refused(503, "The server is stopping. Try again.", headers={"Retry-After": "5"})
        if self.active >= self.settings.max_requests:
            raise busy(self.retry_after())
        self.active += 1
        try:
            yield
        finally:
            self.active -= 1

    def retry_after(self) -> int:
        """Seconds in which what waits now will be done, by the pace so far."""
        counts = self.scheduler.counts
        windows = sum(size * number for size, number in counts.batches.items())
        each = counts.busy_seconds / windows if windows else 1.0
        waiting = self.scheduler.line.waiting + self.active
        seconds = each * waiting / max(1, len(self.scheduler.workers))
        return min(MOST_RETRY_SECONDS, max(1, round(seconds)))

    def options(
        self,
        model: str | None = None,
        language: str | None = None,
        task: str = "transcribe",
        prompt: str | None = None,
        temperature: float = 0.0,
        *,
        timestamps: bool = True,
        words: bool = False,
    ) -> Options:
        """What a request asks for, checked against what the model can do.

        Raises:
            Refused: there is no such model, task or language, or the model cannot do it.
        """
        facts = self.model(model)
        code = self._language(language)
        if task not in ("transcribe", "translate"):
            raise Refused(422, f"task is {task!r}; expected transcribe or translate", "task")
        if not facts.multilingual and task == "translate":
            raise Refused(422, f"{facts.name} is an English model and translates nothing", "model")
        if not facts.multilingual and code not in (None, "en"):
            raise Refused(422, f"{facts.name} is an English model; language is {code}", "language")
        if not 0 <= temperature <= 1:
            raise Refused(422, f"temperature is {temperature:g}; expected 0 to 1", "temperature")
        if words and not facts.finds_times:
            field = "timestamp_granularities[]"
            raise Refused(422, f"{facts.name} finds no times of words ({facts.engine})", field)
        return Options(facts.name, code, task, prompt or None, temperature, timestamps, words)

    def model(self, name: str | None) -> ModelFacts:
        """The model of a name; the default without one.

        Raises:
            Refused: there is none.
        """
        if name in (None, "", DEFAULT_ALIAS) and name not in self.facts:
            return next(iter(self.facts.values()))
        if name not in self.facts:
            known = ", ".join(self.facts)
            raise Refused(404, f"There is no model {str(name)[:100]!r}. Models: {known}.", "model")
        return self.facts[str(name)]

    def _language(self, stated: str | None) -> str | None:
        if stated is None or stated.strip().lower() in NO_LANGUAGE:
            default = self.settings.language
            return language_code(default) if default else None
        try:
            return language_code(stated)
        except UserError as error:
            raise Refused(422, f"{error.message}. {error.hint}".strip(), "language") from None

    async def read(self, file: BinaryIO, name: str, size: int | None) -> Sound:
        """Decode an upload; its samples stay until `forget`.

        Args:
            file: what was uploaded.
            name: of it, for messages.
            size: of it in bytes; None where it is not known.

        Raises:
            Refused: it is no sound, or too long, or takes too long.
        """
        place = self.new_place()
        path = f"{place}.upload"
        timeout = self.settings.request_timeout
        upload = Upload(
            path,
            f"{place}.samples",
            shown_name(name),
            self.settings.max_audio_seconds,
            self.settings.vad_filter,
        )
        working: asyncio.Future[Any] | None = None
        try:
            if size is not None and size <= COPIED_AT_ONCE:
                _copy(file, path)
            else:
                working = asyncio.ensure_future(asyncio.to_thread(_copy, file, path))
                await asyncio.shield(working)
            working = asyncio.ensure_future(self.readers.ask(upload, timeout))
            sound: Sound = await asyncio.shield(working)
            return sound
        except asyncio.CancelledError:
            # A thread or a reader may still write: what it leaves is removed when it has ended.
            if working is not None:
                working.add_done_callback(lambda done: done.exception())
                working.add_done_callback(lambda _: _remove(path, upload.samples_path))
            raise
        except UserError as error:
            _remove(upload.samples_path)
            status = 413 if isinstance(error, TooLong) else 422
            raise Refused(status, f"{error.message}. {error.hint}".rstrip(" "), "file") from None
        except Died:
            _remove(upload.samples_path)
            raise Refused(422, f"{upload.name} could not be decoded.", "file") from None
        finally:
            _remove(path)

    def new_place(self) -> str:
        """A path that nobody else has, in the private folder."""
        handle, path = tempfile.mkstemp(dir=self.folder)
        os.close(handle)
        os.unlink(path)
        return path

    def forget(self, sound: Sound) -> None:
        """Remove the samples of a sound."""
        _remove(sound.path)

    async def texts(self, sound: Sound, options: Options) -> AsyncIterator[ClipTranscript]:
        """Yield the texts of a sound's windows in order, their times the recording's.

        Raises:
            Refused: it takes too long, or cannot be recognised.
        """
        deadline = asyncio.get_running_loop().time() + self.settings.request_timeout
        language = options.language
        if language is None and len(sound.stretches) > 1:
            language = await self._detected(sound, options, deadline)
        windows = [
            Window(sound.path, begin, end, language, options.task) for begin, end in sound.stretches
        ]
        async for number, found in self._found(options, windows, deadline):
            assert isinstance(found, ClipTranscript)
            begin = windows[number].begin / SAMPLE_RATE
            end = windows[number].end / SAMPLE_RATE
            yield _placed(found, begin, end, language)

    async def _detected(self, sound: Sound, options: Options, deadline: float) -> str | None:
        """One language for all of a recording that is cut, that of most of its first windows."""
        if not self.facts[options.model].multilingual:
            return None
        windows = [
            Window(sound.path, begin, end, None, options.task)
            for begin, end in sound.stretches[:DETECTED_IN]
        ]
        seconds: dict[str, float] = {}
        async for number, code in self._found(options, windows, deadline, languages_only=True):
            if code is not None:
                seconds[str(code)] = seconds.get(str(code), 0.0) + windows[number].samples
        return max(seconds, key=lambda code: seconds[code]) if seconds else None

    async def _found(
        self,
        options: Options,
        windows: list[Window],
        deadline: float,
        *,
        languages_only: bool = False,
    ) -> AsyncIterator[tuple[int, ClipTranscript | str | None]]:
        """Yield what was found of each window, in order; leaving early gives the rest up."""
        arrived: asyncio.Queue[tuple[int, Found]] = asyncio.Queue()
        job = Job(
            options,
            windows,
            lambda number, text: arrived.put_nowait((number, text)),
            languages_only,
        )
        line = self.scheduler.line
        if windows:
            line.add(job)
        known: dict[int, Found] = {}
        try:
            for number in range(len(windows)):
                while number not in known:
                    left = deadline - asyncio.get_running_loop().time()
                    try:
                        place, text = await asyncio.wait_for(arrived.get(), max(left, 0.01))
                    except asyncio.TimeoutError:
                        raise self.too_slow() from None
                    known[place] = text
                found = known.pop(number)
                if isinstance(found, Refused):
                    raise found
                if isinstance(found, str) and not languages_only:
                    raise Refused(503, f"This sound could not be recognised: {found}")
                yield number, found
        finally:
            line.remove(job)

    def too_slow(self) -> Refused:
        """The refusal of a request that takes longer than is allowed."""
        limit = self.settings.request_timeout
        return Refused(
            503,
            f"The request took longer than {limit:g} s.",
            headers={"Retry-After": str(self.retry_after())},
        )

    async def speech(self, samples: bytes, sureness: float) -> list[tuple[Seconds, Seconds]]:
        """Where somebody speaks in live sound: float32 samples at 16 kHz as bytes.

        Raises:
            Refused: it could not be found out.
        """
        try:
            found: list[tuple[Seconds, Seconds]] = await self.readers.ask(
                LiveSound(samples, sureness), self.settings.request_timeout
            )
        except (Died, UserError, Failure):
            raise Refused(503, "The voice detector ended. Try again.") from None
        return found


def whole(parts: list[ClipTranscript]) -> ClipTranscript:
    """One transcript of a recording's windows."""
    language = next((part.language for part in parts if part.language), None)
    return joined(parts, "" if language in LANGUAGES_WITHOUT_SPACES else " ")


def _placed(
    text: ClipTranscript, begin: Seconds, end: Seconds, language: str | None
) -> ClipTranscript:
    segments = []
    for each in text.segments:
        moved = each.shifted(begin)
        # A window's sound may be shorter than what was decoded.
        moved = replace(moved, start=min(moved.start, end), end=min(moved.end, end))
        segments.append(moved)
    return ClipTranscript(text.text, text.language or language, tuple(segments))


def shown_name(name: str | None) -> str:
    """An upload's name for messages: short, and without a path or what is not to be printed."""
    last = (name or "").replace("\\", "/").rsplit("/", 1)[-1]
    printable = "".join(sign for sign in last if sign.isprintable())
    return printable[:100] or "the upload"


def _copy(file: BinaryIO, path: str) -> None:
    with open(path, "xb") as copy:
        shutil.copyfileobj(file, copy, COPIED_AT_ONCE)


def _remove(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
