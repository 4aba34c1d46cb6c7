"""An adapter that is there already, trained further: one of ours, or of the older scripts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model_state_dict
from peft.utils import load_peft_weights

from utils.cli.errors import UserError

CONFIG = "adapter_config.json"


@dataclass(frozen=True)
class Asked:
    """What the run's own flags say of the adapter; None where a flag was left at its default.

    Attributes:
        rank: of the update.
        alpha: its scale.
        dropout: on the adapter's input, of this run.
    """

    rank: int | None = None
    alpha: int | None = None
    dropout: float = 0.0


def continue_adapter(model: Any, path: str, base_path: str, asked: Asked) -> PeftModel:
    """Attach a trained adapter to the frozen Whisper that it was trained on, to train it further.

    Rank, scale and layers are the adapter's own.

    Args:
        model: FlexibleWhisper; changed in place.
        path: the adapter's folder.
        base_path: written into the adapter so that it finds its base again.
        asked: by the run's flags.

    Raises:
        UserError: it is no LoRA adapter, does not fit the model, or the flags ask for another.
    """
    config = _config(path)
    for name, flag, value in (("r", "lora_rank", asked.rank), ("lora_alpha",) * 2 + (asked.alpha,)):
        if value is not None and value != getattr(config, name):
            raise UserError(
                f"--{flag}={value}, but --init_adapter={path} has {getattr(config, name)}",
                "an adapter keeps its shape: leave the flag out",
            )
    config.lora_dropout = asked.dropout
    config.inference_mode = False
    try:
        adapted = PeftModel.from_pretrained(model, path, is_trainable=True, config=config)
        weights = load_peft_weights(path, device="cpu")
    except (RuntimeError, ValueError, KeyError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"the adapter {path} does not fit --base_model={base_path}: {first}",
            f"it says that it was trained on {config.base_model_name_or_path}",
        ) from error
    known = set(get_peft_model_state_dict(adapted))
    strange = set(weights) ^ known
    if strange:
        raise UserError(
            f"the adapter {path} does not fit --base_model={base_path}: {len(strange)} of its "
            f"weights or of the model's layers have no partner, such as {min(strange)}",
            f"it says that it was trained on {config.base_model_name_or_path}",
        )
    config.base_model_name_or_path = base_path
    return adapted


def _config(path: str) -> LoraConfig:
    if not Path(path, CONFIG).is_file():
        raise UserError(
            f"--init_adapter={path} is no adapter: it has no {CONFIG}",
            "name a folder such as output/whisper-tiny/checkpoint-final; a whole model is "
            "--base_model",
        )
    try:
        config = PeftConfig.from_pretrained(path)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}/{CONFIG} cannot be read: {error}", "copy it again") from None
    if type(config) is not LoraConfig:
        raise UserError(
            f"--init_adapter={path} is an adapter of the type {config.peft_type}, whose ranks are "
            "planned for one run",
            f"python merge_lora.py --lora_model={path}, and train a new one on the merged model",
        )
    return config
