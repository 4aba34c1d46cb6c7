"""What `infer.py` is asked."""

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
    """Which sound, which model, how to decode, and what to write."""

    audio_path: str = "dataset/test.wav"
    """File (sound or video), folder, glob such as 'talks/*.mp3', address of a page or playlist,
    - for standard input, or microphone; several with commas between."""
    model_path: str = "models/whisper-tiny-finetune"
    """Model: a folder, an adapter, a CTranslate2 folder, a name on the hub, a GGML file of
    whisper.cpp, or a .pt file of openai-whisper."""
    engine: str | None = None
    """What computes: transformers, ctranslate2, ggml or openai; None finds it from the model's
    files."""
    language: str | None = None
    """What is spoken, such as Chinese or zh; None detects it for each recording."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """transcribe, or translate to English."""
    local_files_only: bool = False
    """Never ask the hub for the model."""

    output_dir: str = "output/transcripts/"
    """Folder for the transcripts, and the journal of what is done."""
    output_format: Literal["txt", "vtt", "srt", "tsv", "json", "all"] = "all"
    """Form of the transcripts; all writes every one."""
    resume: bool = True
    """Skip what an earlier run finished with the same settings; False transcribes all again."""
    shard: str | None = None
    """Take only this part of the recordings, such as 2/8."""
    verbose: bool = True
    """Show the text as it comes."""

    use_gpu: bool = True
    """Compute on a GPU where there is one."""
    device: str | None = None
    """Where to compute: cpu, cuda, cuda:1 or mps; None goes by --use_gpu."""
    fp16: bool | None = None
    """Half precision; None takes it on a GPU. A CPU always computes in float32."""
    use_int8: bool = False
    """Hold the linear weights in 8 bits."""
    threads: int = 0
    """Processor cores to use; 0 leaves it to the library."""
    num_workers: int = 2
    """Threads that read sound ahead."""
    batch_size: int = 16
    """Windows decoded together, also of several recordings."""

    vad_filter: bool = True
    """Recordings over 30 s: cut at pauses and leave out what a voice detector hears no speech in.
    False cuts as openai-whisper does, each window where the last one's last sentence ended."""
    timestamps: bool | None = None
    """Ask the model for times within a stretch of up to 30 s; None does where --output_format is
    srt or vtt. Sequential windows (--vad_filter=False) always have them."""
    clip_timestamps: str = "0"
    """Seconds start,end,start,end,... to transcribe; the last end may be left out."""
    word_timestamps: bool = False
    """Find when each word is spoken."""
    hallucination_silence_threshold: float | None = None
    """With --word_timestamps: leave out a segment of improbable words that has so many seconds
    without a word around it."""

    temperature: float = 0.0
    """Of the sampling; 0 takes the likeliest text."""
    temperature_increment_on_fallback: float | None = 0.2
    """How much hotter a window whose text looks wrong is decoded again; None keeps it as it is."""
    best_of: int = 1
    """Samples drawn at a temperature above 0, of which the likeliest is taken."""
    beam_size: int = 1
    """Beams at temperature 0; 1 is greedy search."""
    patience: float | None = None
    """How many times --beam_size answers are finished before a beam search ends (ctranslate2)."""
    length_penalty: float | None = None
    """Exponent of an answer's length in beam search; None is the library's own."""
    suppress_tokens: str = MODEL_TOKENS
    """Ids of tokens that are never said, separated by commas; -1 is the model's own list."""
    initial_prompt: str | None = None
    """Text that is given as what came before, for names and spelling."""
    hotwords: str | None = None
    """Words that are given before every window."""
    condition_on_previous_text: bool = False
    """With --vad_filter=False: give each window the text before it. More consistent, but what went
    wrong may go on."""
    compression_ratio_threshold: float | None = 2.4
    """Text that zlib shrinks more than so many times repeats itself: decoded again."""
    logprob_threshold: float | None = -1.0
    """Text whose tokens have a lower mean log-probability is decoded again."""
    no_speech_threshold: float | None = 0.6
    """Above this probability of no speech, text that fails --logprob_threshold is left out."""
    seed: int = 0
    """Of the sampling."""

    max_line_width: int | None = None
    """With --word_timestamps: characters in a subtitle's line."""
    max_line_count: int | None = None
    """With --max_line_width: lines in a subtitle."""
    max_words_per_line: int | None = None
    """With --word_timestamps: words in a subtitle."""
    highlight_words: bool = False
    """With --word_timestamps: underline each word while it is spoken (srt and vtt)."""

    record_seconds: float | None = None
    """Microphone: stop after so many seconds; None waits for Enter, or silence."""
    stop_after_silence: float | None = None
    """Microphone: stop after so many seconds without a voice."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "beam_size", "best_of"):
            if getattr(self, name) < 1:
                raise UserError(
                    f"--{name} is {getattr(self, name)}, expected at least 1", "leave it out"
                )
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

    @property
    def wants_times(self) -> bool:
        """Whether the model is asked for times in recordings of at most 30 s."""
        if self.timestamps is not None:
            return self.timestamps
        return self.output_format in ("srt", "vtt")
