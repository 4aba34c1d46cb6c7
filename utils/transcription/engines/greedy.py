"""Greedy decoding and sampling without the general generation loop around them.

The library's loop builds masks over the whole vocabulary anew at every token; on small models that
costs several times what the model itself does. What is suppressed is known beforehand, so
here it is one addition.

B batch, T tokens, V vocabulary, P encoder positions, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from transformers.cache_utils import DynamicCache, EncoderDecoderCache

from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.integrity import expect_finite_logits
from utils.transcription.loops import ends_in_loop

LOOPS_EVERY = 8
"""Tokens between two looks for loops."""

LogitsRule = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(token ids so far `(B, T)`, logits `(B, V)`) -> logits `(B, V)`."""
Choice = Callable[[torch.Tensor, Sequence[int]], torch.Tensor]
"""(logits `(B, V)`, the rows that they are of) -> the chosen ids int64 `(B,)`."""


def whisper_cache() -> EncoderDecoderCache:
    """An empty cache of transformers' decoder."""
    return EncoderDecoderCache(DynamicCache(), DynamicCache())


class Found(NamedTuple):
    """One row's answer.

    Attributes:
        ids: the new ones, without end-of-text and what follows it.
        total: sum of the log-probabilities (nats) of ids and end-of-text; 0 unless scored.
        watched: probability of the watched token; 0 if none is.
    """

    ids: list[int]
    total: float
    watched: float


def likeliest(logits: torch.Tensor, rows: Sequence[int]) -> torch.Tensor:
    """The likeliest token of each row."""
    return logits.argmax(-1)


class GreedyDecoder:
    """Takes one token after another until every row has ended.

    Args:
        whisper: the model.
        end: end-of-text id.
        suppressed: ids that are never generated.
        suppressed_at_begin: ids that are not generated first.
        new_cache: makes the empty cache that `whisper` fills.
    """

    def __init__(
        self,
        whisper: FlexibleWhisper,
        end: int,
        suppressed: Sequence[int] = (),
        suppressed_at_begin: Sequence[int] = (),
        new_cache: Callable[[], Any] = whisper_cache,
    ) -> None:
        self.whisper = whisper
        self.new_cache = new_cache
        self.end = end
        vocabulary = whisper.config.vocab_size
        self.never = torch.zeros(vocabulary, device=whisper.device)
        self.never[list(suppressed)] = float("-inf")
        self.first = self.never.clone()
        self.first[list(suppressed_at_begin)] = float("-inf")

    def decode(
        self,
        states: torch.Tensor,
        prompts: torch.Tensor,
        max_new_tokens: int,
        rule: LogitsRule | None = None,
    ) -> list[list[int]]:
        """As `search`, the ids alone, always the likeliest."""
        return [each.ids for each in self.search(states, prompts, max_new_tokens, rule)]

    @torch.no_grad()
    def search(
        self,
        states: torch.Tensor,
        prompts: torch.Tensor,
        max_new_tokens: int,
        rule: LogitsRule | None = None,
        choose: Choice = likeliest,
        *,
        scored: bool = False,
        watched: tuple[int, int] | None = None,
        merge_stride: int = 0,
        stop_loops: bool = False,
    ) -> list[Found]:
        """Decode a batch.

        Args:
            states: float `(B, P, D)`, the encoder's output.
            prompts: int64 `(B, T)`, all of one length.
            max_new_tokens: where a row that does not end is cut off.
            rule: changes the logits at each token, such as Whisper's timestamp rules.
            choose: picks the next tokens.
            scored: whether log-probabilities are summed; they cost a pass over the vocabulary.
            watched: a position of the prompt and a token, whose probability there is wanted.
            merge_stride: that the states were computed with.
            stop_loops: whether a row ends where it repeats itself (`ends_in_loop`).
        """
        rows = torch.arange(len(prompts), device=prompts.device)
        prefix = prompts
        answers: list[list[int]] = [[] for _ in range(len(prompts))]
        sums = torch.zeros(len(prompts), dtype=torch.float64)
        chances = [0.0] * len(prompts)
        cache = self.new_cache()
        tokens = prompts
        for number in range(max_new_tokens):
            hidden = self.whisper.decoder_states(tokens, states, cache, merge_stride)
            if number == 0 and watched is not None:
                position, token = watched
                there = self.whisper.proj_out(hidden[:, position]).float()
                chances = there.softmax(-1)[:, token].tolist()
            logits = self.whisper.proj_out(hidden[:, -1]).float()
            expect_finite_logits(logits)
            logits += self.first if number == 0 else self.never
            if rule is not None:
                logits = rule(prefix, logits)
            best = choose(logits, rows.tolist())
            if scored:
                chosen = logits.gather(1, best[:, None]).squeeze(1) - logits.logsumexp(-1)
                sums[rows.cpu()] += chosen.double().cpu()
            going = best != self.end
            for row, token in zip(rows[going].tolist(), best[going].tolist(), strict=True):
                answers[row].append(token)
            if stop_loops and number % LOOPS_EVERY == LOOPS_EVERY - 1:
                caught = [ends_in_loop(answers[row]) for row in rows.tolist()]
                going &= ~torch.tensor(caught, device=going.device)
            if not going.any():
                break
            if not going.all():
                # Rows that have ended leave the batch: one long answer costs one row, not all.
                kept = going.nonzero().squeeze(1)
                rows, prefix, states, best = rows[kept], prefix[kept], states[kept], best[kept]
                cache.batch_select_indices(kept)
            prefix = torch.cat([prefix, best[:, None]], dim=1)
            tokens = best[:, None]
        return [Found(*each) for each in zip(answers, sums.tolist(), chances, strict=True)]
