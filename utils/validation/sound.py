"""What is wrong with the sound of one line, and with the times that it states."""

from __future__ import annotations

from collections.abc import Iterator

from utils.audio.clip import Seconds
from utils.audio.file_kind import names_another_kind
from utils.audio.probe import AudioFacts
from utils.validation.findings import Finding, Line, ProbeResult

# Whisper hears 30 seconds at a time, at 16 kHz.
LONGEST: Seconds = 30.0
SAMPLING_RATE = 16_000
# Times and durations may be rounded, and codecs work in frames.
TIME_TOLERANCE: Seconds = 0.1
SILENT_PEAK = -60.0  # dBFS
# Lossy codecs overshoot by a little; more than this is a wrong scale.
LOUDEST = 3.0  # dBFS
CLIPPED_SHARE = 0.001
# Recordings of speech have a mean within 0.001 of zero; a hundredth is audible as a click at cuts.
SHIFTED = 0.01


def check_sound(line: Line, facts: AudioFacts) -> Iterator[Finding]:
    """Yield what is wrong with how a line sounds."""
    if is_silent(facts) and not line.utterance.is_no_speech:
        message = f"the loudest sample is {facts.peak:.0f} dBFS, but there is text"
        yield line.finding("warning", "silent", message)
    if facts.peak > LOUDEST:
        message = f"samples reach {facts.peak:.1f} dBFS and are cut off at 0 when used"
        yield line.finding("warning", "out of range", message, facts.peak)
    elif facts.clipped > CLIPPED_SHARE:
        message = f"{facts.clipped:.1%} of the samples are cut off"
        yield line.finding("warning", "clipped", message, facts.clipped)
    elif abs(facts.shift) > SHIFTED:
        message = f"the samples' mean is {facts.shift:+.3f} of full scale instead of 0 (DC)"
        yield line.finding("warning", "shifted", message, abs(facts.shift))
    if facts.sampling_rate < SAMPLING_RATE:
        message = f"{facts.sampling_rate} Hz; the model was trained on {SAMPLING_RATE} Hz"
        yield line.finding("note", "low sampling rate", message)
    if facts.channels > 1:
        message = f"{facts.channels} channels, to be mixed; audio.channel names one of them"
        yield line.finding("note", "several channels", message)
    kind = names_another_kind(line.utterance.audio)
    if kind:
        message = f"{line.utterance.audio.path} is {kind} inside; it is read as what it is"
        yield line.finding("note", "wrong extension", message)


def is_silent(probed: ProbeResult | None) -> bool:
    """Whether a sound can be read and holds nothing audible."""
    return isinstance(probed, AudioFacts) and probed.peak < SILENT_PEAK


def check_times(line: Line, facts: AudioFacts) -> Iterator[Finding]:
    """Yield what the line's times say that the sound does not."""
    utterance, audio = line.utterance, line.utterance.audio
    if audio.end_time is not None:
        missing = audio.end_time - (audio.start_time or 0.0) - facts.duration
        if missing > TIME_TOLERANCE:
            message = f"end_time lies {missing:.2f} s after the end of the file"
            yield line.finding("error", "piece outside the file", message, missing)
    stated = utterance.duration
    if stated is not None and abs(stated - facts.duration) > max(TIME_TOLERANCE, 0.02 * stated):
        message = f"{stated:.2f} s stated, {facts.duration:.2f} s found"
        yield line.finding("warning", "other duration", message, abs(stated - facts.duration))
    if facts.duration > LONGEST + TIME_TOLERANCE:
        message = f"{facts.duration:.1f} s; the model hears {LONGEST:g} s at a time"
        yield line.finding("warning", "too long", message, facts.duration)
    yield from check_sentences(line, facts.duration)


def check_sentences(line: Line, duration: Seconds) -> Iterator[Finding]:
    """Yield what is wrong with the times of a line's sentences."""
    before, last_start = 0.0, 0.0
    for index, sentence in enumerate(line.utterance.sentences or ()):
        if sentence.end > duration + TIME_TOLERANCE:
            message = f"sentences[{index}] ends at {sentence.end:g} s of {duration:.2f} s"
            yield line.finding("error", "sentence outside the audio", message)
        if sentence.start < last_start:
            message = (
                f"sentences[{index}] starts at {sentence.start:g} s, "
                f"the one before it at {last_start:g} s"
            )
            yield line.finding("error", "sentences out of order", message)
        elif sentence.start < before - TIME_TOLERANCE:
            message = f"sentences[{index}] starts at {sentence.start:g} s, before {before:g} s"
            yield line.finding("warning", "sentences overlap", message)
        before, last_start = max(before, sentence.end), sentence.start
