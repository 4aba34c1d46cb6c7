"""PiSSA that is saved as a plain LoRA on the untouched base.

PiSSA (arXiv 2404.02948) begins with the largest singular parts of a weight W as the adapter and
trains on the rest: W = (W - s B0 A0) + s B0 A0. Its factors alone therefore do not fit the base
model: whoever loads them must take W apart again in exactly the same way. What is saved here is
the difference to the base, s (B A - B0 A0), which is a plain LoRA of twice the rank with the
factors [A; A0] and [B, -B0]: exact, and loadable everywhere.

peft's own conversion (`path_initial_model_for_weight_conversion`) writes the same factors, but
wants the initial adapter from a folder, and has no way back: a run could not go on from its
checkpoint.

R rank, I inputs and O outputs of a layer.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file, save_file

WEIGHTS, A, B = "adapter_model.safetensors", ".lora_A.weight", ".lora_B.weight"


class PissaModel(PeftModel):
    """A PeftModel whose adapter begins as PiSSA, is saved as LoRA and resumes from that.

    Args:
        model: FlexibleWhisper in float32; the principal parts are taken out of its weights.
        config: with `init_lora_weights="pissa"`.
    """

    def __init__(self, model: Any, config: LoraConfig) -> None:
        super().__init__(model, config)
        # lora_A (R, I) and lora_B (O, R) as they began, by the names that a file holds.
        self.initial = {
            name.replace(".default.weight", ".weight"): parameter.detach().cpu().clone()
            for name, parameter in self.named_parameters()
            if "lora_A" in name or "lora_B" in name
        }

    def save_pretrained(self, save_directory: str | Path, *args: Any, **kwargs: Any) -> None:
        """Write the difference to the base model as a LoRA of twice the rank."""
        super().save_pretrained(save_directory, *args, **kwargs)
        file = Path(save_directory, WEIGHTS)
        if not file.is_file():
            return  # not the process that writes
        save_file(doubled(load_file(file), self.initial), file, metadata={"format": "pt"})
        config = copy.deepcopy(self.peft_config["default"])
        config.init_lora_weights = True
        config.r, config.lora_alpha = 2 * config.r, 2 * config.lora_alpha
        config.rank_pattern = {name: 2 * rank for name, rank in config.rank_pattern.items()}
        config.inference_mode = True
        config.save_pretrained(save_directory)

    def load_adapter(self, model_id: str, adapter_name: str, *args: Any, **kwargs: Any) -> Any:
        """Take back the trained half of what `save_pretrained` wrote, to train on."""
        from peft import set_peft_model_state_dict

        saved = halved(load_file(Path(model_id, WEIGHTS)))
        return set_peft_model_state_dict(self, saved, adapter_name=adapter_name)


def doubled(
    trained: dict[str, torch.Tensor], initial: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Factors of `B A - B0 A0`: each A `(2R, I)` and B `(O, 2R)`; other tensors as they are."""
    result = dict(trained)
    for name, first in initial.items():
        weight = trained[name]
        if name.endswith(A):
            result[name] = torch.cat([weight, first.to(weight)], dim=0)
        elif name.endswith(B):
            result[name] = torch.cat([weight, -first.to(weight)], dim=1)
    return {name: tensor.contiguous() for name, tensor in result.items()}


def halved(saved: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The trained factors A `(R, I)` and B `(O, R)` out of what `doubled` made."""
    result = dict(saved)
    for name, weight in saved.items():
        if name.endswith(A):
            result[name] = weight[: len(weight) // 2].contiguous()
        elif name.endswith(B):
            result[name] = weight[:, : weight.shape[1] // 2].contiguous()
    return result
