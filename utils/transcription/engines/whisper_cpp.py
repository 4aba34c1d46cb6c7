"""Models of whisper.cpp (GGML files), run by its own library in a child process.

It is a whole program and no `Engine`: it makes its own features and cuts its own windows. A file
that it does not like ends its process, which is told as an error here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from utils.audio.features import FRAMES_PER_SECOND, HOP_LENGTH, SAMPLE_RATE, WINDOW_SAMPLES
from utils.cli.errors import Failure, UserError
from utils.cli.extras import expect_installed
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES
from utils.transcription.clips import Clip
from utils.transcription.decoding import Decoding
from utils.transcription.transcript import Advance, ClipTranscript, TimedText
from utils.transcription.windows import Listener

REPOSITORY = Path(__file__).resolve().parents[3]
_CHILD = "utils.transcription.engines.whisper_cpp_child"
_LOADING_SECONDS = 600.0
BLOCK_SAMPLES = 10 * WINDOW_SAMPLES
"""Of a long recording, that whisper.cpp is given at a time: five minutes."""
SHORTEST_ADVANCE = 30.0
"""Seconds; a block whose last sentence begins earlier is not cut before it."""
MOST_PREVIOUS = 1000
"""Characters of a block's text that the next one is given."""


def open_engine(path: str, local_files_only: bool = False, compute: Any = None) -> Any:
    """Say that it is no engine.

    Raises:
        UserError: always.
    """
    raise UserError(
        f"{path} is a model of whisper.cpp, which infer.py runs and evaluation.py cannot score",
        "evaluate the model that it was made of, or score infer.py's texts with --predictions",
    )


class WhisperCpp:
    """A model in a process of its own.

    Args:
        path: of a GGML file.
        threads: processor cores to use; 0 for four.

    Raises:
        UserError: the library is not installed, or it refuses the file.
    """

    def __init__(self, path: str, threads: int = 0) -> None:
        expect_installed("pywhispercpp", path)
        self.path = path
        self.threads = threads or min(4, os.cpu_count() or 1)
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        paths = [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "GGML_NO_BACKTRACE": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", _CHILD, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
        )
        self.multilingual = bool(self._answer(_LOADING_SECONDS)["multilingual"])

    def transcribe(
        self, samples: np.ndarray, *, limit: float | None = None, **options: Any
    ) -> dict[str, Any]:
        """Transcribe samples of any length, float32 at 16 kHz.

        Args:
            samples: the audio.
            limit: seconds after which the process is ended; None waits.
            options: fields of `whisper_full_params`, and `num_beams`.

        Returns:
            `language`, `seconds` and `segments`, each with `start`, `end`, `text`, `ids` and
            `logprob`.

        Raises:
            UserError: the process ended.
            Failure: the library says that it failed.
        """
        request = {"num_beams": 1, "n_threads": self.threads, **options}
        assert self.process.stdin is not None
        try:
            line = json.dumps({**request, "num_samples": len(samples)}).encode() + b"\n"
            self.process.stdin.write(line + samples.astype(np.float32).tobytes())
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._answer(limit)
        if "error" in answer:
            raise Failure(f"{self.path}: {answer['error']}")
        return answer

    def _answer(self, limit: float | None) -> dict[str, Any]:
        assert self.process.stdout is not None
        clock = threading.Timer(limit, self.process.kill) if limit else None
        if clock is not None:
            clock.start()
        line = self.process.stdout.readline()
        if clock is not None:
            clock.cancel()
        if line:
            return dict(json.loads(line))
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        self.close()
        # The last thing that the library says is that it stops; the reason stands before it.
        signs = ("error", "assert", "fail", "invalid", "bad magic")
        reasons = [each for each in lines if any(sign in each.lower() for sign in signs)]
        reason = (reasons or lines or ["it gives no reason"])[0]
        raise UserError(
            f"whisper.cpp cannot read {self.path} (its process ended with {code}): {reason}",
            "convert the model again: python convert.py --format=ggml --model_path=<model>",
        )

    def __del__(self) -> None:
        if hasattr(self, "process"):
            self.close()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.log):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what the process did not read
                    pipe.close()


