"""Text to decoder input and labels, the one way for training and inference.

T is a number of tokens. A sequence is laid out as Whisper was trained:

    [<|startofprev|> previous text] <|startoftranscript|> <|zh|> <|transcribe|> <|notimestamps|> text <|endoftext|>
    `------------------------- prompt: given, not learned ----------------------------------' `-- target ------'

`decoder_input_ids` are prompt + target without its last token, so the start token stands there
exactly once; `labels` are the tokens that follow, -100 where the next token is part of the prompt.
"""  # noqa: E501 - the drawing reads best on one line

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES

IGNORED = -100  # torch's cross-entropy leaves these labels out
TIMESTAMP_STEP = 0.02  # seconds a timestamp token, two mel frames
LAST_TIMESTAMP = 1500  # steps from 0 to 30 s
SOT, EOT, SOP = "<|startoftranscript|>", "<|endoftext|>", "<|startofprev|>"
NO_TIMESTAMPS, FIRST_TIMESTAMP = "<|notimestamps|>", "<|0.00|>"
NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")  # the name before and after large-v3

TextIds = Mapping[str, Sequence[int]]
"""Token ids of texts as they are written, with the space before them."""
NO_IDS: TextIds = {}


@dataclass(frozen=True)
class Labels:
    """What the decoder reads and what it should say.

    Attributes:
        decoder_input_ids: `(T,)`, begins with the prompt.
        labels: `(T,)`, the next tokens; -100 where no loss is wanted.
    """

    decoder_input_ids: tuple[int, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.labels)


