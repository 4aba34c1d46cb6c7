"""What a live connection asked for: OpenAI's session object, read and checked."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import soundfile

from utils.audio.clip import Seconds
from utils.serving.errors import Refused

DEFAULT_RATE = 24_000
_RATES = range(8_000, 48_001)
# Names of formats in today's sessions and in those of the first version.
_ENCODINGS = {
    "audio/pcm": "PCM_16",
    "audio/pcmu": "ULAW",
    "audio/pcma": "ALAW",
    "pcm16": "PCM_16",
    "g711_ulaw": "ULAW",
    "g711_alaw": "ALAW",
}


@dataclass(frozen=True)
class Turns:
    """When the server decides that a speaker has finished.

    Attributes:
        threshold: how probable speech must be where it begins, 0 to 1.
        padding: seconds before the speech that belong to it.
        silence: seconds without speech that end it.
    """

    threshold: float = 0.5
    padding: Seconds = 0.3
    silence: Seconds = 0.5


@dataclass(frozen=True)
class Session:
    """A session's settings.

    Attributes:
        encoding: of the sound, as libsndfile calls it.
        rate: of the sound in Hz.
        model: name; None is the default.
        language: as stated; None detects it.
        prompt: text that is given as what came before.
        turns: None where the client says when a turn ends.
        shown: the session as it is told to the client.
    """

    encoding: str = "PCM_16"
    rate: int = DEFAULT_RATE
    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    turns: Turns | None = Turns()
    shown: Mapping[str, Any] = field(default_factory=dict)

    def updated(self, event: Mapping[str, Any]) -> Session:
        """The session after a `session.update` or `transcription_session.update`.

        Raises:
            Refused: a field has a value that cannot be.
        """
        given = event.get("session")
        if not isinstance(given, Mapping):
            raise Refused(422, "session.update has no object session", "session")
        audio = _object(given, "audio")
        source = {**given, **_object(audio, "input")}
        changed: dict[str, Any] = {}
        sound = source.get("format", source.get("input_audio_format"))
        if sound is not None:
            changed["encoding"], changed["rate"] = _format_of(sound)
        named = source.get("transcription", source.get("input_audio_transcription"))
        if isinstance(named, Mapping):
            for name in ("model", "language", "prompt"):
                if name in named:
                    changed[name] = _text(named, name)
        if "turn_detection" in source:
            changed["turns"] = _turns(source["turn_detection"])
        return replace(self, **changed)

    def samples(self, encoded: Any) -> np.ndarray:
        """The samples of an `input_audio_buffer.append`: float32 `(num_samples,)` at `rate`.

        Raises:
            Refused: it is no base64, or no whole samples.
        """
        try:
            content = base64.b64decode(encoded if isinstance(encoded, str) else b"!", validate=True)
        except (ValueError, binascii.Error):
            raise Refused(422, "audio is not base64", "audio") from None
        if not content:
            return np.zeros(0, np.float32)
        if self.encoding == "PCM_16":
            if len(content) % 2:
                raise Refused(422, "audio holds half a sample of 16 bits", "audio")
            return np.frombuffer(content, "<i2").astype(np.float32) / 32768.0
        samples: np.ndarray = soundfile.read(
            io.BytesIO(content),
            dtype="float32",
            format="RAW",
            subtype=self.encoding,
            samplerate=self.rate,
            channels=1,
        )[0]
        return samples

    def to_json(self, name: str, model: str) -> dict[str, Any]:
        """The session object of `session.created` and `session.updated`."""
        names = {"PCM_16": "audio/pcm", "ULAW": "audio/pcmu", "ALAW": "audio/pcma"}
        turns = self.turns and {
            "type": "server_vad",
            "threshold": self.turns.threshold,
            "prefix_padding_ms": round(1000 * self.turns.padding),
            "silence_duration_ms": round(1000 * self.turns.silence),
        }
        return {
            "id": name,
            "object": "realtime.transcription_session",
            "type": "transcription",
            "audio": {
                "input": {
                    "format": {"type": names[self.encoding], "rate": self.rate},
                    "transcription": {
                        "model": model,
                        "language": self.language,
                        "prompt": self.prompt,
                    },
                    "turn_detection": turns,
                    "noise_reduction": None,
                }
            },
        }


def _object(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, Mapping) else {}


def _text(holder: Mapping[str, Any], name: str) -> str | None:
    value = holder[name]
    if value is not None and not isinstance(value, str):
        raise Refused(422, f"{name} is {value!r}, expected text", name)
    return value


def _format_of(value: Any) -> tuple[str, int]:
    kind = value.get("type", "audio/pcm") if isinstance(value, Mapping) else value
    if not isinstance(kind, str) or kind not in _ENCODINGS:
        raise Refused(
            422, f"format is {str(kind)[:50]!r}; known: {', '.join(_ENCODINGS)}", "format"
        )
    encoding = _ENCODINGS[kind]
    rate = DEFAULT_RATE if encoding == "PCM_16" else 8_000
    if isinstance(value, Mapping) and value.get("rate") is not None and encoding == "PCM_16":
        rate = value["rate"]
    if type(rate) is not int or rate not in _RATES:
        raise Refused(422, f"rate is {str(rate)[:50]}, expected 8000 to 48000 Hz", "rate")
    return encoding, rate


def _turns(value: Any) -> Turns | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise Refused(422, "turn_detection is no object", "turn_detection")
    known = Turns()
    return Turns(
        _number(value, "threshold", known.threshold, 1.0),
        _number(value, "prefix_padding_ms", 1000 * known.padding, 5000) / 1000,
        _number(value, "silence_duration_ms", 1000 * known.silence, 10_000) / 1000,
    )


def _number(holder: Mapping[str, Any], name: str, default: float, most: float) -> float:
    value = holder.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise Refused(422, f"{name} is {str(value)[:50]}, expected 0 to {most:g}", name)
    return float(value)
