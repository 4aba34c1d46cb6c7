"""Hours without a word: what infer.py writes of silence, noise and music, and what that costs.

    python benchmarks/long_noise.py                   # an hour of each; about half an hour
    python benchmarks/long_noise.py --minutes=5
    python benchmarks/long_noise.py --table=True      # the tables of docs/inference.md

The sound is made here (silence, white and pink noise, chords with arpeggios and drums) or repeated
from recordings (noise of --data). Everything runs with the defaults of infer.py. Speech is
transcribed with the defaults and without what keeps hallucinated text out: the voice detector, the
fallback and the thresholds. Writes benchmarks/results/long_noise.json.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measured import REPOSITORY, machine, read_measured, write_measured
from utils.cli.console import say
from utils.cli.errors import Failure, run_script
from utils.cli.flags import parse_settings
from utils.report.tables import markdown_table, percent

RATE = 16_000
BLOCK = 60 * RATE
SPEECH = ("en_single", "longform", "multilingual")
NOISES = ("speechbrain_noise_noise2", "speechbrain_noise_noise3", "speechbrain_noise_noise4")
WITHOUT = (
    *("--vad_filter=False", "--temperature_increment_on_fallback=None"),
    *("--no_speech_threshold=None", "--logprob_threshold=None"),
)
Sound = Callable[[np.random.Generator], np.ndarray]
"""Draws a minute of sound, float32 `(num_samples,)` at 16 kHz."""


@dataclass(frozen=True)
class LongNoiseSettings:
    """What is transcribed."""

    model: Path = Path("../shared/models/whisper-base")
    """Folder of the model."""
    data: Path = Path("../shared/data")
    """Folder of recorded noise and speech."""
    minutes: int = 60
    """Length of each recording without speech."""
    output: str = "benchmarks/results/long_noise.json"
    """File for the measurements."""
    table: bool = False
    """Print the tables of docs/inference.md from --output; nothing is run."""


def main(argv: Sequence[str] | None = None) -> None:
    """Make the sound, transcribe it and the speech, write what came out."""
    settings = parse_settings(
        LongNoiseSettings, argv, prog="long_noise.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    if settings.table:
        say(tables(read_measured(settings.output)))
        return
    absent = [str(path) for path in (settings.model, settings.data) if not path.is_dir()]
    if absent:
        say(f"skipped: {', '.join(absent)} not found; name them with --model and --data")
        return
    found: dict[str, Any] = {"machine": machine(), "minutes": settings.minutes}
    with TemporaryDirectory() as folder:
        found["without_speech"] = measure_noise(settings, Path(folder))
        found["speech"] = measure_speech(settings, Path(folder))
    write_measured(settings.output, found)
    say("\n" + tables(found))


def silence(rng: np.random.Generator) -> np.ndarray:
    """A quiet room: the last bits of a sound card."""
    return rng.normal(0, 3e-5, BLOCK)


def white_noise(rng: np.random.Generator) -> np.ndarray:
    """Each sample for itself, at another loudness each minute."""
    return rng.normal(0, rng.uniform(0.005, 0.1), BLOCK)


def pink_noise(rng: np.random.Generator) -> np.ndarray:
    """Equal power in each octave."""
    spectrum = np.fft.rfft(rng.normal(0, 1, BLOCK))
    pink = np.fft.irfft(spectrum / np.sqrt(np.arange(1, len(spectrum) + 1)), BLOCK)
    return rng.uniform(0.02, 0.1) * pink / pink.std()


def music(rng: np.random.Generator) -> np.ndarray:
    """Chords, an arpeggio, a bass, a tune with vibrato, and drums."""
    beat = 60 / rng.uniform(70, 140)
    root = 110 * 2 ** (rng.integers(12) / 12)
    minor = rng.random() < 0.5
    thirds = (0, 3, 7) if minor else (0, 4, 7)
    sound = np.zeros(BLOCK + RATE * 8)
    for number, start in enumerate(np.arange(0, 60, beat)):
        step = (0, 5, 7, 3 if minor else 9)[number // 4 % 4]
        chord = [root * 2 ** ((step + third) / 12) for third in thirds]
        if number % 4 == 0:
            for tone in chord:
                _add(sound, start, _tone(rng, 2 * tone, 4 * beat, 6, 0.05))
            _add(sound, start, _tone(rng, chord[0] / 2, 2 * beat, 3, 0.12))
        for part in range(4):
            tone = chord[(number + part) % 3] * 4
            _add(sound, start + part * beat / 4, _tone(rng, tone, beat / 4, 4, 0.05))
        if rng.random() < 0.6:
            tune = root * 4 * 2 ** (rng.choice([0, 2, 3, 5, 7, 10, 12]) / 12)
            _add(sound, start, _tone(rng, tune, beat * rng.choice([0.5, 1, 2]), 8, 0.08, 0.006))
        _add(sound, start, _drum(rng, number))
        _add(sound, start + beat / 2, _drum(rng, -1))
    return 0.7 * sound[:BLOCK] / np.abs(sound).max()


VOWELS = ((800, 1150, 2900), (350, 2000, 2800), (450, 800, 2830), (325, 700, 2700))


def choir(rng: np.random.Generator) -> np.ndarray:
    """Vowels held by three voices, which sound like singing without words."""
    sound = np.zeros(BLOCK + RATE * 8)
    root = 110 * 2 ** (rng.integers(12) / 12)
    start = 0.0
    while start < 60:
        seconds = rng.uniform(1.5, 5)
        vowel = VOWELS[rng.integers(len(VOWELS))]
        for interval in (0, 4, 7):
            pitch = root * 2 ** ((rng.choice([0, 2, 5, 7]) + interval) / 12)
            _add(sound, start, _sung(rng, pitch, seconds, vowel))
        start += seconds
    return 0.5 * sound[:BLOCK] / np.abs(sound).max()


def _sung(
    rng: np.random.Generator, pitch: float, seconds: float, vowel: Sequence[int]
) -> np.ndarray:
    """A voice: partials that are loud near the vowel's formants."""
    times = np.arange(round(seconds * RATE)) / RATE
    turn = 2 * np.pi * pitch * (times + 0.01 / 35 * np.sin(2 * np.pi * 5.5 * times))
    total = np.zeros(len(times))
    for n in range(1, int(4000 / pitch)):
        near = sum(1 / (1 + ((n * pitch - formant) / 90) ** 2) for formant in vowel)
        total += (near + 0.02) / n**0.5 * np.sin(n * turn + rng.uniform(0, 6))
    return total * np.minimum(1, times / 0.1) * np.minimum(1, (seconds - times) / 0.2)


