"""Fine-tune Whisper with LoRA, DoRA, rsLoRA, PiSSA or AdaLoRA.

One process:      python finetune.py --train_data=dataset/train.json --dev_data=dataset/dev.json
Two GPUs or CPUs: torchrun --nproc_per_node=2 finetune.py --train_data=dataset/train.json
CPU, small:       python finetune.py --config=configs/demo.yaml

Writes output/<model>/ with checkpoint-best/ (lowest error on the dev set), checkpoint-final/,
metrics.jsonl and settings.yaml. Go on with merge_lora.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.cli.errors import exit_script, run_script
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused
from utils.training.settings.runs import LoraSettings

if TYPE_CHECKING:
    from utils.model.loaded import LoadedModel

# What --help shows; --help=all shows every setting.
EVERYDAY = (
    *("base_model", "train_data", "dev_data", "output_dir", "language"),
    *("adapter", "lora_rank", "num_train_epochs", "learning_rate"),
    *("per_device_train_batch_size", "eval_steps", "resume_from_checkpoint"),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, attach the adapter, train."""
    settings = parse_settings(
        LoraSettings, argv, prog="finetune.py", description=__doc__ or "", everyday=EVERYDAY
    )
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.training.run import finetune
        from utils.training.trainable import with_adapter

    def attach(loaded: LoadedModel, total_steps: int) -> LoadedModel:
        return with_adapter(settings, loaded, total_steps)

    run = finetune(settings, attach)
    if settings.find_learning_rate:
        from utils.report.figures.rate_curve import draw_rate_curve

        draw_rate_curve(run)


if __name__ == "__main__":
    exit_script(run_script(main))
