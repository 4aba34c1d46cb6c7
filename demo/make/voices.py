"""Speech from text with espeak-ng: the speakers of the base and demo corpora."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from scipy.signal import resample_poly

from utils.cli.errors import UserError

SAMPLE_RATE = 16000
# Chinese characters go through espeak's pinyin table: its plain `cmn` voice spells some in English.
_ACCENTS = {"zh": "cmn-latn-pinyin", "en": "en-us"}
_SILENCE_LEVEL = 150  # of 32768: below it nothing is heard before and after the words
_MARGIN = 0.02  # seconds kept around the words


@dataclass(frozen=True)
class Speaker:
    """One espeak-ng voice: accent, timbre (`variant`), pitch (0 to 99), speed (words a minute)."""

    name: str
    accent: str
    variant: str = ""
    pitch: int = 50
    speed: int = 175

    @property
    def voice(self) -> str:
        """The voice as espeak-ng's `-v` takes it."""
        return f"{self.accent}+{self.variant}" if self.variant else self.accent


def require_espeak() -> None:
    """Check that the program is there.

    Raises:
        UserError: `espeak-ng` is not installed.
    """
    if shutil.which("espeak-ng") is None:
        raise UserError(
            "the program espeak-ng, which makes the demo's speech, was not found on the PATH",
            "install it: `apt-get install espeak-ng` (Debian, Ubuntu) or "
            "`brew install espeak-ng` (macOS)",
        )


def espeak_version() -> str:
    """Return the first words of `espeak-ng --version`."""
    done = subprocess.run(["espeak-ng", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split("Data at")[0].strip()


def speak(text: str, speaker: Speaker) -> np.ndarray:
    """Synthesise a sentence.

    Returns:
        int16 `(num_samples,)`, 16 kHz, cut to the words with 20 ms around them.

    Raises:
        ValueError: espeak-ng said nothing audible.
    """
    command = ["espeak-ng", "-v", speaker.voice, "-p", str(speaker.pitch), "-s", str(speaker.speed)]
    wav = subprocess.run([*command, "--stdout", text], capture_output=True, check=True).stdout
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    samples = resample_poly(samples, SAMPLE_RATE // 50, rate // 50)
    audible = np.flatnonzero(np.abs(samples) > _SILENCE_LEVEL / 32768)
    if audible.size == 0:
        raise ValueError(f"voice {speaker.voice} said nothing for {text!r}")
    margin = int(_MARGIN * SAMPLE_RATE)
    samples = samples[max(0, audible[0] - margin) : audible[-1] + margin]
    peak = max(1.0, float(np.abs(samples).max()) / 0.98)
    return (samples / peak * 32767).astype(np.int16)


# Many timbres, so that a new one is heard as speech; none of the demo's is among them.
BASE_VARIANTS: Sequence[str] = (
    *("", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5"),
    *("adam", "Alex", "Alicia", "Andrea", "Andy", "anika", "Annie", "antonio", "aunty", "benjamin"),
    *("caleb", "david", "Denis", "Diogo", "edward", "Gene", "grandma", "grandpa", "Henrique"),
    *("Hugo", "iven", "Jacky", "john", "Lee", "Marco", "Mario", "max", "Michael", "michel"),
    *("Mike", "norbert", "pablo", "paul", "quincy", "rob", "shelby", "victor", "zac"),
)


def base_speaker(language: str, rng: random.Random, suffix: str = "") -> Speaker:
    """Return a random speaker of the base corpus: plain accents, many timbres, moderate pitch."""
    accent = "en-gb" if language == "en" and rng.random() < 0.3 else _ACCENTS[language]
    variant = rng.choice(BASE_VARIANTS)
    pitch, speed = rng.randint(30, 70), rng.randint(*_SPEEDS[language])
    name = f"{language}-{variant or 'plain'}{suffix}"
    return Speaker(name, accent, variant, pitch, speed)


_SPEEDS = {"zh": (190, 260), "en": (140, 190)}

DEMO_SPEAKERS: dict[str, dict[str, tuple[Speaker, ...]]] = {
    "zh": {
        "train": (
            Speaker("zh-01", "cmn-latn-pinyin", "linda", 70, 215),
            Speaker("zh-02", "cmn-latn-pinyin", "boris", 25, 205),
            Speaker("zh-03", "cmn-latn-pinyin", "steph2", 60, 225),
            Speaker("zh-04", "cmn-latn-pinyin", "klatt4", 40, 210),
        ),
        "dev": (Speaker("zh-05", "cmn-latn-pinyin", "travis", 35, 215),),
        "test": (
            Speaker("zh-06", "cmn-latn-pinyin", "belinda", 65, 215),
            Speaker("zh-07", "cmn-latn-pinyin", "steph", 65, 215),
        ),
    },
    "en": {
        "train": (
            Speaker("en-01", "en-gb-scotland", "linda", 65, 160),
            Speaker("en-02", "en-029", "boris", 25, 165),
            Speaker("en-03", "en-gb-scotland", "klatt4", 40, 170),
            Speaker("en-04", "en-029", "steph2", 60, 160),
        ),
        "dev": (Speaker("en-05", "en-gb-scotland", "travis", 35, 165),),
        "test": (
            Speaker("en-06", "en-gb-scotland", "belinda", 65, 165),
            Speaker("en-07", "en-029", "klatt2", 35, 165),
        ),
    },
}
