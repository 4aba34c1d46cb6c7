"""What the server's processes say to each other. No torch here: the HTTP process has none."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace

from utils.audio.clip import Seconds
from utils.cli.errors import UserError
from utils.transcription.transcript import ClipTranscript


@dataclass(frozen=True)
class Options:
    """How a request wants its sound to be transcribed.

    Attributes:
        model: its name.
        language: code; None detects it.
        task: "transcribe" or "translate".
        prompt: text that is given to the model as what came before.
        temperature: of the first attempt; above 0 it samples.
        timestamps: whether the model is asked for times within a window.
        words: whether each word gets times.
    """

    model: str
    language: str | None = None
    task: str = "transcribe"
    prompt: str | None = None
    temperature: float = 0.0
    timestamps: bool = True
    words: bool = False

    @property
    def decoding(self) -> Options:
        """What windows must have in common to be decoded together."""
        return replace(self, language=None)


@dataclass(frozen=True)
class Window:
    """A stretch of decoded sound, up to 30 s unless recordings are not cut.

    Attributes:
        path: file of float32 samples at 16 kHz.
        begin: first sample.
        end: behind the last sample.
        language: code; None detects it.
        task: "transcribe" or "translate".
    """

    path: str
    begin: int
    end: int
    language: str | None
    task: str

    @property
    def samples(self) -> int:
        """How many there are."""
        return self.end - self.begin


@dataclass(frozen=True)
class Batch:
    """Windows that are decoded together, asked of a worker.

    Attributes:
        options: that they have in common.
        windows: of one padded length.
        languages_only: whether their languages are wanted and no text.
    """

    options: Options
    windows: tuple[Window, ...]
    languages_only: bool = False


@dataclass(frozen=True)
class Texts:
    """A worker's answer to a batch.

    Attributes:
        found: for each window its transcript, with times from the window's beginning; or why
            there is none.
        languages: of each window, where only these were asked for.
    """

    found: tuple[ClipTranscript | str, ...] = ()
    languages: tuple[str | None, ...] = ()


@dataclass(frozen=True)
class ModelFacts:
    """What a worker knows of a model that it loaded.

    Attributes:
        name: in requests.
        engine: library and version.
        multilingual: False for `.en` models.
        lengths: windows are padded to a few lengths: the most samples of sound that each holds.
        on_gpu: whether it may compute on a GPU.
        finds_times: whether it finds when words are spoken.
    """

    name: str
    engine: str
    multilingual: bool
    lengths: tuple[int, ...]
    on_gpu: bool
    finds_times: bool

    def length_of(self, samples: int) -> int:
        """Which of the lengths a window with so many samples of sound is padded to."""
        return min(bisect.bisect_left(self.lengths, samples), len(self.lengths) - 1)


@dataclass(frozen=True)
class Upload:
    """A file that is to be decoded, asked of a reader.

    Attributes:
        path: of the upload.
        samples_path: where the samples go.
        name: of the upload, for messages.
        longest: seconds that it may have.
        cut: whether it is cut at pauses if it has more than 30 s.
    """

    path: str
    samples_path: str
    name: str
    longest: Seconds
    cut: bool


class TooLong(UserError):  # noqa: N818 (what was found, as Failure)
    """A reader's answer to a recording that is longer than the server takes."""


@dataclass(frozen=True)
class Sound:
    """A reader's answer to an upload.

    Attributes:
        path: file of float32 samples at 16 kHz.
        num_samples: in it.
        stretches: (begin, end) in samples, in order, that hold speech.
    """

    path: str
    num_samples: int
    stretches: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LiveSound:
    """The end of a live recording, asked of a reader: where does somebody speak?

    Attributes:
        samples: float32 at 16 kHz, as bytes.
        sureness: how probable speech must be where it begins, 0 to 1.
    """

    samples: bytes
    sureness: float
