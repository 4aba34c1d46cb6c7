"""The process that recognises: it holds the models and decodes batches of windows.

What a window's text is depends on nothing but its own sound: windows of one padded length share a
batch, and those whose text looks wrong are decoded again by themselves. So an answer is the same
whoever else asks at the same time.
"""

from __future__ import annotations

import traceback
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from utils.audio.clip import AudioRef
from utils.audio.features import (
    COMPILED_WINDOWS,
    HOP_LENGTH,
    WINDOW_SAMPLES,
    compiled_window,
)
from utils.audio.load import SAMPLE_RATE
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.model.audio_context.contexts import Windows
from utils.serving.messages import Batch, ModelFacts, Options, Texts, Window
from utils.serving.models import aligns, infer_settings, open_models
from utils.serving.reader import MappedSamples
from utils.serving.settings import ServerSettings
from utils.transcription.clips import Clip
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import windows_of
from utils.transcription.engines.whisper_cpp import WhisperCpp, WhisperCppDecoder
from utils.transcription.infer.model import decoding_of
from utils.transcription.transcript import ClipTranscript, compression_ratio
from utils.transcription.windows import WindowDecoder

KEPT_DECODERS = 32
NO_RETRY = 2.0  # a step of temperature that ends the attempts after the first


class Recogniser:
    """Answers `Batch`.

    Args:
        settings: of the server: which models, where and how.

    Raises:
        UserError: a model cannot be loaded.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.engines = open_models(settings)
        self.facts = [self._facts_of(name, path) for name, path in settings.models.items()]
        self.decoders: OrderedDict[tuple[Options, bool], Any] = OrderedDict()
        for name in self.engines:
            self._warm_up(name)

    def _warm_up(self, name: str) -> None:
        """Decode a second of silence, so that no request pays for the first kernels."""
        silence = np.zeros(SAMPLE_RATE, np.float32)
        clip = Clip(Utterance(AudioRef("silence"), "", "silence", language="en"), silence)
        self._decoder(Options(name, temperature=0.0), retry=False).transcripts([clip])

    def answer(self, batch: Batch) -> Texts:
        """Transcribe a batch of windows, or find their languages."""
        clips = [_clip(window) for window in batch.windows]
        there = [clip for clip in clips if clip.failure is None]
        if batch.languages_only:
            decoder = self._decoder(batch.options, retry=False)
            codes = iter(decoder.languages(there) if there else [])
            return Texts(languages=tuple(None if c.failure else next(codes) for c in clips))
        texts = iter(self._texts(batch, there) if there else [])
        return Texts(tuple(clip.failure or next(texts) for clip in clips))

    def _texts(self, batch: Batch, clips: list[Clip]) -> list[ClipTranscript | str]:
        options = batch.options
        sampled = options.temperature > 0 and len(clips) > 1
        try:
            # The numbers of sampling are drawn for all rows of a batch.
            found = (
                [self._alone(clip, options) for clip in clips]
                if sampled
                else self._decoder(options, retry=False).transcripts(clips)
            )
        except Exception as error:
            if "CUDA error" in str(error):
                raise  # nothing works any more in a process that had one
            if len(clips) == 1:
                traceback.print_exc()
                return [_reason(error)]
            return [self._texts(batch, [clip])[0] for clip in clips]
        texts: list[ClipTranscript | str] = []
        for clip, text in zip(clips, found, strict=True):
            if text is None or self._looks_wrong(text, options):
                text = self._alone(clip, options)
            texts.append(text or ClipTranscript("", None))
        return texts

    def _alone(self, clip: Clip, options: Options) -> ClipTranscript | None:
        """A window by itself, with attempts at rising temperatures."""
        found: list[ClipTranscript | None] = self._decoder(options, retry=True).transcripts([clip])
        return found[0]

    def _looks_wrong(self, text: ClipTranscript, options: Options) -> bool:
        """Whether a window is to be decoded again; one without text may not be silence."""
        decoding = self._basis(options.model)
        if not text.segments:
            return True
        return (
            compression_ratio(text.text) > decoding.compression_ratio_threshold
            or min(each.mean_logprob for each in text.segments) < decoding.logprob_threshold
        )

    def _basis(self, name: str) -> Decoding:
        """How infer.py would decode with a model."""
        return decoding_of(infer_settings(self.settings, self.settings.models[name]))

    def _facts_of(self, name: str, path: str) -> ModelFacts:
        engine = self.engines[name]
        if isinstance(engine, WhisperCpp):
            lengths: tuple[int, ...] = (WINDOW_SAMPLES,)
            return ModelFacts(name, "whisper.cpp", engine.multilingual, lengths, False, False)
        windows, lengths = windows_of(engine, self._basis(name)), (WINDOW_SAMPLES,)
        if windows.kind != "full":
            margin = round(windows.margin * SAMPLE_RATE)
            lengths = tuple(frames * HOP_LENGTH - margin for frames in COMPILED_WINDOWS)
        described = str(engine.describe()["engine"])
        on_gpu = torch.cuda.is_available()
        finds_times = aligns(self.settings, path)
        return ModelFacts(name, described, engine.multilingual, lengths, on_gpu, finds_times)

    def _decoder(self, options: Options, *, retry: bool) -> Any:
        """A decoder for these options, of those that were used last."""
        key = (options.decoding, retry)
        if key not in self.decoders:
            self.decoders[key] = self._new_decoder(options, retry)
            if len(self.decoders) > KEPT_DECODERS:
                self.decoders.popitem(last=False)
        self.decoders.move_to_end(key)
        return self.decoders[key]

    def _new_decoder(self, options: Options, retry: bool) -> WindowDecoder | WhisperCppDecoder:
        engine = self.engines[options.model]
        finds_times = aligns(self.settings, self.settings.models[options.model])
        decoding = replace(
            self._basis(options.model),
            task=options.task,
            # As in infer.py, times of words serve where they can be found: the text stays as it is.
            timestamps=options.timestamps and not finds_times,
            split_sentences=options.timestamps and finds_times,
            word_timestamps=options.words and finds_times,
            initial_prompt=options.prompt,
            temperature=options.temperature,
        )
        if isinstance(engine, WhisperCpp):
            return WhisperCppDecoder(engine, decoding)
        if not retry:
            decoding = replace(decoding, temperature_increment=NO_RETRY)
        decoder = WindowDecoder(engine, decoding)
        decoder.windows = RoundedWindows(decoder.windows.kind, decoder.windows.margin)
        return decoder


class RoundedWindows(Windows):
    """Windows of a dozen lengths, so that clips of about one length are padded alike."""

    def frames(self, num_samples: int) -> int:
        """See `Windows`."""
        return compiled_window(super().frames(num_samples))


def _clip(window: Window) -> Clip:
    samples: Any
    try:
        samples = MappedSamples(window.path, window.end)
    except (OSError, ValueError) as error:  # who asked has left
        return Clip(_utterance(window), np.zeros(0, np.float32), f"the sound is gone: {error}")
    if window.begin or not Clip(_utterance(window), samples).is_long:
        samples = samples[window.begin : window.end]
    return Clip(_utterance(window), samples)


def _utterance(window: Window) -> Utterance:
    # The name seeds the sampling: the same sound gives the same text.
    return Utterance(
        AudioRef("upload"), "", f"window {window.begin}", language=window.language, task=window.task
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, UserError):
        return error.message
    return (str(error).splitlines() or [type(error).__name__])[0]
