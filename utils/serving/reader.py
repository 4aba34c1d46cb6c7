"""The process that decodes what is uploaded: to samples in a file, and to the stretches of speech.

Uploads come from anybody, and the libraries that decode them are written in C. So they run in a
process of their own, which may crash, be killed after some time, or use up its memory, and takes
nothing but the one request with it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soxr

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import decode_blocks
from utils.audio.features import WINDOW_SECONDS
from utils.audio.load import SAMPLE_RATE, for_the_model
from utils.audio.vad import speech_in
from utils.cli.errors import UserError
from utils.serving.messages import LiveSound, Sound, TooLong, Upload
from utils.transcription.infer.recordings import stretches_of
from utils.transcription.infer.settings import InferSettings
from utils.transcription.longform import Samples

MEMORY_BYTES = 3 << 30
"""What a reader may use beside what it has when it starts: several times its blocks of samples."""


class Reader:
    """Answers `Upload` and `LiveSound`."""

    def __init__(self) -> None:
        _limit_memory()

    def answer(self, question: Upload | LiveSound) -> Sound | list[tuple[Seconds, Seconds]]:
        """Decode an upload, or find the speech in live sound.

        Raises:
            UserError: the upload is no sound that can be read, or is too long.
        """
        if isinstance(question, LiveSound):
            samples = np.frombuffer(question.samples, np.float32)
            return speech_in(samples, WINDOW_SECONDS, question.sureness)
        try:
            return _read(question)
        except UserError as error:
            # The file's place on this machine is none of the client's business.
            message = error.message.replace(question.path, question.name)
            raise type(error)(message, error.hint) from None
        except (MemoryError, OSError, ValueError) as error:
            reason = str(error).replace(question.path, question.name) or "it needs too much memory"
            raise UserError(f"{question.name} cannot be read: {reason}") from None


def _read(upload: Upload) -> Sound:
    num_samples = 0
    with open(upload.samples_path, "wb") as file:
        for samples in _at_model_rate(upload):
            file.write(samples.tobytes())
            num_samples += len(samples)
    settings = InferSettings(vad_filter=upload.cut)
    stretches = stretches_of(MappedSamples(upload.samples_path, num_samples), settings)
    return Sound(upload.samples_path, num_samples, tuple(stretches))


def _at_model_rate(upload: Upload) -> Iterator[np.ndarray]:
    """Yield samples float32 `(num_samples,)`, mono, 16 kHz.

    A recording of one block comes out as `load_audio` has it, to the last bit.
    """
    blocks = decode_blocks(AudioRef(upload.path))
    first, rate = next(blocks)
    second = next(blocks, None)
    seconds = _expect_length(upload, 0.0, first, rate)
    if second is None:
        yield for_the_model(first, rate)
        return
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32")
    channels: np.ndarray | None = first
    following: np.ndarray | None = second[0]
    while channels is not None:
        mono = channels.mean(axis=1, dtype=np.float32)
        if rate != SAMPLE_RATE:
            mono = stream.resample_chunk(mono, last=following is None)
        yield np.clip(mono, -1.0, 1.0).astype(np.float32, copy=False)
        channels = following
        if channels is not None:
            seconds = _expect_length(upload, seconds, channels, rate)
            following = next((samples for samples, _ in blocks), None)


def _expect_length(upload: Upload, before: Seconds, block: np.ndarray, rate: int) -> Seconds:
    """The seconds that were decoded so far.

    Raises:
        TooLong: they are more than the server takes.
    """
    seconds = before + len(block) / rate
    if seconds > upload.longest:
        raise TooLong(
            f"{upload.name} is longer than {upload.longest:g} s, the most that this server takes",
            "cut it into parts",
        )
    return seconds


class MappedSamples(Samples):
    """Samples in a file, of which the system keeps in memory what is used.

    Args:
        path: of float32 values at 16 kHz.
        num_samples: how many there are.
    """

    def __init__(self, path: str | Path, num_samples: int) -> None:
        self.values: np.ndarray = (
            np.memmap(path, np.float32, "r", shape=(num_samples,))
            if num_samples
            else np.zeros(0, np.float32)
        )

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, part: slice, /) -> np.ndarray:
        return np.array(self.values[part])


def _limit_memory() -> None:
    """Keep a file that decodes to gigabytes at once from taking them; on Linux."""
    if not sys.platform.startswith("linux"):
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