class LabelEncoder:
    """Turns utterances into labels with the special tokens of one tokenizer.

    Args:
        tokenizer: a Whisper tokenizer, slow or fast.
        language: code for utterances that state none.
        task: "transcribe" or "translate", for utterances that state none.
        timestamps: whether utterances with `sentences` are trained with timestamps.
        multilingual: False for `.en` models, whose prompt names neither language nor task.
        max_tokens: most tokens the decoder takes (`config.max_target_positions`).
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        language: str | None = None,
        task: str = "transcribe",
        timestamps: bool = False,
        multilingual: bool = True,
        max_tokens: int = 448,
    ) -> None:
        self.tokenizer = tokenizer
        self.language = language
        self.task = task
        self.timestamps = timestamps
        self.multilingual = multilingual
        self.max_tokens = max_tokens
        # Copying the whole vocabulary takes 40 ms, so the special tokens are kept apart.
        self.special_ids = {
            token: int(index)
            for token, index in tokenizer.get_vocab().items()
            if token.startswith("<|") and token.endswith("|>")
        }
        self.start = self._special(SOT)
        self.end = self._special(EOT)
        self.no_timestamps = self._special(NO_TIMESTAMPS)
        self.first_timestamp = self._special(FIRST_TIMESTAMP)
        self.last_timestamp = self.first_timestamp + LAST_TIMESTAMP
        # Tokens that were added to the model stand behind the timestamps.
        self.added_words = frozenset(
            int(index)
            for token, index in tokenizer.get_added_vocab().items()
            if int(index) > self.last_timestamp and token not in self.special_ids
        )

    @cached_property
    def signature(self) -> str:
        """All that decides about the labels of an utterance: equal for equal encoders."""
        shape = (self.language, self.task, self.timestamps, self.multilingual, self.max_tokens)
        words = hashlib.sha256(self.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
        return repr((*shape, words))

    def _special(self, *names: str) -> int:
        """Id of the first of the tokens that the tokenizer has as a special one."""
        for name in names:
            if name in self.special_ids:
                return self.special_ids[name]
        raise UserError(
            f"the tokenizer has no token {names[0]}",
            "A language that the model lacks needs --add_tokens, or a model that knows it. Without "
            "the others\nthis is no Whisper model.",
        )

    def text_ids(self, text: str, language: str | None, known: TextIds = NO_IDS) -> list[int]:
        """Token ids of plain text; special tokens spelled out in it stay text.

        Args:
            text: the words; white space at both ends is taken off.
            language: code; where words stand apart the text begins with a space, as Whisper
                writes it.
            known: of `tokenized`.
        """
        written = _written(text, language)
        if not written:
            return []
        ids = known.get(written)
        if ids is None:
            [ids] = self._plain_ids([written])
        if max(ids) < self.end or all(map(self.is_text, ids)):
            return list(ids)
        # Whisper's timestamps are no special tokens to its tokenizer, which splits only those.
        first, *others = written.split("<|")
        parts = [f"{first}<", *(f"|{each}<" for each in others[:-1]), f"|{others[-1]}"]
        return [each for part in self._plain_ids(parts) for each in part]

    def tokenized(self, utterances: Iterable[Utterance]) -> TextIds:
        """Token ids of all texts of some utterances, for `encode`.

        Together they take a fifth of the time that they take one by one.
        """
        written: dict[str, None] = {}
        for each in utterances:
            language = each.language or self.language
            timed = self.timestamps and each.sentences
            texts = [part.text for part in timed] if timed else [each.sentence]
            if each.prompt:
                texts.append(each.prompt)
            written.update((_written(text, language), None) for text in texts)
        return dict(zip(written, self._plain_ids(list(written)), strict=True))

    def _plain_ids(self, texts: list[str]) -> list[list[int]]:
        # What `tokenizer(texts, split_special_tokens=True)` does, in a third of the time. Every
        # call of the tokenizer itself sets these three as it needs them.
        backend = self.tokenizer.backend_tokenizer
        backend.encode_special_tokens = True
        backend.no_truncation()
        backend.no_padding()
        return [each.ids for each in backend.encode_batch_fast(texts, add_special_tokens=False)]

    def prompt(
        self,
        language: str | None = None,
        task: str | None = None,
        *,
        timestamps: bool = False,
        previous: str | None = None,
        known: TextIds = NO_IDS,
    ) -> list[int]:
        """The tokens given to the decoder before it speaks.

        Args:
            language: code; the encoder's own default if None.
            task: "transcribe" or "translate"; the encoder's own default if None.
            timestamps: whether the answer is to hold timestamps.
            previous: text that came before; cut from the left to 223 tokens.
            known: of `tokenized`.

        Raises:
            UserError: if no language is known, or the tokenizer lacks it.
        """
        language = language or self.language
        tokens: list[int] = []
        if previous and previous.strip():
            kept = self.max_tokens // 2 - 1  # as in the reference implementation
            tokens += [self._special(SOP), *self.text_ids(previous, language, known)[-kept:]]
        tokens.append(self.start)
        if self.multilingual:
            if language is None:
                raise UserError(
                    "the utterance names no language and the run has no --language",
                    "Give --language, or a language in every manifest line.",
                )
            tokens += [
                self._special(f"<|{language}|>"),
                self._special(f"<|{task or self.task}|>"),
            ]
        return tokens if timestamps else [*tokens, self.no_timestamps]

    def timestamp(self, seconds: float) -> int:
        """Token id of a time, rounded to 20 ms and held within 0 to 30 s."""
        step = round(seconds / TIMESTAMP_STEP)
        return self.first_timestamp + min(max(step, 0), LAST_TIMESTAMP)

    def is_text(self, token: int) -> bool:
        """Whether a token is part of the text: neither special nor a timestamp."""
        return token < self.end or token in self.added_words

    def encode(self, utterance: Utterance, known: TextIds = NO_IDS) -> Labels:
        """Decoder input and labels of one utterance.

        A no-speech utterance (empty text) is taught both ways Whisper has of saying so: the
        no-speech token right after the start, and an answer that ends at once.

        Args:
            utterance: what is said, in which language.
            known: of `tokenized`, where many are encoded.

        Raises:
            UserError: if its language or task is not in the tokenizer.
        """
        language = utterance.language or self.language
        timed = self.timestamps and bool(utterance.sentences)
        prompt = self.prompt(
            language, utterance.task, timestamps=timed, previous=utterance.prompt, known=known
        )
        if timed:
            target = self._timed_ids(utterance, language, known)
        else:
            target = self.text_ids(utterance.sentence, language, known)
        labels = [IGNORED] * (len(prompt) - 1) + target + [self.end]
        if not target:
            labels[prompt.index(self.start)] = self._special(*NO_SPEECH)
        return Labels(tuple(prompt + target), tuple(labels))

    def _timed_ids(self, utterance: Utterance, language: str | None, known: TextIds) -> list[int]:
        ids: list[int] = []
        for sentence in utterance.sentences or ():
            text = self.text_ids(sentence.text, language, known)
            ids += [self.timestamp(sentence.start), *text, self.timestamp(sentence.end)]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Plain text of generated ids: everything up to end-of-text, without special tokens."""
        kept = []
        for token in ids:
            if token == self.end:
                break
            if self.is_text(token):
                kept.append(int(token))
        # Whisper's own decode cuts away timestamps that a text spells out, or takes added tokens
        # for timestamps; the tokenizer beneath it does neither.
        text = self.tokenizer.backend_tokenizer.decode(kept, skip_special_tokens=False)
        return str(text).strip()


def _written(text: str, language: str | None) -> str:
    """A text as it is tokenised: where words stand apart a space is before it."""
    text = text.strip()
    return text if not text or language in LANGUAGES_WITHOUT_SPACES else f" {text}"
