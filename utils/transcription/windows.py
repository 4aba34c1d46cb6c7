"""Batches of clips to text: one window each, or one after another for long recordings.

B batch, M mel bins, F frames (10 ms each), T tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from utils.audio.features import (
    FRAMES_PER_SECOND,
    HOP_LENGTH,
    WINDOW_FRAMES,
    pad_samples,
)
from utils.data.labels import LabelEncoder
from utils.manifest.utterance import Utterance
from utils.scoring.predictions import Prediction, Segment
from utils.transcription.answers import Answers, Request
from utils.transcription.clips import Clip
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import DecodingResult, Engine, States, windows_of
from utils.transcription.longform import RecordingFeatures, cut_at_timestamps
from utils.transcription.segments import AlignedWindow, Segmenter
from utils.transcription.transcript import Advance, ClipTranscript, TimedText

Listener = Callable[[Clip, Advance], None]
"""Told what each window added to a long recording."""

# After a window that had to be sampled hotter than this, the next one is not given its text: what
# went wrong would go on.
HOTTEST_PREVIOUS = 0.5


@dataclass
class _LongRecording:
    """How far a long recording has been transcribed."""

    clip: Clip
    features: RecordingFeatures
    language: str | None = None
    seek: int = 0
    """First frame that is not yet transcribed."""
    segments: list[TimedText] = field(default_factory=list)
    ids: tuple[int, ...] = ()
    previous: str = ""

    @property
    def frames_left(self) -> int:
        return self.features.num_frames - self.seek

    def take(self, advance: Advance) -> None:
        """Go on by a window."""
        self.segments += advance.segments
        self.ids += advance.ids
        self.seek, self.previous = advance.seek, advance.previous
        self.language = advance.language


class WindowDecoder:
    """Decodes batches of clips.

    Args:
        engine: the model.
        decoding: how.
    """

    def __init__(self, engine: Engine, decoding: Decoding) -> None:
        self.engine = engine
        self.decoding = decoding
        self.encoder: LabelEncoder = engine.label_encoder(decoding.language, decoding.task)
        self.windows = windows_of(engine, decoding)
        self.answers = Answers(engine, self.encoder, decoding)
        self.segmenter = Segmenter(engine, self.encoder, decoding)

    @property
    def tokens(self) -> int:
        """Ids generated so far, silence and repeated attempts included."""
        return self.answers.tokens

    def decode(self, clips: Sequence[Clip]) -> list[Prediction]:
        """Text of a batch, in its order; clips that could not be read come out as failed."""
        return [
            failed_prediction(clip) if found is None else self._prediction(clip, found)
            for clip, found in zip(clips, self.transcripts(clips), strict=True)
        ]

    def transcripts(
        self, clips: Sequence[Clip], listen: Listener | None = None
    ) -> list[ClipTranscript | None]:
        """All that is known of a batch's text, in its order; None for clips without sound.

        Args:
            clips: to decode together.
            listen: told of long recordings' segments as they come.
        """
        short = [place for place, c in enumerate(clips) if c.failure is None and not c.is_long]
        long = [place for place, c in enumerate(clips) if c.failure is None and c.is_long]
        found: list[ClipTranscript | None] = [None] * len(clips)
        if short:
            texts = self._one_window_each([clips[place] for place in short])
            for place, text in zip(short, texts, strict=True):
                found[place] = text
        if long:
            texts = self._many_windows([clips[place] for place in long], listen)
            for place, text in zip(long, texts, strict=True):
                found[place] = text
        return found

    def languages(self, clips: Sequence[Clip]) -> list[str | None]:
        """The language of clips of at most 30 s, stated or detected."""
        return self._languages([clip.utterance for clip in clips], self._states(clips))

    def _states(self, clips: Sequence[Clip]) -> States:
        frames = self.windows.frames(max(len(clip.samples) for clip in clips))
        padded = pad_samples([clip.samples for clip in clips], frames)
        return self.engine.encode(self.engine.log_mel(padded), self.windows.merge_stride)

    def _one_window_each(self, clips: Sequence[Clip]) -> list[ClipTranscript]:
        states = self._states(clips)
        languages = self._languages([clip.utterance for clip in clips], states)
        timed = self.decoding.timestamps
        requests = [
            Request(clip.utterance.id, language, clip.utterance.task, self._before(""))
            for clip, language in zip(clips, languages, strict=True)
        ]
        found = []
        answers = self.answers.find(requests, states, timed=timed)
        for row, (clip, language, answer) in enumerate(zip(clips, languages, answers, strict=True)):
            text = self.encoder.decode(answer.ids)
            frames = len(clip.samples) // HOP_LENGTH
            window = AlignedWindow(states, row, requests[row], frames)
            if timed:
                segments = list(self.segmenter.between_timestamps(answer, clip.seconds))
                segments = self.segmenter.with_words(segments, window)
            else:
                segments = self.segmenter.sentences(answer, clip.seconds, window)
            found.append(ClipTranscript(text, language, tuple(segments)))
        return found

    def _many_windows(self, clips: Sequence[Clip], listen: Listener | None) -> list[ClipTranscript]:
        """Sequential long form: each window begins where the last one's last sentence ended."""
        recordings = [
            _LongRecording(clip, RecordingFeatures(self.engine.log_mel, clip.samples))
            for clip in clips
        ]
        for each in recordings:
            for advance in each.clip.known:
                each.take(advance)
        while unfinished := [each for each in recordings if each.frames_left > 0]:
            for each, advance in zip(unfinished, self._next_windows(unfinished), strict=True):
                each.take(advance)
                if listen is not None:
                    listen(each.clip, advance)
        return [
            ClipTranscript(self.encoder.decode(each.ids), each.language, tuple(each.segments))
            for each in recordings
        ]

    def _next_windows(self, recordings: Sequence[_LongRecording]) -> list[Advance]:
        """Decode the next window of each recording."""
        most = max(min(each.frames_left, WINDOW_FRAMES) for each in recordings)
        frames = self.windows.frames(most * HOP_LENGTH)
        windows = [each.features.window(each.seek, frames) for each in recordings]
        states = self.engine.encode(torch.stack(windows), self.windows.merge_stride)
        utterances = [each.clip.utterance for each in recordings]
        if any(each.language is None for each in recordings):
            for each, code in zip(recordings, self._languages(utterances, states), strict=True):
                each.language = each.language or code
        requests = [
            Request(
                each.clip.utterance.id,
                each.language,
                each.clip.utterance.task,
                self._before(each.previous, first=each.seek == 0),
            )
            for each in recordings
        ]
        answers = self.answers.find(requests, states, timed=True)
        return [
            self._advance(each, answer, states, row, requests[row])
            for row, (each, answer) in enumerate(zip(recordings, answers, strict=True))
        ]

    def _advance(
        self,
        recording: _LongRecording,
        answer: DecodingResult,
        states: States,
        row: int,
        request: Request,
    ) -> Advance:
        """The complete sentences of a window, and where to go on after them."""
        left = min(recording.frames_left, WINDOW_FRAMES)
        cut, step = cut_at_timestamps(answer.ids, left, self.encoder.first_timestamp)
        begin = recording.seek / FRAMES_PER_SECOND
        segments = []
        for each in cut:
            if self.encoder.decode(each.ids):
                end = min(each.end, left / FRAMES_PER_SECOND)
                segments.append(self.segmenter.text(answer, each.ids, min(each.start, end), end))
        segments = self.segmenter.with_words(segments, AlignedWindow(states, row, request, left))
        previous = recording.previous
        if self.decoding.condition_on_previous_text:
            new_text = " ".join(each.text for each in segments)
            hot = answer.temperature > HOTTEST_PREVIOUS
            previous = "" if hot else f"{previous} {new_text}".strip()[-2000:]
        return Advance(
            recording.seek + step,
            tuple(each.shifted(begin) for each in segments),
            tuple(token for each in cut for token in each.ids),
            previous,
            recording.language,
        )

    def _before(self, previous: str, *, first: bool = True) -> str | None:
        """What a window is given as the text before it."""
        settings = self.decoding
        given = settings.initial_prompt if first and not previous else previous
        if settings.hotwords:
            # Cut here, or the decoder's room would cost the words and not the text.
            given = f"{settings.hotwords} {(given or '')[-400:]}"
        return given or None

    def _languages(self, utterances: Sequence[Utterance], states: States) -> list[str | None]:
        """The language of each row: stated, or else detected."""
        stated = [utterance.language or self.decoding.language for utterance in utterances]
        unknown = [place for place, language in enumerate(stated) if language is None]
        if unknown and self.engine.multilingual:
            detected = self.engine.detect_languages(self.engine.select(states, unknown))
            for place, code in zip(unknown, detected, strict=True):
                stated[place] = code
        return stated

    def _prediction(self, clip: Clip, found: ClipTranscript) -> Prediction:
        utterance = clip.utterance
        segments = [
            Segment(round(each.start, 2), round(each.end, 2), each.text) for each in found.segments
        ]
        return Prediction(
            id=utterance.id,
            reference=utterance.sentence,
            hypothesis=found.text,
            language=found.language,
            status="ok",
            audio_seconds=clip.seconds,
            segments=tuple(segments) if self.decoding.timestamps else (),
            speaker=utterance.speaker,
            recording=utterance.audio.path,
            source=utterance.source,
        )


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
