"""When each word is spoken: the decoder's attention over the sound, warped to the text.

As openai-whisper does it (`--word_timestamps`): the attention of a few heads that follow the sound
is standardised, smoothed, and dynamic time warping finds the path of tokens through it.

H heads, T tokens, P encoder positions (20 ms each), D width of a head.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from utils.audio.clip import Seconds
from utils.data.labels import TIMESTAMP_STEP, LabelEncoder
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES
from utils.transcription.engines.registry import Alignment
from utils.transcription.transcript import Word

PREPENDED = "\"'“¿([{-"
APPENDED = "\"'.。,，!！?？:：”)]}、"
SENTENCE_ENDS = ".。!！?？"
MEDIAN_WIDTH = 7
ROWS_OF_LOGITS = 32
LONGEST_MEDIAN: Seconds = 0.7
REPLACEMENT = "\ufffd"


def alignment_of(
    pairs: Sequence[tuple[int, int]], probabilities: Sequence[float], num_tokens: int
) -> Alignment:
    """The times of tokens from the path that warping found.

    Args:
        pairs: (token, position) along the path, in order; the last token is end-of-text.
        probabilities: of the tokens.
        num_tokens: without end-of-text.
    """
    first: dict[int, int] = {}
    for token, position in pairs:
        first.setdefault(token, position)
    last = pairs[-1][1] if pairs else 0
    starts, now = [], 0
    for token in range(num_tokens + 1):
        now = first.get(token, last)
        starts.append(now * TIMESTAMP_STEP)
    return Alignment(tuple(starts), tuple(probabilities[:num_tokens]))


def align_row(
    whisper: Any,
    states: torch.Tensor,
    prompt: Sequence[int],
    text: Sequence[int],
    end: int,
    frames: int,
    merge_stride: int = 0,
) -> Alignment:
    """When the tokens of one text are spoken.

    Args:
        whisper: FlexibleWhisper.
        states: float `(1, P, D)`, the encoder's output.
        prompt: start token to the token for no timestamps.
        text: ids of the text.
        end: id of end-of-text.
        frames: how many of 10 ms are sound.
        merge_stride: that the states were computed with.
    """
    ids = torch.tensor([[*prompt, *text, end]], device=states.device)
    queries, keys = _Kept(), _Kept()
    layers = whisper.model.decoder.layers
    hooks = [layer.encoder_attn.q_proj.register_forward_hook(queries) for layer in layers]
    hooks += [layer.encoder_attn.k_proj.register_forward_hook(keys) for layer in layers]
    try:
        hidden = whisper.decoder_states(ids, states, merge_stride=merge_stride)
        chances = _probabilities(whisper, hidden[0, len(prompt) - 1 : -2], text, end)
    finally:
        for hook in hooks:
            hook.remove()
    heads = _alignment_heads(whisper)
    matrix = _attention(queries.found, keys.found, heads, whisper.config, frames // 2)
    # The row before a token is where the decoder looks for it.
    path = dynamic_time_warping(-matrix[len(prompt) - 1 : -1].cpu().numpy())
    return alignment_of(path, chances, len(text))


def _probabilities(
    whisper: Any, hidden: torch.Tensor, text: Sequence[int], end: int
) -> list[float]:
    """Probability of each token among those of text; hidden is float `(T, D)`.

    A few rows at a time: the logits of 224 tokens would be 46 MB, and as much for each copy.
    """
    found: list[float] = []
    for first in range(0, len(text), ROWS_OF_LOGITS):
        ids = torch.tensor(text[first : first + ROWS_OF_LOGITS], device=hidden.device)
        rows = whisper.proj_out(hidden[first : first + ROWS_OF_LOGITS])[:, :end].float()
        chosen = rows.gather(1, ids[:, None])[:, 0] - rows.logsumexp(-1)
        found += chosen.exp().tolist()
    return found


class _Kept:
    """Keeps what a layer answers."""

    def __init__(self) -> None:
        self.found: list[torch.Tensor] = []

    def __call__(self, layer: Any, given: Any, answer: torch.Tensor) -> None:
        self.found.append(answer)


def _alignment_heads(whisper: Any) -> list[tuple[int, int]]:
    """(layer, head) of those that follow the sound; without a list all of the upper half."""
    known = getattr(whisper.generation_config, "alignment_heads", None)
    if known:
        return [(int(layer), int(head)) for layer, head in known]
    config = whisper.config
    layers = range(config.decoder_layers // 2, config.decoder_layers)
    return list(itertools.product(layers, range(config.decoder_attention_heads)))


def _attention(
    queries: Sequence[torch.Tensor],
    keys: Sequence[torch.Tensor],
    heads: Sequence[tuple[int, int]],
    config: Any,
    positions: int,
) -> torch.Tensor:
    """Smoothed attention float32 `(T, positions)`, the mean of the heads."""
    width = config.d_model // config.decoder_attention_heads
    total: torch.Tensor | float = 0.0
    for layer, head in heads:  # one by one: the median holds seven values for each weight
        part = slice(head * width, (head + 1) * width)
        scores = queries[layer][0, :, part].float() @ keys[layer][0, :positions, part].float().T
        weights = (scores * width**-0.5).softmax(-1)
        deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
        total = total + _smoothed((weights - mean) / deviation.clamp(min=1e-12))
    return torch.as_tensor(total) / len(heads)


def _smoothed(weights: torch.Tensor) -> torch.Tensor:
    """The median of each seven neighbours along the positions."""
    margin = MEDIAN_WIDTH // 2
    if weights.shape[-1] <= margin:
        return weights
    padded = torch.nn.functional.pad(weights[None], (margin, margin), mode="reflect")[0]
    return padded.unfold(-1, MEDIAN_WIDTH, 1).median(-1).values


def dynamic_time_warping(cost: np.ndarray) -> list[tuple[int, int]]:
    """The cheapest monotonic path through a matrix.

    Args:
        cost: float `(T, P)`.

    Returns:
        (row, column) from (0, 0) to the last of both; each step goes on by one in one or both.
    """
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    step = np.zeros((rows + 1, columns + 1), dtype=np.int8)
    # Along the diagonals that go up: all of one depend only on the two before it.
    for diagonal in range(2, rows + columns + 1):
        i = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        j = diagonal - i
        both, row, column = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        # As the reference implementation breaks ties: to the column.
        chosen = np.where(
            (both < row) & (both < column), 0, np.where((row < both) & (row < column), 1, 2)
        )
        total[i, j] = cost[i - 1, j - 1] + np.choose(chosen, [both, row, column])
        step[i, j] = chosen
    step[0, :], step[:, 0] = 2, 1
    path, i, j = [], rows, columns
    while i > 0 or j > 0:
        path.append((i - 1, j - 1))
        i, j = i - (step[i, j] != 2), j - (step[i, j] != 1)
    return path[::-1]


def words_of(
    encoder: LabelEncoder,
    ids: Sequence[int],
    alignment: Alignment,
    language: str | None,
) -> list[tuple[Word, int]]:
    """The words of a text, with their times in its window and how many tokens each has.

    Args:
        encoder: for text.
        ids: of the text.
        alignment: of them.
        language: code; where words do not stand apart, each character is one.
    """
    groups = _token_groups(encoder, ids, by_space=language not in LANGUAGES_WITHOUT_SPACES)
    words, begin = [], 0
    for text, count in groups:
        end = begin + count
        chances = alignment.probabilities[begin:end]
        word = Word(
            text,
            alignment.starts[begin],
            alignment.starts[end],
            sum(chances) / max(len(chances), 1),
        )
        words.append((word, count))
        begin = end
    return _merged(_shortened(words))


def _token_groups(
    encoder: LabelEncoder, ids: Sequence[int], *, by_space: bool
) -> list[tuple[str, int]]:
    """(text, number of tokens) of what is whole in Unicode, then joined to words at spaces."""
    decode: Callable[..., str] = encoder.tokenizer.decode
    pieces: list[tuple[str, int]] = []
    begin = 0
    for end in range(1, len(ids) + 1):
        text = decode(list(ids[begin:end]), clean_up_tokenization_spaces=False)
        if not text.endswith(REPLACEMENT) or end == len(ids):
            pieces.append((text, end - begin))
            begin = end
    if not by_space:
        return pieces
    words: list[tuple[str, int]] = []
    for text, count in pieces:
        apart = text.startswith(" ") or text.strip() in string.punctuation
        if apart or not words:
            words.append((text, count))
        else:
            words[-1] = (words[-1][0] + text, words[-1][1] + count)
    return words


def _shortened(words: Sequence[tuple[Word, int]]) -> list[tuple[Word, int]]:
    """Words beside a sentence's end are not longer than twice the median."""
    lengths = [word.end - word.start for word, _ in words if word.end > word.start]
    if not lengths:
        return list(words)
    longest = 2 * min(LONGEST_MEDIAN, float(np.median(lengths)))
    found = list(words)
    for place in range(1, len(found)):
        word, count = found[place]
        if word.end - word.start <= longest:
            continue
        if word.text in SENTENCE_ENDS:
            found[place] = (replace(word, end=word.start + longest), count)
        elif found[place - 1][0].text in SENTENCE_ENDS:
            found[place] = (replace(word, start=word.end - longest), count)
    return found


def _merged(words: Sequence[tuple[Word, int]]) -> list[tuple[Word, int]]:
    """Punctuation belongs to the word before or after it."""
    found: list[tuple[Word, int]] = []
    for word, count in words:
        if found:
            before, before_count = found[-1]
            opens = before.text.startswith(" ") and before.text.strip() in PREPENDED
            closes = word.text in APPENDED and not before.text.endswith(" ")
            if opens or closes:
                # The times are those of the word, not of the mark.
                timed = word if opens else before
                found[-1] = (replace(timed, text=before.text + word.text), before_count + count)
                continue
        found.append((word, count))
    return found