def _tone(
    rng: np.random.Generator,
    pitch: float,
    seconds: float,
    partials: int,
    loudness: float,
    vibrato: float = 0.0,
) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    turn = 2 * np.pi * pitch * (times + vibrato / 35 * np.sin(2 * np.pi * 5.5 * times))
    waves = [
        np.sin(n * turn + rng.uniform(0, 6)) / n
        for n in range(1, partials + 1)
        if n * pitch < RATE / 2
    ]
    envelope = np.minimum(1, times / 0.01) * np.exp(-2 * times / seconds)
    return loudness * envelope * np.sum(waves, axis=0)


def _drum(rng: np.random.Generator, beat: int) -> np.ndarray:
    """Bass drum, snare, or (-1) hi-hat."""
    times = np.arange(RATE // 5) / RATE
    if beat < 0:
        return 0.05 * np.diff(rng.normal(0, 1, len(times) + 1)) * np.exp(-60 * times)
    if beat % 2:
        return 0.15 * rng.normal(0, 1, len(times)) * np.exp(-25 * times)
    return 0.6 * np.sin(2 * np.pi * 50 * times + 20 * np.exp(-30 * times)) * np.exp(-15 * times)


def _add(sound: np.ndarray, start: float, part: np.ndarray) -> None:
    first = round(start * RATE)
    sound[first : first + len(part)] += part[: max(0, len(sound) - first)]


def recorded_noise(data: Path) -> Sound:
    """Recordings of rooms and streets, one after another at changing loudness."""
    from utils.audio.clip import AudioRef
    from utils.audio.load import load_audio

    clips = [load_audio(AudioRef(str(data / "noise" / f"{name}.wav"))) for name in NOISES]

    def draw(rng: np.random.Generator) -> np.ndarray:
        parts: list[np.ndarray] = []
        while sum(map(len, parts)) < BLOCK:
            clip = clips[rng.integers(len(clips))]
            parts.append(clip * rng.uniform(0.1, 0.9) / max(np.abs(clip).max(), 1e-6))
        return np.concatenate(parts)[:BLOCK]

    return draw


def measure_noise(settings: LongNoiseSettings, folder: Path) -> dict[str, Any]:
    """Words, seconds and memory of each recording without speech."""
    from utils.scoring.metrics.mer import characters_and_words

    sounds: dict[str, Sound] = {
        **{"silence": silence, "white noise": white_noise, "pink noise": pink_noise},
        **{"recorded noise": recorded_noise(settings.data), "music": music, "choir": choir},
    }
    found = {}
    for name, draw in sounds.items():
        path = folder / f"{name.replace(' ', '_')}.flac"
        rng = np.random.default_rng(0)
        with soundfile.SoundFile(path, "w", RATE, 1) as file:
            for _ in range(settings.minutes):
                file.write(draw(rng).astype(np.float32))
        texts, cost = transcribe(path, settings.model, folder / path.stem)
        path.unlink()
        (text,) = texts.values()
        found[name] = {"words": len(characters_and_words(text)), "text": text[:2000], **cost}
        say(f"{name}: {found[name]['words']} words, {cost['seconds']:.0f} s")
    return found


def transcribe(
    audio: Path, model: Path, folder: Path, flags: Sequence[str] = ()
) -> tuple[dict[str, str], dict[str, float]]:
    """Run infer.py; return the texts by the files' names, and what it cost.

    Raises:
        Failure: infer.py ended with an error.
    """
    command = [f"--audio_path={audio}", f"--model_path={model}", f"--output_dir={folder}"]
    command += ["--output_format=json", "--verbose=False", *flags]
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "infer.py", *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise Failure(f"infer.py {' '.join(command)} ended with {status}")
    texts = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))["text"]
        for path in folder.glob("*.json")
    }
    peak = usage.ru_maxrss * 1024  # kilobytes on Linux
    return texts, {"seconds": seconds, "cpu_seconds": usage.ru_utime, "peak_bytes": peak}


