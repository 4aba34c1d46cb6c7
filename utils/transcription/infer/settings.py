"""Settings of `infer.py`."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError

MICROPHONE = "microphone"
STANDARD_INPUT = "-"
MODEL_TOKENS = "-1"


@dataclass(frozen=True, kw_only=True)
class InferSettings:
    """Which recordings, which model, how to decode, and what to write."""

    audio_path: str = "dataset/test.wav"
    """File (audio or video), folder, glob such as 'talks/*.mp3', URL of a page or playlist, - for
    standard input, or microphone; several are separated by commas."""
    model_path: str = "models/whisper-tiny-finetune"
    """Model: a folder, an adapter, a CTranslate2 or ONNX folder, a name on the hub, a GGML file of
    whisper.cpp, or a .pt file of openai-whisper."""
    engine: str | None = None
    """Inference engine: transformers, ctranslate2, onnx, ggml or openai. None chooses it by the
    model's files."""
    language: str | None = None
    """Language of the speech, such as Chinese or zh. None detects it for each recording."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Transcribe, or translate to English."""
    local_files_only: bool = False
    """Never ask the hub for the model."""

    output_dir: str = "output/transcripts/"
    """Folder for the transcripts and the journal of what is done."""
    output_format: Literal["txt", "vtt", "srt", "tsv", "json", "all"] = "all"
    """Format of the transcripts; all writes every one."""
    resume: bool = True
    """Skip what an earlier run finished with the same settings. False transcribes all again."""
    shard: str | None = None
    """Transcribe only this part of the recordings, such as 2/8."""
    verbose: bool = True
    """Print the text as it is recognised."""

    use_gpu: bool = True
    """Compute on a GPU if there is one."""
    device: str | None = None
    """Device: cpu, cuda, cuda:1 or mps. None follows --use_gpu."""
    fp16: bool | None = None
    """Compute in half precision. None does so on a GPU. A CPU always computes in float32."""
    use_int8: bool = False
    """Quantise the linear weights to 8 bits."""
    threads: int = 0
    """CPU threads to compute with; 0 leaves it to the library."""
    num_workers: int = 2
    """Threads that read audio in advance."""
    batch_size: int = 16
    """Windows decoded at a time, of one or several recordings."""

    vad_filter: bool = True
    """Cut recordings over 30 s at pauses, and leave out stretches in which a voice detector finds
    no speech. False cuts as openai-whisper does: each window begins where the last sentence of the
    one before it ended."""
    timestamps: bool | None = None
    """Ask the model for the times of segments within 30 s. None finds them as those of words, which
    leaves the text as it is; engines that cannot (ggml, onnx) ask for them if --output_format is
    srt or vtt. Sequential windows (--vad_filter=False) always have them."""
    clip_timestamps: str = "0"
    """Parts of each recording to transcribe, in seconds: start,end,start,end,... The last end may
    be left out."""
    word_timestamps: bool = False
    """Find when each word is spoken."""
    hallucination_silence_threshold: float | None = None
    """With --word_timestamps: leave out segments of improbable words that are surrounded by this
    many seconds of silence."""

    diarize: bool = False
    """Say who speaks: each segment gets a speaker (sherpa-onnx, requirements/sherpa.txt)."""
    segmentation_model: str | None = None
    """With --diarize: ONNX file of a pyannote segmentation model, as sherpa-onnx reads it."""
    embedding_model: str | None = None
    """With --diarize: ONNX file of a speaker embedding model, as sherpa-onnx reads it."""
    num_speakers: int | None = None
    """With --diarize: how many people speak. None finds it out."""

    temperature: float = 0.0
    """Temperature of sampling; 0 takes the likeliest text."""
    temperature_increment_on_fallback: float | None = 0.2
    """Step by which the temperature rises when a window whose text looks wrong is decoded again.
    None decodes nothing again."""
    best_of: int = 1
    """Samples drawn at temperatures above 0; the likeliest is taken."""
    beam_size: int = 1
    """Beams at temperature 0; 1 is greedy search."""
    patience: float | None = None
    """Beam search ends after patience times --beam_size finished hypotheses (ctranslate2)."""
    length_penalty: float | None = None
    """Exponent of a hypothesis's length in beam search. None takes the library's default."""
    suppress_tokens: str = MODEL_TOKENS
    """Ids of tokens that are never generated, separated by commas; -1 is the model's own list."""
    initial_prompt: str | None = None
    """Text given to the model before the first window, for names and spelling."""
    hotwords: str | None = None
    """Words given to the model before every window."""
    condition_on_previous_text: bool = False
    """With --vad_filter=False: give each window the text before it. This is more consistent, but
    errors may carry over."""
    compression_ratio_threshold: float | None = 2.4
    """Decode text again that zlib compresses more than this: the model repeats itself in it."""
    logprob_threshold: float | None = -1.0
    """Decode text again whose tokens have a lower mean log-probability than this."""
    no_speech_threshold: float | None = 0.6
    """Leave out text that fails --logprob_threshold where no speech is more probable than this."""
    seed: int = 0
    """Seed of sampling."""

    max_line_width: int | None = None
    """With --word_timestamps: the most characters in a line of a subtitle."""
    max_line_count: int | None = None
    """With --max_line_width: the most lines in a subtitle."""
    max_words_per_line: int | None = None
    """With --word_timestamps: the most words in a subtitle."""
    highlight_words: bool = False
    """With --word_timestamps: underline each word while it is spoken (srt and vtt)."""

    record_seconds: float | None = None
    """Microphone: stop after this many seconds. None waits for Enter or silence."""
    stop_after_silence: float | None = None
    """Microphone: stop after this many seconds without speech."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "beam_size", "best_of"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"--{name} is {getattr(self, name)}, expected at least 1", "leave it out"
                )
        if self.num_speakers is not None and self.num_speakers < 1:
            raise UserError(f"--num_speakers is {self.num_speakers}, expected at least 1")
        if self.threads < 0:
            raise UserError(f"--threads is {self.threads}, expected 0 or more")
        for name in ("record_seconds", "stop_after_silence", "hallucination_silence_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UserError(f"--{name} is {value:g}, expected seconds above 0")
        if not 0 <= self.temperature <= 1:
            raise UserError(
                f"--temperature is {self.temperature:g}, expected 0 to 1", "0 samples nothing"
            )
        step = self.temperature_increment_on_fallback
        if step is not None and not 0 < step <= 1:
            raise UserError(
                f"--temperature_increment_on_fallback is {step:g}, expected more than 0, at most 1",
                "None decodes nothing again",
            )
        self._check_words()
        _ = self.clips, self.suppressed

    def _check_words(self) -> None:
        wanting = [
            name
            for name in (
                *("highlight_words", "max_line_width", "max_line_count", "max_words_per_line"),
                "hallucination_silence_threshold",
            )
            if getattr(self, name)
        ]
        if wanting and not self.word_timestamps:
            raise UserError(
                f"--{wanting[0]} needs the times of words", "add --word_timestamps=True"
            )

    @property
    def clips(self) -> tuple[tuple[float, float], ...]:
        """Stretches of each recording in seconds; the last may end at infinity. Empty for all.

        Raises:
            UserError: `clip_timestamps` is no such list.
        """
        if self.clip_timestamps.strip() in ("", "0"):
            return ()
        try:
            times = [float(each) for each in self.clip_timestamps.split(",")]
        except ValueError:
            times = [math.nan]
        times += [math.inf] * (len(times) % 2)
        if not all(a < b for a, b in itertools.pairwise(times)) or times[0] < 0:
            raise UserError(
                f"--clip_timestamps={self.clip_timestamps} is no list of growing seconds",
                "write start,end,start,end such as 10,25.5,60,90",
            )
        return tuple(zip(times[::2], times[1::2], strict=True))

    @property
    def suppressed(self) -> tuple[int, ...] | None:
        """Ids that are never generated; None for the model's own list.

        Raises:
            UserError: `suppress_tokens` is no list of ids.
        """
        if self.suppress_tokens.strip() == MODEL_TOKENS:
            return None
        try:
            ids = tuple(int(each) for each in self.suppress_tokens.split(",") if each.strip())
        except ValueError:
            ids = (-1,)
        if any(each < 0 for each in ids):
            raise UserError(
                f"--suppress_tokens={self.suppress_tokens} is no list of token ids",
                "write ids with commas between, -1 alone for the model's own list, or nothing",
            )
        return ids

    def wants_times(self, *, aligns: bool) -> bool:
        """Whether the model is asked for times in recordings of at most 30 s.

        Args:
            aligns: whether they can be found otherwise, from the words.
        """
        if self.timestamps is not None:
            return self.timestamps
        return self.output_format in ("srt", "vtt") and not aligns
