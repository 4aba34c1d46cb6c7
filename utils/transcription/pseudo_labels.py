"""Long recordings without a word of text -> pieces with drafts of their text, measured and sifted.

Every step is remembered in `done.jsonl`: what was downloaded, decoded, cut and labelled is not done
again. Thresholds are applied at the end, so that other ones cost nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.cli.log import Log
from utils.manifest.cutting import Stretch, cut_at_silence, cut_windows
from utils.manifest.decode import AudioError
from utils.manifest.languages import language_code
from utils.manifest.memory import Memory
from utils.manifest.online import fetch, is_url
from utils.manifest.sources.files import audio_files
from utils.manifest.sources.gathered import LeftOut
from utils.manifest.utterance import AudioRef, Seconds, Utterance
from utils.model.distributed import device_of_this_process
from utils.model.load import LoadedModel, load_model, weights_sha256
from utils.speech.recording import store_mono
from utils.speech.vad import speech_of
from utils.transcription.confidence import confidences, disagreement
from utils.transcription.pseudo_settings import PseudoLabelSettings
from utils.transcription.transcribe import Decoding, transcribe
from utils.transcription.windows import compression_ratio

BATCHES_A_STEP = 4  # labelled and remembered together; sorted by length among themselves


def collect(
    settings: PseudoLabelSettings, memory: Memory, log: Log
) -> tuple[list[tuple[str, Path]], list[LeftOut]]:
    """Find the recordings that the settings name, and download those on the web.

    Returns:
        What each came from, with its file; and what could not be had.

    Raises:
        UserError: a path leads nowhere.
    """
    found: list[tuple[str, Path]] = []
    left_out: list[LeftOut] = []
    for each in settings.audio:
        path = Path(each)
        if is_url(each):
            folder = Path(settings.output_dir) / "downloads"
            files, missing = fetch(each, folder, memory, log)
            found += [(f"{each}#{file.name}", file) for file in files]
            left_out += missing
        elif path.is_dir():
            found += [(str(file), file) for file in audio_files(path)]
        elif path.is_file():
            found.append((each, path))
        else:
            raise UserError(f"there is no recording {each}", "give files, folders or addresses")
    return list(dict(found).items()), left_out


def cut(
    recordings: Sequence[tuple[str, Path]],
    settings: PseudoLabelSettings,
    memory: Memory,
    log: Log,
) -> tuple[list[Utterance], list[LeftOut]]:
    """Decode recordings to 16 kHz mono and cut them into pieces.

    Returns:
        The pieces, without text; and what could not be decoded or is too short.
    """
    pieces: list[Utterance] = []
    left_out: list[LeftOut] = []
    for source, path in recordings:
        name = f"{path.stem[:80]}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
        stored = Path(settings.output_dir) / "audio" / f"{name}.flac"
        try:
            length = _stored(source, path, stored, memory, log)
        except AudioError as error:
            log(f"{source}: {error.message}")
            left_out.append(LeftOut(source, f"unreadable audio: {error.message}"))
            continue
        stretches, too_short = _stretches(stored, length, settings, memory)
        log.note(f"{source}: {len(stretches)} pieces of {length:.1f} s")
        for start, end in stretches:
            audio = AudioRef(str(stored), start, end)
            piece_id = f"{name}-{round(start * 1000):09d}-{round(end * 1000):09d}"
            duration = round(end - start, 3)
            pieces.append(Utterance(audio, "", piece_id, duration=duration, source=source))
        for start, end in too_short:
            reason = f"speech shorter than a piece: {start:.2f} to {end:.2f} s"
            left_out.append(LeftOut(source, reason))
        if not stretches and not too_short:
            left_out.append(LeftOut(source, "no speech found"))
    return pieces, left_out


def label(
    pieces: Sequence[Utterance], settings: PseudoLabelSettings, memory: Memory, log: Log
) -> list[Utterance]:
    """Label pieces and measure how far each label can be trusted.

    Returns:
        The pieces with text, language, and in `extra` `confidence`, `compression_ratio`, and of a
        second labelling `second_text` and `disagreement`.
    """
    first = _Labeller(settings.model_path, settings.num_beams, settings)
    labelled = first(pieces, memory, log)
    if settings.has_second:
        beams = settings.second_num_beams or settings.num_beams
        second = _Labeller(settings.second_model or settings.model_path, beams, settings)
        # In the language of the first label: two languages would agree in nothing.
        others = second([replace(each, sentence="") for each in labelled], memory, log)
        labelled = [_compared(one, other) for one, other in zip(labelled, others, strict=True)]
    return labelled


def sift(
    labelled: Sequence[Utterance], settings: PseudoLabelSettings
) -> tuple[list[Utterance], list[LeftOut]]:
    """Leave out the labels that the settings do not trust."""
    kept, left_out = [], []
    for each in labelled:
        reason = _distrust(each, settings)
        if reason is None:
            kept.append(each)
        else:
            left_out.append(LeftOut(each.id, reason))
    return kept, left_out


def _distrust(labelled: Utterance, settings: PseudoLabelSettings) -> str | None:
    measured, most = labelled.extra, settings.max_disagreement
    if not labelled.sentence:
        return "nothing heard"
    if measured["confidence"] < settings.min_confidence:
        return f"low confidence: {measured['confidence']:.3f}"
    if measured["compression_ratio"] > settings.max_compression_ratio:
        return f"repeats itself: compression ratio {measured['compression_ratio']:.2f}"
    if most is not None and measured["disagreement"] > most:
        return f"labels disagree: {measured['disagreement']:.2f}, {measured['second_text']!r}"
    return None


def _compared(one: Utterance, other: Utterance) -> Utterance:
    differ = disagreement(one.sentence, other.sentence, one.language)
    extra = {**one.extra, "second_text": other.sentence, "disagreement": round(differ, 4)}
    return replace(one, extra=extra)


# ---------------------------------------------------------------------------------------------
# One recording.


def _stored(source: str, path: Path, stored: Path, memory: Memory, log: Log) -> Seconds:
    """Decode a recording to `stored` unless that was done, and return its length."""
    facts = path.stat()
    key = ["stored", source, facts.st_size, facts.st_mtime_ns]
    if key not in memory or not stored.exists():
        length = store_mono(path, stored)
        memory.add(key, length)
        log.note(f"{source}: {length:.1f} s decoded to {stored}")
    return float(memory[key])


def _stretches(
    stored: Path, length: Seconds, settings: PseudoLabelSettings, memory: Memory
) -> tuple[list[Stretch], list[Stretch]]:
    """Cut a stored recording, unless that was done."""
    if settings.window is not None:
        return cut_windows(length, settings.window, settings.overlap, settings.min_len), []
    key = ["speech", stored.name, length, settings.max_len]
    if key not in memory:
        memory.add(key, speech_of(stored, length, settings.max_len))
    speech = [(start, end) for start, end in memory[key]]
    return cut_at_silence(speech, length, settings.min_len, settings.max_len)


class _Labeller:
    """One model with one decoding, loaded when the first piece needs it."""

    def __init__(self, model: str, num_beams: int, settings: PseudoLabelSettings) -> None:
        self.model = model
        self.local_files_only = settings.local_files_only
        self.language = language_code(settings.language) if settings.language else None
        self.decoding = Decoding(
            language=self.language,
            batch_size=settings.batch_size,
            num_beams=num_beams,
            num_workers=settings.num_workers,
        )
        # A model that changes under its name is another model.
        self.identity = weights_sha256(model) or model
        self._loaded: LoadedModel | None = None

    def __call__(self, pieces: Sequence[Utterance], memory: Memory, log: Log) -> list[Utterance]:
        """Label pieces, of which those that were labelled before are remembered."""
        unknown = [each for each in pieces if self._key(each) not in memory]
        log(f"{self.model}: {len(unknown)} of {len(pieces)} pieces to label")
        for step in self._steps(unknown):
            for piece, answer in zip(step, self._answers(step), strict=True):
                memory.add(self._key(piece), answer)
        return [self._labelled(each, memory[self._key(each)]) for each in pieces]

    def _steps(self, pieces: Sequence[Utterance]) -> Iterator[Sequence[Utterance]]:
        size = BATCHES_A_STEP * self.decoding.batch_size
        for start in range(0, len(pieces), size):
            yield pieces[start : start + size]

    def _key(self, piece: Utterance) -> list[Any]:
        language = piece.language or self.language
        return ["labelled", piece.id, self.identity, self.decoding.num_beams, language]

    def _answers(self, pieces: Sequence[Utterance]) -> list[dict[str, Any]]:
        if self._loaded is None:
            self._loaded = load_model(self.model, local_files_only=self.local_files_only)
            self._loaded.model.to(device_of_this_process())
        heard = transcribe(self._loaded, pieces, self.decoding, desc="labelling")
        texts = [
            replace(piece, sentence=each.hypothesis, language=each.language)
            for piece, each in zip(pieces, heard, strict=True)
        ]
        sure = confidences(self._loaded, texts, self.decoding)
        return [
            {
                "text": each.sentence,
                "language": each.language,
                "confidence": float(f"{confidence:.6g}"),
                "compression_ratio": round(compression_ratio(each.sentence), 3),
            }
            for each, confidence in zip(texts, sure, strict=True)
        ]

    @staticmethod
    def _labelled(piece: Utterance, answer: dict[str, Any]) -> Utterance:
        measured = {name: answer[name] for name in ("confidence", "compression_ratio")}
        return replace(piece, sentence=answer["text"], language=answer["language"], extra=measured)