def measure_speech(settings: LongNoiseSettings, folder: Path) -> dict[str, Any]:
    """Error rates of each set of speech with the defaults and without what guards them."""
    return {
        name: {
            kind: dict(_errors(name, kind, flags, settings, folder))
            for kind, flags in (("default", ()), ("without", WITHOUT))
        }
        for name in SPEECH
    }


def _errors(
    name: str, kind: str, flags: Sequence[str], settings: LongNoiseSettings, folder: Path
) -> Iterator[tuple[str, Any]]:
    from utils.manifest.languages import language_code
    from utils.manifest.read import read_manifest
    from utils.scoring.normalizers import choose_normalizer
    from utils.scoring.predictions import Prediction
    from utils.scoring.score import score_predictions

    utterances = list(read_manifest(settings.data / name / "all.jsonl"))
    texts, cost = transcribe(settings.data / name, settings.model, folder / name / kind, flags)
    predictions = [
        Prediction(
            each.id,
            each.sentence,
            texts[Path(each.audio.path).stem],
            language_code(str(each.language)),
        )
        for each in utterances
    ]
    score = score_predictions(
        predictions,
        "mer",
        lambda each: choose_normalizer(each.language, remove_pun=True, to_simple=True),
    )
    yield from {
        "rate": score.counts.rate,
        "errors": score.counts.errors,
        "tokens": score.counts.reference_tokens,
        "utterances": len(predictions),
        **cost,
    }.items()
    say(f"{name} ({kind}): {score.counts.rate:.2%}")


def tables(found: dict[str, Any]) -> str:
    """The tables of docs/inference.md."""
    length = f"{found['minutes']} minutes"
    noise = [
        [name, str(row["words"]), f"{row['seconds']:.0f} s", f"{row['peak_bytes'] / 1e6:.0f} MB"]
        for name, row in found["without_speech"].items()
    ]
    total = sum(row["words"] for row in found["without_speech"].values())
    speech = [
        [
            f"{name} ({rows['default']['tokens']} tokens)",
            *(percent(rows[kind]["rate"]) for kind in ("default", "without")),
        ]
        for name, rows in found["speech"].items()
    ]
    return "\n\n".join(
        [
            markdown_table([f"{length} of", "words written", "time", "peak memory"], noise),
            f"Words in all: {total}.",
            markdown_table(["speech", "error rate", "without voice detector and fallback"], speech),
        ]
    )


if __name__ == "__main__":
    sys.exit(run_script(main))
