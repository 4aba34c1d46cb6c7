"""Does a converted model say what the original says? Asked of the program that is to read it.

Both transcribe the same clips greedily, each in a window of 30 s, with the same tokens suppressed.
Tokens are compared, and where the program shows its logits these too, as far as the tokens agree.

S samples (16 kHz), T tokens, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein

from utils.audio.features import WINDOW_FRAMES, pad_samples
from utils.audio.load import load_audio
from utils.cli.errors import Failure
from utils.data.labels import LabelEncoder
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel
from utils.transcription.engines.greedy import GreedyDecoder
from utils.transcription.engines.transformers import TransformersEngine

MOST_TOKENS = 200
"""Longest answer that is compared: every program allows at least so many."""
FEWEST_CHARACTERS = 200
"""One word that is as likely as another condemns no model that was asked for one sentence."""
NAMED_CLIPS = 5
LIMITS = {32: 0.0, 16: 0.02, 8: 0.10, 5: 0.25, 4: 0.25}
"""Characters that may come out otherwise, by bits of a weight, as a share of the original's."""


@dataclass(frozen=True)
class Parity:
    """How far the new form says the same as the original.

    Attributes:
        clips: how many were transcribed by both.
        equal: how many came out with the same token ids.
        differing: the clips that did not, as (id, original text, new text).
        error_rate: edits from the original texts to the new ones, over the original's characters.
        characters: of the original texts.
        limit: largest error rate of a model that counts as converted; of fewer than
            FEWEST_CHARACTERS it counts as of so many.
        largest_logit_difference: over the tokens that agree; None where the program shows no
            logits.
        original_seconds: of transcribing the clips, one by one, with the original.
        seconds: the same with the program that reads the new form.
        original_bytes: of the original's weights in float32.
        bytes: of the new folder.
    """

    clips: int
    equal: int
    differing: tuple[tuple[str, str, str], ...] = ()
    error_rate: float = 0.0
    characters: int = 0
    limit: float = 0.0
    largest_logit_difference: float | None = None
    original_seconds: float = 0.0
    seconds: float = 0.0
    original_bytes: int = 0
    bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """What stands beside the model, in conversion.json."""
        return asdict(self)

    def expect_same(self) -> None:
        """Hold the new form to its limit.

        Raises:
            Failure: it says something else than the original.
        """
        inexact = self.limit == 0 and self.equal != self.clips
        edits = self.error_rate * self.characters
        if not inexact and edits <= self.limit * max(self.characters, FEWEST_CHARACTERS):
            return
        name, said, now = self.differing[0]
        raise Failure(
            f"the converted model says something else on {self.clips - self.equal} of "
            f"{self.clips} clips ({self.error_rate:.1%} of the characters, at most "
            f"{self.limit:.1%} is expected); on {name}: {now!r} instead of {said!r}",
            "Nothing was written. Try a --quantization with more bits; with float32 please report "
            "this with the model's config.json.",
        )


def describe(parity: Parity) -> list[str]:
    """What the user is told of a conversion, line by line."""
    difference = parity.largest_logit_difference
    lines = [f"says the same on {parity.equal} of {parity.clips} clips"]
    if difference is not None:
        lines[0] += f"; the largest difference of a logit is {difference:.2g}"
    for clip, said, now in parity.differing[:NAMED_CLIPS]:
        lines.append(f"  {clip}: {said!r} became {now!r}")
    if parity.differing:
        lines.append(
            f"{parity.error_rate:.2%} of the characters differ; at most {parity.limit:.0%} is "
            "allowed"
        )
    lines.append(
        f"{parity.original_bytes / 1e6:.1f} MB of float32 weights became a folder of "
        f"{parity.bytes / 1e6:.1f} MB; the clips took {parity.seconds:.1f} s, "
        f"{parity.original_seconds:.1f} s with the original"
    )
    return lines


