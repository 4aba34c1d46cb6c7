"""Learning rates that differ between weights: LoRA+ and layer-wise decay.

With LoRA alone peft's `create_loraplus_optimizer` makes the same rates (a test holds both
together). It knows no decay over layers, and lets DoRA's magnitudes learn at the rate of the second
factors.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from torch import nn
from transformers import Trainer

from utils.training.settings.common import TrainSettings

LAYER = re.compile(r"\b(encoder|decoder)\.layers\.(\d+)\.")


class RateFactors:
    """By what each weight's learning rate differs from the run's.

    Args:
        lora_plus_ratio: of the second factors of LoRA (LoRA+, arXiv 2402.12354).
        layer_decay: factor from each layer to the one below it, in encoder and decoder.
        depths: layers of the encoder and of the decoder.
    """

    def __init__(
        self,
        lora_plus_ratio: float = 1.0,
        layer_decay: float = 1.0,
        depths: tuple[int, int] = (0, 0),
    ) -> None:
        self.lora_plus_ratio = lora_plus_ratio
        self.layer_decay = layer_decay
        self.depths = {"encoder": depths[0], "decoder": depths[1]}

    @classmethod
    def of(cls, settings: TrainSettings, config: Any) -> RateFactors:
        """The factors that a run's settings ask for; `config` is the Whisper's."""
        return cls(
            settings.lora_plus_ratio,
            settings.layer_decay,
            (config.encoder_layers, config.decoder_layers),
        )

    @property
    def is_trivial(self) -> bool:
        """Whether all weights have the same rate."""
        return self.lora_plus_ratio == 1.0 and self.layer_decay == 1.0

    def __call__(self, name: str) -> float:
        """The factor of a weight, by its full name in the model."""
        factor = self.lora_plus_ratio if "lora_B" in name else 1.0
        if self.layer_decay == 1.0:
            return factor
        place = LAYER.search(name)
        if place is not None:
            above = self.depths[place[1]] - int(place[2])
            return factor * self.layer_decay**above
        # What lies below the first layer: convolutions, embeddings and positions.
        below = re.search(r"\b(encoder)\.conv|\b(decoder)\.embed", name)
        if below is None:
            return factor
        return factor * self.layer_decay ** (self.depths[below[1] or below[2]] + 1)


def group_parameters(
    trainer: Trainer, model: nn.Module, factors: RateFactors
) -> tuple[type, dict[str, Any]]:
    """The trainer's own optimizer with a group of weights for each learning rate.

    Args:
        trainer: whose arguments name the optimizer, its rate and its weight decay.
        model: what is trained.
        factors: of the rates. The first group has the run's own rate, which is what logs show.

    Returns:
        The optimizer's class and its arguments, as the Trainer takes them.
    """
    optimizer, options = Trainer.get_optimizer_cls_and_kwargs(trainer.args, model)
    decayed = set(trainer.get_decay_parameter_names(model))
    groups: dict[tuple[float, float], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decay = trainer.args.weight_decay if name in decayed else 0.0
            groups[factors(name), decay].append(parameter)
    rate = float(options["lr"])
    ordered = sorted(groups, key=lambda key: (key[0] != 1.0, -key[0], -key[1]))
    params = [
        {"params": groups[key], "lr": rate * key[0], "weight_decay": key[1]} for key in ordered
    ]
    return optimizer, {**options, "params": params}
