"""A batch of windows to answers: prompts, search, and attempts at rising temperatures.

B batch, T tokens.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from utils.data.labels import LabelEncoder
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import DecodingResult, Engine, Search, States
from utils.transcription.loops import ends_in_loop
from utils.transcription.transcript import compression_ratio


@dataclass(frozen=True)
class Request:
    """What is asked about a window.

    Attributes:
        id: of the clip or recording; the numbers of the sampling depend on it.
        language: code; None only for an English model.
        task: "transcribe", "translate" or None for that of the decoding.
        previous: text that is given as what came before.
    """

    id: str
    language: str | None
    task: str | None = None
    previous: str | None = None


class Answers:
    """Decodes windows.

    Args:
        engine: the model.
        encoder: for prompts and text.
        decoding: how.

    Attributes:
        tokens: ids generated so far, silence and repeated attempts included.
    """

    def __init__(self, engine: Engine, encoder: LabelEncoder, decoding: Decoding) -> None:
        self.engine = engine
        self.encoder = encoder
        self.decoding = decoding
        self.tokens = 0

    def find(
        self, requests: Sequence[Request], states: States, *, timed: bool
    ) -> list[DecodingResult]:
        """The answer of each row; without ids where nothing is said."""
        prompts = [
            self.encoder.prompt(
                each.language, each.task, timestamps=timed, previous=each.previous or None
            )
            for each in requests
        ]
        found: dict[int, DecodingResult] = {}
        # An engine takes prompts of one length at a time.
        for length in sorted({len(prompt) for prompt in prompts}):
            rows = [row for row, prompt in enumerate(prompts) if len(prompt) == length]
            part = states if len(rows) == len(prompts) else self.engine.select(states, rows)
            asked = [requests[row] for row in rows]
            answers = self._find(asked, part, torch.tensor([prompts[row] for row in rows]), timed)
            found.update(zip(rows, answers, strict=True))
        results = [found[row] for row in range(len(requests))]
        return [replace(each, ids=()) if self._is_silence(each) else each for each in results]

    def _find(
        self, requests: Sequence[Request], states: States, prompts: torch.Tensor, timed: bool
    ) -> list[DecodingResult]:
        settings, positions = self.decoding, self.engine.max_positions
        room = min(self.engine.max_length or positions, positions - prompts.shape[1])
        if not any(each.previous for each in requests):
            room = min(room, (self.engine.max_length or positions) - prompts.shape[1])
        search = Search(
            max_new_tokens=max(1, min(settings.max_new_tokens or room, room)),
            num_beams=settings.num_beams,
            timestamps=timed,
            temperature=settings.temperature,
            confidence=settings.temperature_fallback or settings.temperature > 0,
            best_of=settings.best_of,
            patience=settings.patience,
            length_penalty=settings.length_penalty,
            suppressed=settings.suppress_tokens,
            stop_loops=settings.temperature_fallback,
        )
        if settings.temperature > 0:
            search = replace(search, **self._seeds(settings.temperature, requests))
        found = self.engine.generate(states, prompts, search)
        self.tokens += sum(len(each.ids) for each in found)
        if settings.temperature_fallback:
            found = self._with_fallback(found, requests, states, prompts, search)
        return found

    def _with_fallback(
        self,
        found: list[DecodingResult],
        requests: Sequence[Request],
        states: States,
        prompts: torch.Tensor,
        search: Search,
    ) -> list[DecodingResult]:
        """Decode the rows whose text looks wrong again, at rising temperatures."""
        attempts = [[each] for each in found]
        for temperature in self.decoding.fallback_temperatures:
            wrong = [place for place, each in enumerate(attempts) if self._looks_wrong(each[-1])]
            if not wrong:
                break
            seeds = self._seeds(temperature, [requests[place] for place in wrong])
            again = replace(search, num_beams=1, temperature=temperature, **seeds)
            retried = self.engine.generate(self.engine.select(states, wrong), prompts[wrong], again)
            self.tokens += sum(len(each.ids) for each in retried)
            for place, each in zip(wrong, retried, strict=True):
                attempts[place].append(each)
        return [self._best(each) for each in attempts]

    def _best(self, attempts: Sequence[DecodingResult]) -> DecodingResult:
        """The attempt that is kept: as faster-whisper chooses."""
        if not self._looks_wrong(attempts[-1]):
            return attempts[-1]
        plain = [each for each in attempts if not self._repeats(each)]
        return max(plain, key=lambda each: each.mean_logprob) if plain else attempts[-1]

    def _seeds(self, temperature: float, requests: Sequence[Request]) -> dict[str, Any]:
        """The same numbers are drawn whatever was decoded before, and on any process."""

        def seed(names: Sequence[str]) -> int:
            text = "\0".join(names)
            return zlib.crc32(f"{self.decoding.seed} {temperature} {text}".encode())

        names = [each.id for each in requests]
        return {"seed": seed(names), "seeds": tuple(seed([name]) for name in names)}

    def _looks_wrong(self, found: DecodingResult) -> bool:
        """Whether text repeats itself or is unlikely; silence is neither."""
        if self._is_silence(found):
            return False
        return self._repeats(found) or found.mean_logprob < self.decoding.logprob_threshold

    def _repeats(self, found: DecodingResult) -> bool:
        """Whether text repeats itself: as tokens at its end, or so that zlib shrinks it."""
        ratio = compression_ratio(self.encoder.decode(found.ids))
        return ratio > self.decoding.compression_ratio_threshold or ends_in_loop(found.ids)

    def _is_silence(self, found: DecodingResult) -> bool:
        settings = self.decoding
        return (
            settings.temperature_fallback
            and found.no_speech > settings.no_speech_threshold
            and found.mean_logprob < settings.logprob_threshold
        )
