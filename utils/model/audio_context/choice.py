"""Which audio context suits a model that says nothing of its own: measured in a few forward passes.

A pretrained Whisper was trained on windows of 30 s alone, and some break when the silence is left
out: whisper-tiny.en goes from 4.7 to 226 % word error rate (futo-org/whisper-acft). Nothing in a
model's files tells. But its loss on known transcripts does, without a single token being generated:
a model that needs the silence finds the same text less probable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from utils.audio.features import WINDOW_SAMPLES, pad_samples
from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.data.labels import IGNORED
from utils.manifest.utterance import Utterance
from utils.model.audio_context.contexts import WindowKind, Windows
from utils.model.loaded import LoadedModel

PROBED = 8
"""Utterances whose loss is compared: 16 s of one core with whisper-base."""
TOLERATED_NATS = 0.02
"""So much more loss a token is chance on so few utterances. On OpenAI's whisper-base a context that
ends with the speech costs 0.07 in Mandarin and 0.03 in English, thinned windows nothing. Not
relative to the loss: that is as high as the transcripts' spelling is foreign to the model."""


TELLING_LOSS = 2.0
"""Nats a token above which the transcripts are spelled so unlike what the model writes (capitals
alone, say) that the silence makes no difference to them: then windows are at most thinned."""


@dataclass(frozen=True)
class ContextLosses:
    """Teacher-forced loss of a model on known transcripts, mean nats a token.

    Attributes:
        utterances: how many were compared; 0 says nothing.
        full: on windows of 30 s.
        dynamic: on a context that ends with the speech.
        thinned: on thinned windows.
    """

    utterances: int
    full: float
    dynamic: float
    thinned: float

    def is_as_good(self, kind: WindowKind) -> bool:
        """Whether the loss on windows of a kind is no worse than on 30 s, chance aside."""
        if not self.utterances or (kind == "dynamic" and self.full > TELLING_LOSS):
            return False
        return bool(getattr(self, kind) <= self.full + TOLERATED_NATS)

    def __str__(self) -> str:
        return (
            f"on {self.utterances} transcripts the model's loss is {self.full:.2f} nats a token on "
            f"windows of 30 s, {self.thinned:.2f} on thinned ones and {self.dynamic:.2f} on a "
            "context that ends with the speech"
        )


@torch.no_grad()
def context_losses(
    loaded: LoadedModel,
    utterances: Sequence[Utterance],
    *,
    language: str | None = None,
    task: str = "transcribe",
) -> ContextLosses:
    """Measure a model's loss on windows of every kind.

    Args:
        loaded: the model, where it is to compute; its mode is as it was afterwards.
        utterances: a few from all over are taken; those that cannot be read are left out.
        language: of utterances that state none.
        task: of utterances that state none.
    """
    kinds: tuple[WindowKind, ...] = ("full", "dynamic", "thinned")
    sums = dict.fromkeys(kinds, 0.0)
    tokens = compared = 0
    was_training = loaded.model.training
    loaded.model.eval()
    for utterance in spread_over(utterances, PROBED):
        try:
            samples = load_audio(utterance.audio)
        except UserError:
            continue
        if len(samples) > WINDOW_SAMPLES:
            continue
        encoded = loaded.label_encoder(language=language, task=task).encode(utterance)
        if len(encoded.labels) > loaded.whisper.config.max_target_positions:
            continue
        ids = torch.tensor([encoded.decoder_input_ids]), torch.tensor([encoded.labels])
        for kind in kinds:
            windows = Windows.of(kind, loaded.context_margin)
            sums[kind] += _loss_sum(loaded, samples, windows, *ids)
        tokens += sum(label != IGNORED for label in encoded.labels)
        compared += 1
    loaded.model.train(was_training)
    means = {kind: total / max(tokens, 1) for kind, total in sums.items()}
    return ContextLosses(compared, **means)


def spread_over(utterances: Sequence[Utterance], number: int) -> list[Utterance]:
    """So many of them from all over; all if there are fewer."""
    places = np.linspace(0, len(utterances) - 1, min(number, len(utterances))).round().astype(int)
    return [utterances[place] for place in places.tolist()]


def _loss_sum(
    loaded: LoadedModel,
    samples: np.ndarray,
    windows: Windows,
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> float:
    """Loss of one text, nats: samples `(num_samples,)`, inputs and labels int64 `(1, T)`."""
    whisper = loaded.whisper
    features = loaded.log_mel(pad_samples([samples], windows.frames(len(samples))))
    return float(
        whisper(
            input_features=features.to(whisper.device, whisper.model.encoder.conv1.weight.dtype),
            decoder_input_ids=inputs.to(whisper.device),
            loss_labels=labels.to(whisper.device),
            merge_stride=windows.merge_stride,
        ).token_loss_sum
    )
