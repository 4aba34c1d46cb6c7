"""Batches of clips to text: one window each, or one after another for long recordings.

B batch, M mel bins, F frames (10 ms each), T tokens.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from utils.audio.features import (
    FRAMES_PER_SECOND,
    HOP_LENGTH,
    WINDOW_FRAMES,
    pad_samples,
)
from utils.data.labels import TIMESTAMP_STEP, LabelEncoder
from utils.manifest.utterance import Utterance
from utils.scoring.predictions import Prediction, Segment
from utils.transcription.clips import Clip
from utils.transcription.decoding import FALLBACK_TEMPERATURES, Decoding
from utils.transcription.engines.registry import DecodingResult, Engine, Search, States, windows_of
from utils.transcription.longform import cut_at_timestamps, mel_slice


@dataclass
class _Recording:
    """How far a long recording has been transcribed."""

    clip: Clip
    features: torch.Tensor
    """float32 `(M, F)` of all of it."""
    language: str | None = None
    seek: int = 0
    """First frame that is not yet transcribed."""
    segments: list[Segment] | None = None
    ids: tuple[int, ...] = ()

    @property
    def frames_left(self) -> int:
        return self.features.shape[1] - self.seek


class WindowDecoder:
    """Decodes batches of clips.

    Args:
        engine: the model.
        decoding: how.

    Attributes:
        tokens: ids generated so far, silence and repeated attempts included.
    """

    def __init__(self, engine: Engine, decoding: Decoding) -> None:
        self.engine = engine
        self.decoding = decoding
        self.encoder: LabelEncoder = engine.label_encoder(decoding.language, decoding.task)
        self.windows = windows_of(engine, decoding)
        self.tokens = 0

    def decode(self, clips: Sequence[Clip]) -> list[Prediction]:
        """Text of a batch, in its order; clips that could not be read come out as failed."""
        short = [place for place, c in enumerate(clips) if c.failure is None and not c.is_long]
        long = [place for place, c in enumerate(clips) if c.failure is None and c.is_long]
        found: dict[int, Prediction] = {}
        with self.engine.hearing(self.windows):
            for places, transcribe in (short, self._one_window_each), (long, self._many_windows):
                if places:
                    found.update(zip(places, transcribe([clips[i] for i in places]), strict=True))
        return [
            found[place] if place in found else failed_prediction(clip)
            for place, clip in enumerate(clips)
        ]

    def _one_window_each(self, clips: Sequence[Clip]) -> list[Prediction]:
        frames = self.windows.frames(max(len(clip.samples) for clip in clips))
        states = self.engine.encode(
            self.engine.log_mel(pad_samples([clip.samples for clip in clips], frames))
        )
        languages = self._languages([clip.utterance for clip in clips], states)
        timed = self.decoding.timestamps
        answers = self._answers([c.utterance for c in clips], languages, states, timed=timed)
        return [
            self._prediction(
                clip,
                self.encoder.decode(ids),
                language,
                list(self._segments(ids, clip.seconds)) if timed else [],
            )
            for clip, language, ids in zip(clips, languages, answers, strict=True)
        ]

    def _many_windows(self, clips: Sequence[Clip]) -> list[Prediction]:
        """Sequential long form: each window begins where the last one's last sentence ended."""
        recordings = [_Recording(clip, self._features_of(clip), segments=[]) for clip in clips]
        while unfinished := [each for each in recordings if each.frames_left > 0]:
            self._next_windows(unfinished)
        return [
            self._prediction(
                each.clip,
                self.encoder.decode(each.ids),
                each.language,
                (each.segments or []) if self.decoding.timestamps else [],
            )
            for each in recordings
        ]

    def _features_of(self, clip: Clip) -> torch.Tensor:
        frames = -(-len(clip.samples) // HOP_LENGTH)
        return self.engine.log_mel(pad_samples([clip.samples], frames))[0]

    def _next_windows(self, recordings: Sequence[_Recording]) -> None:
        """Decode the next window of each recording and move it on."""
        most = max(min(each.frames_left, WINDOW_FRAMES) for each in recordings)
        frames = self.windows.frames(most * HOP_LENGTH)
        windows = [mel_slice(each.features, each.seek, frames) for each in recordings]
        states = self.engine.encode(torch.stack(windows))
        utterances = [each.clip.utterance for each in recordings]
        if any(each.language is None for each in recordings):
            for each, code in zip(recordings, self._languages(utterances, states), strict=True):
                each.language = each.language or code
        languages = [each.language for each in recordings]
        answers = self._answers(utterances, languages, states, timed=True)
        for each, ids in zip(recordings, answers, strict=True):
            heard = min(each.frames_left, WINDOW_FRAMES)
            pieces, step = cut_at_timestamps(ids, heard, self.encoder.first_timestamp)
            begin = each.seek / FRAMES_PER_SECOND
            for piece in pieces:
                each.ids += piece.ids
                text = self.encoder.decode(piece.ids)
                if text and each.segments is not None:
                    start, end = round(begin + piece.start, 2), round(begin + piece.end, 2)
                    each.segments.append(Segment(start, end, text))
            each.seek += step

    def _languages(self, utterances: Sequence[Utterance], states: States) -> list[str | None]:
        """The language of each row: stated, or else detected."""
        stated = [utterance.language or self.decoding.language for utterance in utterances]
        unknown = [place for place, language in enumerate(stated) if language is None]
        if unknown and self.engine.multilingual:
            heard = self.engine.detect_languages(self.engine.select(states, unknown))
            for place, code in zip(unknown, heard, strict=True):
                stated[place] = code
        return stated

    def _answers(
        self,
        utterances: Sequence[Utterance],
        languages: Sequence[str | None],
        states: States,
        *,
        timed: bool,
    ) -> list[tuple[int, ...]]:
        """Generated ids of each row; none where nothing is said."""
        pairs = zip(utterances, languages, strict=True)
        prompts = torch.tensor(
            [self.encoder.prompt(code, each.task, timestamps=timed) for each, code in pairs]
        )
        positions = self.engine.max_positions
        room = min(self.engine.max_length or positions, positions) - prompts.shape[1]
        settings = self.decoding
        search = Search(
            max_new_tokens=min(settings.max_new_tokens or room, room),
            num_beams=settings.num_beams,
            timestamps=timed,
            confidence=settings.temperature_fallback,
        )
        found = self.engine.generate(states, prompts, search)
        self.tokens += sum(len(each.ids) for each in found)
        if settings.temperature_fallback:
            found = self._with_fallback(found, utterances, states, prompts, search)
        return [() if self._is_silence(each) else each.ids for each in found]

    def _with_fallback(
        self,
        found: list[DecodingResult],
        utterances: Sequence[Utterance],
        states: States,
        prompts: torch.Tensor,
        search: Search,
    ) -> list[DecodingResult]:
        """Decode the rows whose text looks wrong again, at rising temperatures."""
        for temperature in FALLBACK_TEMPERATURES[1:]:
            wrong = [place for place, each in enumerate(found) if self._looks_wrong(each)]
            if not wrong:
                break
            # The same numbers are drawn whatever was decoded before, and on any process.
            names = "\0".join(utterances[place].id for place in wrong)
            seed = zlib.crc32(f"{self.decoding.seed} {temperature} {names}".encode())
            again = replace(search, num_beams=1, temperature=temperature, seed=seed)
            retried = self.engine.generate(self.engine.select(states, wrong), prompts[wrong], again)
            self.tokens += sum(len(each.ids) for each in retried)
            for place, each in zip(wrong, retried, strict=True):
                found[place] = each
        return found

    def _looks_wrong(self, found: DecodingResult) -> bool:
        """Whether text repeats itself or is unlikely; silence is neither."""
        if self._is_silence(found):
            return False
        repeats = compression_ratio(self.encoder.decode(found.ids))
        return (
            repeats > self.decoding.compression_ratio_threshold
            or found.mean_logprob < self.decoding.logprob_threshold
        )

    def _is_silence(self, found: DecodingResult) -> bool:
        settings = self.decoding
        return (
            settings.temperature_fallback
            and found.no_speech > settings.no_speech_threshold
            and found.mean_logprob < settings.logprob_threshold
        )

    def _prediction(
        self, clip: Clip, text: str, language: str | None, segments: Sequence[Segment]
    ) -> Prediction:
        utterance = clip.utterance
        return Prediction(
            id=utterance.id,
            reference=utterance.sentence,
            hypothesis=text,
            language=language,
            status="ok",
            audio_seconds=clip.seconds,
            segments=tuple(segments),
            speaker=utterance.speaker,
            recording=utterance.audio.path,
            source=utterance.source,
        )

    def _segments(self, ids: Sequence[int], seconds: float) -> Iterator[Segment]:
        """Text between pairs of timestamp tokens; what is left open ends with the clip."""
        first, start, words = self.encoder.first_timestamp, 0.0, []
        for token in [*ids, self.encoder.end]:
            if self.encoder.is_text(token):
                words.append(token)
                continue
            now = (token - first) * TIMESTAMP_STEP if token >= first else seconds
            if words:
                yield Segment(round(start, 2), round(now, 2), self.encoder.decode(words))
            start, words = now, []
            if token == self.encoder.end:
                return


def compression_ratio(text: str) -> float:
    """How many times zlib shrinks a text; one that repeats itself shrinks much.

    Example:
        >>> compression_ratio("yes " * 50) > 2.4 > compression_ratio("turn on the lights")
        True
    """
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


def failed_prediction(clip: Clip) -> Prediction:
    """The prediction of a clip that could not be read."""
    utterance = clip.utterance
    return Prediction(
        id=utterance.id,
        reference=utterance.sentence,
        hypothesis="",
        language=utterance.language,
        status="failed",
        audio_seconds=utterance.duration or 0.0,
        speaker=utterance.speaker,
        failure=clip.failure,
        recording=utterance.audio.path,
        source=utterance.source,
    )
