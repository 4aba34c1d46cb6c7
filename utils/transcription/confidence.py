"""How sure a model is of texts: their probability, token by token.

B batch, P encoder positions, T tokens, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from rapidfuzz.distance import Levenshtein

from utils.audio.features import pad_samples
from utils.audio.load import load_audio
from utils.data.batching import pad_labels
from utils.data.labels import IGNORED
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel
from utils.scoring.normalizers import choose_normalizer, normalizer
from utils.scoring.tokens import default_metric, tokenizer_of
from utils.transcription.transcribe import Decoding


@torch.no_grad()
def confidences(
    loaded: LoadedModel, utterances: Sequence[Utterance], decoding: Decoding
) -> list[float]:
    """Measure how probable a model finds the utterances' sentences.

    The geometric mean of the probabilities of the sentence's tokens and of its end, given the
    sound: exp of what Whisper calls `avg_logprob`, computed in one pass over the finished text.

    Args:
        loaded: the model.
        utterances: readable, of at most 30 s, with the hypothesis as `sentence`; each states its
            language, or `decoding` does.
        decoding: how the texts were made; its batch size is used.

    Returns:
        A number from 0 to 1 for each utterance.
    """
    encoder = loaded.label_encoder(language=decoding.language, task=decoding.task)
    windows = decoding.windows(loaded.audio_context, loaded.context_margin)
    whisper = loaded.whisper
    device, dtype = whisper.device, whisper.model.encoder.conv1.weight.dtype
    found: list[float] = []
    for start in range(0, len(utterances), decoding.batch_size):
        batch = utterances[start : start + decoding.batch_size]
        clips = [load_audio(each.audio) for each in batch]
        frames = windows.frames(max(map(len, clips)))
        padded = pad_labels([encoder.encode(each) for each in batch], encoder.end)
        # Text that was cut off at the decoder's room may come out a token longer.
        padded = {name: ids[:, : encoder.max_tokens] for name, ids in padded.items()}
        logits = whisper(
            input_features=loaded.log_mel(pad_samples(clips, frames)).to(device, dtype),
            decoder_input_ids=padded["decoder_input_ids"].to(device),
            merge_stride=windows.merge_stride,
        ).logits.float()
        labels = padded["labels"].to(device)
        counted = labels != IGNORED
        tokens = labels.clamp(min=0)[..., None]
        log_probabilities = logits.log_softmax(-1).gather(-1, tokens)[..., 0] * counted
        means = log_probabilities.sum(1) / counted.sum(1).clamp(min=1)
        found += [math.exp(mean) for mean in means.tolist()]
    return found


def disagreement(first: str, second: str, language: str | None) -> float:
    """Return the share of tokens in which two texts differ, from 0 to 1.

    Both are normalised as in evaluation, and counted in words, or in characters where the language
    has no spaces. Neither is the reference: edits are divided by the longer one's tokens.

    >>> disagreement("Good morning!", "good evening", "en")
    0.5
    """
    edits, *tokens = edits_between(first, second, language)
    return edits / max(tokens) if edits else 0.0


def edits_between(first: str, second: str, language: str | None) -> tuple[int, int, int]:
    """Return how many tokens two texts differ in, and how many each has; as `disagreement`."""
    normalize = normalizer(choose_normalizer(language, remove_pun=True, to_simple=True))
    tokenize = tokenizer_of(default_metric([language]))
    one, other = tokenize(normalize(first)), tokenize(normalize(second))
    return Levenshtein.distance(one, other), len(one), len(other)
