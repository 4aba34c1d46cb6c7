"""A batch of windows to answers: prompts, search, and attempts at rising temperatures.

B batch, T tokens.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from utils.data.labels import LabelEncoder
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import DecodingResult, Engine, Search, States
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
        )
        if settings.temperature > 0:
            search = replace(search, seed=self._seed(settings.temperature, requests))
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
        for temperature in self.decoding.fallback_temperatures:
            wrong = [place for place, each in enumerate(found) if self._looks_wrong(each)]
            if not wrong:
                break
            seed = self._seed(temperature, [requests[place] for place in wrong])
            again = replace(search, num_beams=1, temperature=temperature, seed=seed)
            retried = self.engine.generate(self.engine.select(states, wrong), prompts[wrong], again)
            self.tokens += sum(len(each.ids) for each in retried)
            for place, each in zip(wrong, retried, strict=True):
                found[place] = each
        return found

    def _seed(self, temperature: float, requests: Sequence[Request]) -> int:
        """The same numbers are drawn whatever was decoded before, and on any process."""
        names = "\0".join(each.id for each in requests)
        return zlib.crc32(f"{self.decoding.seed} {temperature} {names}".encode())

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
