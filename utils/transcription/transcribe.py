"""Utterances to text, by one model, on one process or many.

Batches are formed from all utterances first and dealt out whole, so that what a clip is batched
with, and therefore its text to the last bit, does not depend on the number of processes.

B batch, F frames, T tokens.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from transformers import GenerationConfig
from transformers.generation.logits_process import WhisperTimeStampLogitsProcessor
from transformers.modeling_outputs import BaseModelOutput

from utils.cli.errors import UserError
from utils.cli.progress import progress
from utils.manifest.durations import known_durations
from utils.manifest.utterance import Utterance
from utils.model.distributed import gather_all, share_of
from utils.model.load import LoadedModel
from utils.scoring.predictions import Prediction, Segment
from utils.speech.audio import load_audio
from utils.speech.features import (
    SAMPLE_RATE,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
    LogMel,
    pad_samples,
    window_frames,
)
from utils.speech.labels import TIMESTAMP_STEP, LabelEncoder
from utils.transcription.greedy import GreedyDecoder

AudioContext = Literal["auto", "dynamic", "full"]


@dataclass(frozen=True)
class Decoding:
    """How text is made from sound.

    Attributes:
        language: code for utterances that state none; None detects it.
        task: "transcribe" or "translate".
        timestamps: whether the model is asked for times.
        batch_size: clips decoded together.
        num_beams: 1 is greedy search.
        audio_context: "full" pads to 30 s, "dynamic" to the longest clip of the batch and the
            model's margin, "auto" takes what the model was trained for.
        num_workers: threads that read audio ahead.
        max_new_tokens: most tokens an answer may have; None: as many as the model's generation
            settings (`max_length`) and the decoder have room for.
    """

    language: str | None = None
    task: str = "transcribe"
    timestamps: bool = False
    batch_size: int = 16
    num_beams: int = 1
    audio_context: AudioContext = "auto"
    num_workers: int = 2
    max_new_tokens: int | None = None

    def windows_are_full(self, trained_on: str) -> bool:
        """Whether windows are padded to 30 s, for a model trained on "full", "dynamic", "mixed"."""
        return (trained_on if self.audio_context == "auto" else self.audio_context) == "full"


@dataclass(frozen=True)
class _Clip:
    """One utterance's sound, or why there is none."""

    utterance: Utterance
    samples: np.ndarray
    failure: str | None = None

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


def transcribe(
    loaded: LoadedModel,
    utterances: Sequence[Utterance],
    decoding: Decoding,
    *,
    desc: str = "transcribing",
) -> list[Prediction]:
    """Transcribe utterances of at most 30 s.

    Args:
        loaded: the model; it is used where and in the mode it is in.
        utterances: any order, any length of list.
        decoding: how.
        desc: label of the progress bar.

    Returns:
        One prediction an utterance, in their order, complete on every process. What could not be
        read has status "failed" and an empty hypothesis.

    Raises:
        UserError: if an utterance is longer than 30 s or in a language the model lacks.
    """
    durations = [seconds or 0.0 for seconds in known_durations(list(utterances))]
    _expect_windows(utterances, durations)
    order = sorted(range(len(utterances)), key=lambda i: (-durations[i], i))
    size = decoding.batch_size
    batches = share_of([order[i : i + size] for i in range(0, len(order), size)])
    decoder = WindowDecoder(loaded, decoding)
    mine: list[tuple[int, Prediction]] = []
    with ThreadPoolExecutor(max(decoding.num_workers, 1)) as pool:
        read = _read_ahead(pool, [[utterances[i] for i in batch] for batch in batches])
        bar = progress(zip(batches, read, strict=True), total=len(batches), desc=desc, unit="batch")
        for batch, clips in bar:
            mine += zip(batch, decoder.decode(clips), strict=True)
    found = dict(gather_all(mine))
    return [found[index] for index in range(len(utterances))]


def _expect_windows(utterances: Sequence[Utterance], durations: Sequence[float]) -> None:
    for utterance, seconds in zip(utterances, durations, strict=True):
        if seconds * SAMPLE_RATE > WINDOW_SAMPLES + SAMPLE_RATE / 10:
            raise UserError(
                f"utterance {utterance.id} is {seconds:.1f} s long; a window holds 30 s",
                "Leave it out with --max_audio_len=30, or cut it into pieces.",
            )