class WhisperCppDecoder:
    """Decodes clips as `WindowDecoder` does.

    Args:
        model: in its process.
        decoding: how; what whisper.cpp has no setting for is refused.

    Raises:
        UserError: something is asked for that it cannot do.
    """

    def __init__(self, model: WhisperCpp, decoding: Decoding) -> None:
        self.model = model
        self.engine = model
        self.decoding = decoding
        for name in ("word_timestamps", "hotwords", "suppress_tokens", "length_penalty"):
            if getattr(decoding, name):
                raise UserError(
                    f"--{name} is not for GGML models", "leave it out, or take another engine"
                )

    def languages(self, clips: Sequence[Clip]) -> list[str | None]:
        """The language of each clip; whisper.cpp finds it with the text."""
        return [self._transcribe(clip)["language"] for clip in clips]

    def transcripts(
        self, clips: Sequence[Clip], listen: Listener | None = None
    ) -> list[ClipTranscript | None]:
        """See `WindowDecoder.transcripts`."""
        return [None if clip.failure else self._transcript(clip, listen) for clip in clips]

    def _transcribe(
        self, clip: Clip, first: int = 0, before: str = "", language: str | None = None
    ) -> dict[str, Any]:
        """Transcribe a clip, of a long one the block that begins with a sample."""
        settings = self.decoding
        samples = clip.samples[first : min(first + BLOCK_SAMPLES, len(clip.samples))]
        timed = settings.timestamps or clip.is_long
        # The library would transcribe nothing of what is under a second.
        samples = np.pad(samples, (0, max(0, WINDOW_SAMPLES - len(samples))))
        language = clip.utterance.language or settings.language or language or "auto"
        return self.model.transcribe(
            samples,
            num_beams=settings.num_beams,
            language=language if self.model.multilingual else "en",
            translate=settings.task == "translate",
            no_timestamps=not timed,
            single_segment=not timed,
            temperature=settings.temperature,
            temperature_inc=settings.temperature_increment * settings.temperature_fallback,
            logprob_thold=max(settings.logprob_threshold, -1e9),
            no_speech_thold=min(settings.no_speech_threshold, 1e9),
            initial_prompt=before or (settings.initial_prompt if first == 0 else "") or "",
            no_context=not settings.condition_on_previous_text,
        )

    def _transcript(self, clip: Clip, listen: Listener | None) -> ClipTranscript:
        if not clip.is_long:
            found = self._transcribe(clip)
            text = "".join(each["text"] for each in found["segments"]).strip()
            return ClipTranscript(text, found["language"], _segments(found, clip.seconds))
        # In blocks: a killed run goes on behind the last one, and only one is in memory.
        done = list(clip.known)
        while (seek := done[-1].seek if done else 0) * HOP_LENGTH < len(clip.samples):
            done.append(self._next_block(clip, seek, done))
            if listen is not None:
                listen(clip, done[-1])
        segments = tuple(each for advance in done for each in advance.segments)
        language = done[-1].language if done else None
        separator = "" if language in LANGUAGES_WITHOUT_SPACES else " "
        return ClipTranscript(separator.join(each.text for each in segments), language, segments)

    def _next_block(self, clip: Clip, seek: int, done: Sequence[Advance]) -> Advance:
        """The text of a block but for its last sentence, which the next one begins with."""
        first = seek * HOP_LENGTH
        before = done[-1].previous if done and self.decoding.condition_on_previous_text else ""
        found = self._transcribe(clip, first, before, done[-1].language if done else None)
        begin = first / SAMPLE_RATE
        segments = _segments(found, clip.seconds - begin)
        following = -(-len(clip.samples) // HOP_LENGTH)
        if first + BLOCK_SAMPLES < len(clip.samples):
            following = seek + BLOCK_SAMPLES // HOP_LENGTH
            if len(segments) > 1 and segments[-1].start >= SHORTEST_ADVANCE:
                following = seek + int(segments[-1].start * FRAMES_PER_SECOND)
                segments = segments[:-1]
        previous = " ".join(each.text for each in segments)[-MOST_PREVIOUS:]
        shifted = tuple(each.shifted(begin) for each in segments)
        return Advance(following, shifted, (), previous, found["language"])


def _segments(found: dict[str, Any], seconds: float) -> tuple[TimedText, ...]:
    return tuple(
        TimedText(
            min(each["start"], seconds),
            min(each["end"], seconds),
            each["text"].strip(),
            tuple(each["ids"]),
            mean_logprob=each["logprob"],
        )
        for each in found["segments"]
        if each["text"].strip()
    )