@dataclass(frozen=True)
class Question:
    """A clip to transcribe.

    Attributes:
        id: of the utterance.
        samples: float32 `(S,)`, padded to 30 s.
        language: code; of no meaning to `.en` models.
        prompt: the tokens before the answer.
    """

    id: str
    samples: np.ndarray
    language: str
    prompt: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What a program said.

    Attributes:
        ids: new tokens without end-of-text, in the program's own numbers.
        seconds: how long it took.
        logits: float `(T, V)`, of each token and of end-of-text; None where it shows none.
    """

    ids: tuple[int, ...]
    seconds: float
    logits: np.ndarray | None = None


class Reader(Protocol):
    """The program that the new form is for, with the new form loaded.

    Attributes:
        suppressed: ids that it never says, in the original's numbers.
        suppressed_first: ids that it does not say first.
        rows: for each of its ids the original's; None where they are the same.
    """

    suppressed: Sequence[int]
    suppressed_first: Sequence[int]
    rows: Sequence[int] | None

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """Transcribe greedily, one after another."""


def limit_of(quantization: str) -> float:
    """The largest error rate of a form of weights: `q5_0`, `int8_float16`, `float32`, ..."""
    digits = "".join(c if c.isdigit() else " " for c in quantization).split()
    return LIMITS[min(int(d) for d in digits if int(d) in LIMITS)]


def ask(loaded: LoadedModel, clips: Sequence[Utterance]) -> list[Question]:
    """The questions that clips of at most 30 s make.

    Args:
        loaded: the original.
        clips: utterances; one that names no language counts as English.
    """
    encoder = loaded.label_encoder(language="en")
    questions = []
    for clip in clips:
        samples = pad_samples([load_audio(clip.audio)], WINDOW_FRAMES)[0].numpy()
        prompt = tuple(encoder.prompt(clip.language))
        questions.append(Question(clip.id, samples, clip.language or "en", prompt))
    return questions


@dataclass(frozen=True)
class Pair:
    """One clip, transcribed by both.

    Attributes:
        id: of the utterance.
        said: the original's text.
        now: the new form's text.
        same: whether all tokens are equal.
        original_seconds: the original's time.
        seconds: the new form's time.
        logit_difference: as of `Parity`.
    """

    id: str
    said: str
    now: str
    same: bool
    original_seconds: float
    seconds: float
    logit_difference: float | None


def compare(loaded: LoadedModel, reader: Reader, clips: Sequence[Utterance]) -> Parity:
    """Let both transcribe clips, and count; see `transcribe_both` and `summarize`."""
    return summarize(list(transcribe_both(Original(loaded), reader, clips)))


def transcribe_both(
    original: Original, reader: Reader, clips: Sequence[Utterance]
) -> Iterator[Pair]:
    """Let both transcribe clips.

    Args:
        original: the model before the conversion.
        reader: of the converted model.
        clips: utterances of at most 30 s.
    """
    loaded = original.engine.loaded
    encoder = loaded.label_encoder()
    questions = ask(loaded, clips)
    for question, new in zip(questions, reader.answers(questions), strict=True):
        old = original.answer(question, reader.suppressed, reader.suppressed_first)
        ids = _renumbered(new.ids, reader.rows)
        yield Pair(
            question.id,
            encoder.decode(old.ids),
            encoder.decode(ids),
            ids == old.ids,
            old.seconds,
            new.seconds,
            _logit_difference(old, ids, new.logits, reader.rows),
        )


def summarize(pairs: Sequence[Pair]) -> Parity:
    """Count what came out otherwise; sizes and limit are not filled in."""
    edits = sum(Levenshtein.distance(pair.said, pair.now) for pair in pairs)
    characters = sum(len(pair.said) for pair in pairs)
    shown = [pair.logit_difference for pair in pairs if pair.logit_difference is not None]
    return Parity(
        clips=len(pairs),
        equal=sum(pair.same for pair in pairs),
        differing=tuple((pair.id, pair.said, pair.now) for pair in pairs if not pair.same),
        error_rate=edits / max(characters, 1),
        characters=characters,
        largest_logit_difference=max(shown) if shown else None,
        original_seconds=sum(pair.original_seconds for pair in pairs),
        seconds=sum(pair.seconds for pair in pairs),
    )


class Original:
    """The model before the conversion, decoded with what another program suppresses.

    Args:
        loaded: a whole Whisper.
        keep: whether what the encoder made of a clip is kept for the next program; 3 MB a clip in
            whisper-base.
    """

    def __init__(self, loaded: LoadedModel, *, keep: bool = False) -> None:
        self.engine = TransformersEngine(loaded)
        self.keep = keep
        self.kept: dict[str, tuple[torch.Tensor, float]] = {}

    def answer(
        self, question: Question, suppressed: Sequence[int], suppressed_first: Sequence[int]
    ) -> Answer:
        """Greedy ids and logits `(T, V)` of a clip; -inf where suppressed."""
        logits: list[torch.Tensor] = []

        def keep(_: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
            logits.append(row[0].clone())
            return row

        engine = self.engine
        states, encoding = self._encode(question)
        began = time.perf_counter()
        greedy = GreedyDecoder(engine.whisper, engine.tokens.end, suppressed, suppressed_first)
        room = room_after(question.prompt, engine.max_length)
        ids = greedy.decode(states, torch.tensor([question.prompt]), room, keep)[0]
        seconds = encoding + time.perf_counter() - began
        return Answer(tuple(ids), seconds, torch.stack(logits).numpy())

    def _encode(self, question: Question) -> tuple[torch.Tensor, float]:
        """The encoder's output, and the seconds that it took."""
        if question.id in self.kept:
            return self.kept[question.id]
        began = time.perf_counter()
        engine = self.engine
        states = engine.encode(engine.log_mel(torch.from_numpy(question.samples)[None])).hidden
        found = states, time.perf_counter() - began
        if self.keep:
            self.kept[question.id] = found
        return found


