"""What a model learns from another: replayed utterances from its base, a student from its teacher.

On utterances of `--keep_data` the model is to go on answering as its base does (learning without
forgetting, arXiv 1606.09282): the loss is the divergence of its distribution from the base's at
each token, instead of the cross-entropy with a text that the base may never have produced.

B batch, T tokens, N positions that count, V vocabulary.
"""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.nn import functional

from utils.data.labels import IGNORED

SOFTENED = 2.0
"""Temperature of both distributions."""


class SelfDistillation:
    """The divergence from the base model.

    Args:
        model: what is trained, before its first step: a PeftModel, whose base is the model without
            the adapter, or a whole Whisper, of which a frozen copy is kept.
    """

    def __init__(self, model: Any) -> None:
        self.teacher = None
        if not hasattr(model, "disable_adapter"):
            self.teacher = copy.deepcopy(model).eval().requires_grad_(False)

    def loss(self, model: Any, inputs: dict[str, Any], replayed: torch.Tensor) -> torch.Tensor:
        """Divergence of the model from its base, nats, summed over the replayed rows' tokens.

        Args:
            model: what is trained.
            inputs: a micro-batch: `input_features (B, M, F)`, `decoder_input_ids (B, T)` and
                `labels (B, T)`, -100 where nothing is learned; the windows' `merge_stride` if they
                are thinned.
            replayed: bool `(B,)`, the rows that count.

        Returns:
            Scalar, 0 for a model that answers as its base.
        """
        read = {name: inputs[name][replayed] for name in ("input_features", "decoder_input_ids")}
        read["merge_stride"] = inputs.get("merge_stride", 0)
        counts = inputs["labels"][replayed] != IGNORED
        with torch.no_grad():
            target = self._teacher_logits(model, read)[counts].float().log_softmax(-1)
        found = model(**read).logits[counts].float().log_softmax(-1)
        return functional.kl_div(found, target, reduction="sum", log_target=True)

    def _teacher_logits(self, model: Any, read: dict[str, Any]) -> torch.Tensor:
        if self.teacher is not None:
            self.teacher.to(read["input_features"].device)
            logits: torch.Tensor = self.teacher(**read).logits
            return logits
        without: AbstractContextManager[None] = model.disable_adapter()
        was_training = model.training
        model.eval()
        try:
            with without:
                logits = model(**read).logits
        finally:
            model.train(was_training)
        return logits


class Teacher:
    """A whole model that teaches the one that was cut from it, on the states of one encoder.

    distil-whisper's objective (arXiv 2311.00430): cross-entropy with the text and the divergence
    from the teacher's probabilities, softened by a temperature of 2, with equal weights.

    Args:
        whisper: the teacher; its encoder is given up for the student's, which is frozen.
        student: what is trained.
    """

    def __init__(self, whisper: Any, student: Any) -> None:
        self.whisper = whisper.eval().requires_grad_(False)
        self.whisper.model.encoder = student.model.encoder

    def encoded(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """A micro-batch with the encoder's output in the place of `input_features`."""
        rest = dict(inputs)
        features = rest.pop("input_features")
        self.whisper.to(features.device)
        with torch.no_grad():
            states = self.whisper.model.encoder(
                features, merge_stride=rest.get("merge_stride", 0)
            ).last_hidden_state
        return {**rest, "encoder_outputs": (states,)}

    def loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """Divergence from the teacher, nats, summed over the tokens that count.

        Args:
            model: the student, without what processes wrap around it.
            inputs: of `encoded`, with `decoder_input_ids (B, T)` and `labels (B, T)`.

        Returns:
            Scalar, 0 for a student that answers as its teacher.
        """
        names = ("encoder_outputs", "decoder_input_ids", "merge_stride")
        read = {name: inputs[name] for name in names if name in inputs}
        counts = inputs["labels"] != IGNORED
        with torch.no_grad():
            target = self.whisper(**read).logits[counts].float().div(SOFTENED).log_softmax(-1)
        found = model(**read).logits[counts].float().div(SOFTENED).log_softmax(-1)
        divergence = functional.kl_div(found, target, reduction="sum", log_target=True)
        return divergence * SOFTENED**2


def taught_loss(
    teacher: Teacher | None, model: Any, inputs: dict[str, Any], num_items: Any
) -> tuple[torch.Tensor | None, dict[str, Any]]:
    """A teacher's part of a step's loss, and the micro-batch with its encoder's output.

    Args:
        teacher: None teaches nothing.
        model: the student, without what processes wrap around it.
        inputs: a micro-batch.
        num_items: tokens that count in the whole step; this micro-batch's if None.
    """
    if teacher is None:
        return None, inputs
    encoded = teacher.encoded(inputs)
    tokens = inputs["labels"].ne(IGNORED).sum() if num_items is None else num_items
    return teacher.loss(model, encoded) / tokens, encoded


def replay_loss(
    distillation: SelfDistillation | None, model: Any, inputs: dict[str, Any], num_items: Any
) -> tuple[torch.Tensor | None, dict[str, Any]]:
    """The replayed rows' part of a step's loss, and what is left to learn from the texts.

    Args:
        distillation: None learns from the texts of all rows.
        model: what is trained, without what processes wrap around it.
        inputs: a micro-batch, with `replayed` bool `(B,)` if it has such rows.
        num_items: tokens that count in the whole step; this micro-batch's if None.

    Returns:
        The loss, or None if there is none; and the inputs without `replayed`, the labels of its
        rows -100 if the base model taught them.
    """
    rest = dict(inputs)
    replayed = rest.pop("replayed", None)
    if distillation is None or replayed is None or not replayed.any():
        return None, rest
    tokens = rest["labels"].ne(IGNORED).sum() if num_items is None else num_items
    loss = distillation.loss(model, rest, replayed) / tokens
    return loss, {**rest, "labels": rest["labels"].masked_fill(replayed[:, None], IGNORED)}
