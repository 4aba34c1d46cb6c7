"""Recordings to transcripts: several at a time, what is done remembered, failures named."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from utils.audio.clip import AudioRef, Seconds
from utils.audio.features import FRAMES_PER_SECOND, WINDOW_SECONDS
from utils.cli.errors import UserError
from utils.cli.garbage import return_freed_memory
from utils.manifest.durations import known_durations
from utils.manifest.utterance import Utterance
from utils.model.fingerprint import model_fingerprint
from utils.parallel.journal import Journal
from utils.sources.source_data import LeftOut
from utils.transcription.cache import hash_of
from utils.transcription.clips import Clip
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import Engine, only_file
from utils.transcription.engines.whisper_cpp import WhisperCpp, WhisperCppDecoder
from utils.transcription.infer.display import Display, TerminalDisplay
from utils.transcription.infer.inputs import Source
from utils.transcription.infer.model import open_decoder
from utils.transcription.infer.recordings import Recording, stretches_of, without_improbable
from utils.transcription.infer.settings import InferSettings
from utils.transcription.infer.sound import read_samples
from utils.transcription.infer.speakers import turns_of, with_speakers
from utils.transcription.transcript import (
    Advance,
    ClipTranscript,
    TimedText,
    advance_from_json,
    transcript_from_json,
)
from utils.transcription.windows import WindowDecoder
from utils.transcription.writers import SubtitleLayout, formats_of, write_transcript

WINDOWS_ON_A_CPU = 3
"""Of long recordings, that are decoded together there: more cost memory (what the decoder keeps of
16 windows of 30 s are 600 MB with whisper-base) and save little time. Beams count as windows."""
DETECTED_IN = 5  # stretches of a recording, whose language most decide


@dataclass
class Run:
    """One call of `infer.py`.

    Args:
        settings: what was asked.
        decoding: how text is made.
        journal: of what was done before.
        display: is told how the run gets on.
        engine: a model that an earlier run has loaded; None loads it when it is needed.
    """

    settings: InferSettings
    decoding: Decoding
    journal: Journal
    display: Display = field(default_factory=TerminalDisplay)
    engine: Engine | WhisperCpp | None = None
    failed: list[LeftOut] = field(default_factory=list)
    done: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        settings, folder = self.settings, Path(self.settings.output_dir)
        self.folder = folder
        offline = settings.local_files_only
        self.digest = hash_of(
            [
                *self._model(),
                list(model_fingerprint(settings.model_path, local_files_only=offline) or ()),
                self.decoding.to_json(),
                *(settings.vad_filter, settings.clip_timestamps, settings.engine),
                *(settings.use_int8, settings.hallucination_silence_threshold),
                *self._speaker_models(),
            ]
        )
        self._decoder: WindowDecoder | WhisperCppDecoder | None = None

    def _speaker_models(self) -> list[Any]:
        """What speakers are found with; nothing without --diarize, as in older journals."""
        settings = self.settings
        if not settings.diarize:
            return []
        return [settings.segmentation_model, settings.embedding_model, settings.num_speakers]

    def _model(self) -> list[Any]:
        """What the model is called; a file is known by its size and time too."""
        path = only_file(self.settings.model_path)
        if not os.path.isfile(path):
            return [self.settings.model_path]
        facts = os.stat(path)
        return [path, facts.st_size, facts.st_mtime_ns]

    @property
    def decoder(self) -> WindowDecoder | WhisperCppDecoder:
        """The loaded model; nothing is loaded where everything was done before."""
        if self._decoder is None:
            self._decoder = open_decoder(self.settings, self.decoding, self.engine)
            self.engine = self._decoder.engine
        return self._decoder

    def transcribe(self, sources: Sequence[Source]) -> None:
        """Transcribe what no earlier run did; what cannot be is kept in `failed`."""
        left = [each for each in sources if not self._is_done(each)]
        self.skipped = len(sources) - len(left)
        if self.skipped:
            message = f"{self.skipped} of {len(sources)} recordings were transcribed before"
            self.display.say(message)
        utterances = [Utterance(AudioRef(str(each.path)), "", each.name) for each in left]
        durations = known_durations(utterances)
        total = sum(seconds or 0.0 for seconds in durations)
        groups = [[left[i] for i in group] for group in self._groups(durations)]
        self.display.begin(total)
        try:
            if any((seconds or 0.0) > WINDOW_SECONDS for seconds in durations):
                # While weights are read they are in memory twice: before any sound is there.
                _ = self.decoder
                return_freed_memory()
            for recordings in self._read_ahead(groups):
                self._transcribe_group(recordings)
        finally:
            self.display.end()

    def _groups(self, durations: Sequence[Seconds | None]) -> Iterator[list[int]]:
        """Places of recordings that are transcribed together: a batch, or one that is longer.

        Short ones are grouped as evaluation.py batches them, the longest first.
        """
        size = self.settings.batch_size
        order = sorted(range(len(durations)), key=lambda i: (-(durations[i] or 0.0), i))
        short = [i for i in order if (durations[i] or 0.0) <= WINDOW_SECONDS]
        group: list[int] = []
        held = 0.0
        for i in order[: len(order) - len(short)]:
            group.append(i)
            held += durations[i] or 0.0
            if held >= size * WINDOW_SECONDS:
                yield group
                group, held = [], 0.0
        if group:
            yield group
        for first in range(0, len(short), size):
            yield short[first : first + size]

    def _read_ahead(self, groups: Sequence[Sequence[Source]]) -> Iterator[list[Recording]]:
        """Yield each group's recordings while the next group is read; failures are told."""
        with ThreadPoolExecutor(max(self.settings.num_workers, 1)) as pool:
            waiting: list[list[tuple[Source, Future[Recording]]]] = []
            for number in range(len(groups) + 1):
                if number < len(groups):
                    waiting.append([(s, pool.submit(self._read, s)) for s in groups[number]])
                if number > 0:
                    yield list(self._readable(waiting.pop(0)))

    def _readable(self, reading: Sequence[tuple[Source, Future[Recording]]]) -> Iterator[Recording]:
        for source, future in reading:
            try:
                yield future.result()
            except (UserError, OSError) as error:
                self._fail(source, error)

    def _read(self, source: Source) -> Recording:
        """Decode a recording, cut it, and take up what an earlier run has of it."""
        samples = read_samples(source.path, self.folder)
        stretches = stretches_of(samples, self.settings)
        recording = Recording(source, self._key(source), samples, stretches)
        for number, stretch in enumerate(stretches):
            if not self.settings.resume:
                break
            known = self._stretch_key(recording, stretch)
            if known in self.journal:
                recording.texts[number] = transcript_from_json(self.journal[known])
            windows = recording.windows.setdefault(number, [])
            while (key := self._window_key(recording, number, len(windows))) in self.journal:
                windows.append(advance_from_json(self.journal[key]))
        return recording

    def _transcribe_group(self, recordings: Sequence[Recording]) -> None:
        settings = self.settings
        size = settings.batch_size
        before = [sum(e - b for b, e in r.stretches) / 16_000 for r in recordings]
        for recording, seconds in zip(recordings, before, strict=True):
            self._detect_language(recording)
            self.display.move(recording.seconds - seconds)  # silence, which is left out
        work = [
            (recording, number)
            for recording in recordings
            for number in range(len(recording.stretches))
        ]
        on_gpu = torch.cuda.is_available() and settings.use_gpu and settings.device != "cpu"
        if len(work) > len(recordings) and not on_gpu:
            rows = max(settings.beam_size, settings.best_of)
            size = min(size, max(1, WINDOWS_ON_A_CPU // rows))
        left = any(number not in recording.texts for recording, number in work)
        if left and isinstance(self.decoder, WhisperCppDecoder):
            size = 1  # it decodes one after another, and each is remembered when it is done
        for first in range(0, len(work), size):
            batch = [(r, n) for r, n in work[first : first + size] if n not in r.texts]
            if batch:
                self._transcribe_batch(batch)
        for recording in recordings:
            self._finish(recording)

    def _detect_language(self, recording: Recording) -> None:
        """One language for all of a recording that is cut, that of most of its first stretches."""
        if self.decoding.language or len(recording.stretches) < 2 or recording.is_done:
            return
        if not self.decoder.engine.multilingual:
            return
        clips = [recording.clip(n) for n in range(min(DETECTED_IN, len(recording.stretches)))]
        clips = [clip for clip in clips if not clip.is_long]
        seconds: dict[str | None, float] = {}
        for clip, code in zip(clips, self.decoder.languages(clips) if clips else [], strict=True):
            seconds[code] = seconds.get(code, 0.0) + clip.seconds
        if seconds:
            recording.language = max(seconds, key=lambda code: seconds[code])

    def _transcribe_batch(self, batch: Sequence[tuple[Recording, int]]) -> None:
        clips = [recording.clip(number) for recording, number in batch]
        places = {id(c): place for c, place in zip(clips, batch, strict=True)}
        moved = {
            id(c): min(c.known[-1].seek / FRAMES_PER_SECOND, c.seconds) for c in clips if c.known
        }
        self.display.move(sum(moved.values()))

        def listen(clip: Clip, advance: Advance) -> None:
            recording, number = places[id(clip)]
            self._show([each.shifted(recording.begin(number)) for each in advance.segments])
            done = min(advance.seek / FRAMES_PER_SECOND, clip.seconds)
            self.display.move(done - moved.get(id(clip), 0.0))
            moved[id(clip)] = done
            known = recording.windows.setdefault(number, [])
            self.journal.add(self._window_key(recording, number, len(known)), asdict(advance))
            known.append(advance)

        texts = self.decoder.transcripts(clips, listen)
        for (recording, number), clip, text in zip(batch, clips, texts, strict=True):
            found = text or ClipTranscript("", None)
            segments = tuple(each.shifted(recording.begin(number)) for each in found.segments)
            recording.texts[number] = ClipTranscript(found.text, found.language, segments)
            stretch = recording.stretches[number]
            if len(recording.stretches) > 1:
                key = self._stretch_key(recording, stretch)
                self.journal.add(key, asdict(recording.texts[number]))
            if not clip.is_long:
                self._show(segments)
                self.display.move(clip.seconds)

    def _show(self, segments: Sequence[TimedText]) -> None:
        if self.settings.verbose:
            self.display.show(segments)

    def _finish(self, recording: Recording) -> None:
        """Write a recording's transcripts, and remember that they are."""
        settings = self.settings
        text = without_improbable(
            recording.transcript(),
            settings.hallucination_silence_threshold,
            recording.seconds,
        )
        layout = SubtitleLayout(
            settings.max_line_width,
            settings.max_line_count,
            settings.max_words_per_line,
            settings.highlight_words,
        )
        stem = self.folder / recording.source.stem
        try:
            if settings.diarize and text.segments:
                text = with_speakers(text, turns_of(recording.samples, settings))
            written = write_transcript(text.to_json(), stem, settings.output_format, layout)
        except (UserError, OSError) as error:
            self._fail(recording.source, error)
            return
        self.journal.add(recording.key, [str(path) for path in written])
        self.done += 1
        language = f", {text.language}" if text.language else ""
        nothing = "" if text.text else ", no speech found"
        self.display.say(
            f"{recording.source.name}: {recording.seconds:.1f} s{language}{nothing} -> {stem}.*"
        )

    def _fail(self, source: Source, error: Exception) -> None:
        message = error.message if isinstance(error, UserError) else str(error)
        self.failed.append(LeftOut(source.name, message))
        self.display.say(f"{source.name}: failed: {message}")

    def _key(self, source: Source) -> list[Any]:
        facts = os.stat(source.path)
        place = [os.path.realpath(source.path), facts.st_size, facts.st_mtime_ns]
        return ["transcribed", *place, self.digest]

    def _stretch_key(self, recording: Recording, stretch: tuple[int, int]) -> list[Any]:
        return ["stretch", *recording.key[1:], *stretch]

    def _window_key(self, recording: Recording, number: int, window: int) -> list[Any]:
        return ["window", *recording.key[1:], *recording.stretches[number], window]

    def _is_done(self, source: Source) -> bool:
        """Whether an earlier run wrote all that is wanted, and it is still there."""
        if not self.settings.resume or not source.path.is_file():
            return False
        key = self._key(source)
        stem = self.folder / source.stem
        wanted = {str(stem) + f".{name}" for name in formats_of(self.settings.output_format)}
        return (
            key in self.journal
            and wanted <= set(self.journal[key])
            and all(os.path.isfile(each) for each in wanted)
        )