def room_after(prompt: Sequence[int], max_length: int) -> int:
    """Most tokens of an answer, after a prompt, in a model's `max_length`."""
    return min(max_length - len(prompt), MOST_TOKENS)


def suppressed_by(loaded: LoadedModel) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What a model's own generation settings suppress: always, and at first."""
    known = loaded.whisper.generation_config
    return tuple(known.suppress_tokens or ()), tuple(known.begin_suppress_tokens or ())


def start_of_sequence_ids(encoder: LabelEncoder) -> tuple[int, ...]:
    """The special tokens that no program lets a model say."""
    names = ("startoftranscript", "translate", "transcribe", "startoflm", "startofprev")
    special = encoder.special_ids
    wanted = [f"<|{name}|>" for name in (*names, "nospeech", "nocaptions")]
    return tuple(special[name] for name in wanted if name in special)


def folder_bytes(folder: Path) -> int:
    """Size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _renumbered(ids: tuple[int, ...], rows: Sequence[int] | None) -> tuple[int, ...]:
    return ids if rows is None else tuple(rows[token] for token in ids)


def _logit_difference(
    old: Answer, ids: tuple[int, ...], new: np.ndarray | None, rows: Sequence[int] | None
) -> float | None:
    """The largest difference up to the first token that is another one."""
    if new is None or old.logits is None:
        return None
    agreeing = next(
        (n for n, (a, b) in enumerate(zip(old.ids, ids, strict=False)) if a != b),
        min(len(old.ids), len(ids)),
    )
    count = min(agreeing + 1, len(old.logits), len(new))
    a = old.logits[:count] if rows is None else old.logits[:count][:, list(rows)]
    b = np.asarray(new[:count], dtype=np.float32)
    both = np.isfinite(a) & np.isfinite(b)
    return float(np.abs(a[both] - b[both]).max()) if both.any() else 0.0
