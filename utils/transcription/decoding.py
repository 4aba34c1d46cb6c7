"""How text is made from sound: the settings that every engine shares and every score names."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from utils.cli.errors import UserError
from utils.model.audio_context.contexts import AUDIO_CONTEXTS, WindowKind, Windows

AudioContext = Literal["auto", "dynamic", "thinned", "full"]

# Change nothing in the text: readers ahead of the model.
_WITHOUT_EFFECT = ("num_workers",)
# Named only where they are not at their defaults, which is what they were before they could be set.
_LATER = (
    *("best_of", "patience", "length_penalty", "suppress_tokens", "initial_prompt", "hotwords"),
    *("condition_on_previous_text", "temperature", "temperature_increment", "word_timestamps"),
    "split_sentences",
)


@dataclass(frozen=True)
class Decoding:
    """How text is made from sound.

    Attributes:
        language: code for utterances that state none; None detects it.
        task: "transcribe" or "translate".
        timestamps: whether the model is asked for times. Recordings over 30 s always are: their
            windows are cut where the model says that a sentence ends.
        batch_size: windows decoded together.
        num_beams: 1 is greedy search.
        audio_context: "full" pads to 30 s, "dynamic" to the longest clip of the batch and the
            model's margin, "thinned" to 30 s with few positions in the silence, "auto" takes what
            the model was trained for.
        num_workers: threads that read audio ahead.
        max_new_tokens: most tokens an answer may have; None: as many as the model's generation
            settings (`max_length`) and the decoder have room for.
        temperature_fallback: whether a window whose text looks wrong is decoded again by sampling
            at rising temperatures. Where no attempt looks right, the likeliest that does not repeat
            itself is taken, or else the last.
        compression_ratio_threshold: text that zlib shrinks more than so many times repeats
            itself, and looks wrong.
        logprob_threshold: a mean log-probability (nats a token) below it looks wrong.
        no_speech_threshold: above this probability of no speech, a window whose
            log-probability is below `logprob_threshold` counts as silence.
        seed: of the sampling.
        temperature: of the first attempt; above 0 it samples.
        temperature_increment: how much hotter each further attempt is, up to 1.
        best_of: samples of which the likeliest is taken, where one is drawn.
        patience: how many times `num_beams` answers a beam search finishes; None: once.
        length_penalty: exponent of an answer's length in beam search; None: the library's own.
        suppress_tokens: ids that are never generated; None: those of the model's settings.
        initial_prompt: text that is given as what came before the first window.
        hotwords: words that are given as what came before every window.
        condition_on_previous_text: whether a window of a long recording is given the text before.
        word_timestamps: whether each word gets times.
        split_sentences: whether a text without timestamps is cut into sentences, whose times are
            found as those of words are. The text is the same.
    """

    language: str | None = None
    task: str = "transcribe"
    timestamps: bool = False
    batch_size: int = 16
    num_beams: int = 1
    audio_context: AudioContext = "auto"
    num_workers: int = 2
    max_new_tokens: int | None = None
    temperature_fallback: bool = True
    compression_ratio_threshold: float = 2.4
    logprob_threshold: float = -1.0
    no_speech_threshold: float = 0.6
    seed: int = 0
    temperature: float = 0.0
    temperature_increment: float = 0.2
    best_of: int = 1
    patience: float | None = None
    length_penalty: float | None = None
    suppress_tokens: tuple[int, ...] | None = None
    initial_prompt: str | None = None
    hotwords: str | None = None
    condition_on_previous_text: bool = False
    word_timestamps: bool = False
    split_sentences: bool = False

    @property
    def fallback_temperatures(self) -> tuple[float, ...]:
        """Of the attempts after the first, where its text looks wrong."""
        attempts = int((1.0 + 1e-6 - self.temperature) / self.temperature_increment)
        return tuple(
            round(self.temperature + number * self.temperature_increment, 6)
            for number in range(1, attempts + 1)
        )

    def windows(self, trained_on: str, margin: float, *, thins: bool = True) -> Windows:
        """The windows that a model is given.

        Args:
            trained_on: one of AUDIO_CONTEXTS.
            margin: seconds of silence that the model wants after the speech.
            thins: whether the engine can compute thinned windows; those of 30 s come nearest.

        Raises:
            UserError: the model's files name windows that are not known.
        """
        wanted = trained_on if self.audio_context == "auto" else self.audio_context
        if wanted not in AUDIO_CONTEXTS:
            raise UserError(
                f"the model's generation_config.json says audio_context {wanted!r}; known are "
                f"{', '.join(AUDIO_CONTEXTS)}",
                "A newer version may have written it. Take that one, or correct the file.",
            )
        kind: WindowKind = "dynamic" if wanted in ("dynamic", "mixed") else "full"
        if wanted == "thinned" and thins:
            kind = "thinned"
        return Windows.of(kind, margin)

    def to_json(self) -> dict[str, Any]:
        """What a score and a cache entry say of the decoding; thresholds only where they count."""
        values = {k: v for k, v in asdict(self).items() if k not in _WITHOUT_EFFECT}
        for name in _LATER:
            if values[name] == getattr(Decoding, name):
                del values[name]
        if not self.temperature_fallback:
            for name in [k for k in values if k.endswith("_threshold")] + ["seed"]:
                del values[name]
        return values