def _read_ahead(
    pool: ThreadPoolExecutor, batches: Sequence[Sequence[Utterance]]
) -> Iterator[list[_Clip]]:
    """Yield the batches' sound while the next one is being read."""
    waiting: list[list[Future[_Clip]]] = []
    for number in range(len(batches) + 1):
        if number < len(batches):
            waiting.append([pool.submit(_read, utterance) for utterance in batches[number]])
        if number > 0:
            yield [future.result() for future in waiting.pop(0)]


def _read(utterance: Utterance) -> _Clip:
    try:
        return _Clip(utterance, load_audio(utterance.audio))
    except UserError as error:
        return _Clip(utterance, np.zeros(0, dtype=np.float32), error.message)


class WindowDecoder:
    """Decodes batches of clips, one window each.

    Args:
        loaded: the model.
        decoding: how.
    """

    def __init__(self, loaded: LoadedModel, decoding: Decoding) -> None:
        self.whisper = loaded.whisper
        self.encoder: LabelEncoder = loaded.label_encoder(
            language=decoding.language, task=decoding.task
        )
        self.log_mel: LogMel = loaded.log_mel
        self.full = decoding.windows_are_full(loaded.audio_context)
        self.margin = round(loaded.context_margin * SAMPLE_RATE)
        self.decoding = decoding
        self.multilingual = loaded.multilingual
        known = self.whisper.generation_config
        self.greedy = GreedyDecoder(
            self.whisper,
            self.encoder.end,
            known.suppress_tokens or (),
            known.begin_suppress_tokens or (),
        )

    @torch.no_grad()
    def decode(self, clips: Sequence[_Clip]) -> list[Prediction]:
        """Text of a batch; clips that could not be read come out as failed."""
        started = time.perf_counter()
        readable = [clip for clip in clips if clip.failure is None]
        answers = iter(self._answers(readable) if readable else [])
        seconds = (time.perf_counter() - started) / max(len(clips), 1)
        return [
            _failed(clip)
            if clip.failure is not None
            else self._prediction(clip, *next(answers), seconds)
            for clip in clips
        ]

    def _answers(self, clips: Sequence[_Clip]) -> list[tuple[list[int], str | None]]:
        """Generated ids and language of each clip."""
        longest = max(len(clip.samples) for clip in clips)
        frames = WINDOW_FRAMES if self.full else window_frames(longest + self.margin)
        features = self.log_mel(pad_samples([clip.samples for clip in clips], frames))
        device, dtype = self.whisper.device, self.whisper.model.encoder.conv1.weight.dtype
        encoded = self.whisper.model.encoder(features.to(device, dtype))
        languages = self._languages(clips, encoded.last_hidden_state)
        pairs = zip(clips, languages, strict=True)
        rows = [self._prompt(clip.utterance, language) for clip, language in pairs]
        prompts = torch.tensor(rows, device=device)
        return list(zip(self._generate(encoded, prompts), languages, strict=True))

    def _prompt(self, utterance: Utterance, language: str | None) -> list[int]:
        return self.encoder.prompt(language, utterance.task, timestamps=self.decoding.timestamps)

    def _languages(self, clips: Sequence[_Clip], states: torch.Tensor) -> list[str | None]:
        """The language of each clip: stated, or else detected from `(B, P, D)` states."""
        stated = [clip.utterance.language or self.decoding.language for clip in clips]
        unknown = [place for place, language in enumerate(stated) if language is None]
        if unknown and self.multilingual:
            for place, code in zip(unknown, self._detect(states[unknown]), strict=True):
                stated[place] = code
        return stated

    def _detect(self, states: torch.Tensor) -> list[str]:
        ids = self.whisper.generation_config.lang_to_id
        start = torch.full((len(states), 1), self.encoder.start, device=states.device)
        logits = self.whisper(
            encoder_outputs=BaseModelOutput(last_hidden_state=states), decoder_input_ids=start
        ).logits[:, -1]
        names = list(ids)
        best = logits[:, list(ids.values())].argmax(-1).tolist()
        return [names[place].strip("<|>") for place in best]

    def _generate(self, encoded: BaseModelOutput, prompts: torch.Tensor) -> list[list[int]]:
        """Generated ids of each row, prompts `(B, T)` left out."""
        positions = self.whisper.config.max_target_positions
        most = self.whisper.generation_config.max_length or positions
        room = min(most, positions) - prompts.shape[1]
        length = min(self.decoding.max_new_tokens or room, room)
        rule = self._timestamp_rule(prompts.shape[1]) if self.decoding.timestamps else None
        if self.decoding.num_beams == 1:
            return self.greedy.decode(encoded.last_hidden_state, prompts, length, rule)
        return self._beam_search(encoded, prompts, length, rule)

    def _timestamp_rule(self, begin: int) -> WhisperTimeStampLogitsProcessor:
        """Whisper's rules for timestamps: in pairs, never backwards, likely ones first."""
        known = self.whisper.generation_config
        config = GenerationConfig(eos_token_id=self.encoder.end, bos_token_id=self.encoder.end)
        config.no_timestamps_token_id = self.encoder.no_timestamps
        latest = getattr(known, "max_initial_timestamp_index", None)
        config.max_initial_timestamp_index = latest
        return WhisperTimeStampLogitsProcessor(config, begin_index=begin)

    def _beam_search(
        self, encoded: BaseModelOutput, prompts: torch.Tensor, length: int, rule: Any
    ) -> list[list[int]]:
        """As `_generate`, through the library's beam search."""
        known = self.whisper.generation_config
        config = GenerationConfig(
            max_new_tokens=length,
            num_beams=self.decoding.num_beams,
            do_sample=False,
            eos_token_id=self.encoder.end,
            pad_token_id=self.encoder.end,
            decoder_start_token_id=self.encoder.start,
            suppress_tokens=known.suppress_tokens or None,
            begin_suppress_tokens=known.begin_suppress_tokens or None,
        )
        rows = self.whisper.generate_window(
            None,
            encoder_outputs=encoded,
            decoder_input_ids=prompts,
            # Pad and end-of-text are one token, so the library cannot tell which it sees.
            decoder_attention_mask=torch.ones_like(prompts),
            generation_config=config,
            logits_processor=[rule] if rule is not None else [],
        )
        return [list(row) for row in rows[:, prompts.shape[1] :].tolist()]

    def _prediction(
        self, clip: _Clip, ids: list[int], language: str | None, seconds: float
    ) -> Prediction:
        utterance = clip.utterance
        return Prediction(
            id=utterance.id,
            reference=utterance.sentence,
            hypothesis=self.encoder.decode(ids),
            language=language,
            status="ok",
            audio_seconds=clip.seconds,
            work_seconds=seconds,
            segments=tuple(self._segments(ids, clip.seconds)) if self.decoding.timestamps else (),
            speaker=utterance.speaker,
            recording=utterance.audio.path,
            source=utterance.source,
        )

    def _segments(self, ids: Sequence[int], seconds: float) -> Iterator[Segment]:
        """Text between pairs of timestamp tokens; what is left open ends with the clip."""
        first, start, words = self.encoder.first_timestamp, 0.0, []
        for token in [*ids, self.encoder.end]:
            if token < self.encoder.end:
                words.append(token)
                continue
            now = (token - first) * TIMESTAMP_STEP if token >= first else seconds
            if words:
                yield Segment(round(start, 2), round(now, 2), self.encoder.decode(words))
            start, words = now, []
            if token == self.encoder.end:
                return


def _failed(clip: _Clip) -> Prediction:
    utterance = clip.utterance
    return Prediction(
        id=utterance.id,
        reference=utterance.sentence,
        hypothesis="",
        language=utterance.language,
        status="failed",
        audio_seconds=utterance.duration or 0.0,
        work_seconds=0.0,
        speaker=utterance.speaker,
        failure=clip.failure,
        recording=utterance.audio.path,
        source=utterance.source,
    )
