"""Fine-tune every weight of Whisper.

One process:      python finetune_all.py --train_data=dataset/train.json --dev_data=dataset/dev.json
Two GPUs or CPUs: torchrun --nproc_per_node=2 finetune_all.py --train_data=dataset/train.json

Writes output/<model>/ with checkpoint-best/ and checkpoint-final/, each a whole model that
evaluation.py takes as it is; there is nothing to merge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.cli.errors import exit_script, run_script
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused
from utils.training.settings.runs import FullSettings

if TYPE_CHECKING:
    from utils.model.loaded import LoadedModel

# What --help shows; --help=all shows every setting.
EVERYDAY = (
    *(
        "base_model",
        "train_data",
        "dev_data",
        "output_dir",
        "language",
        "freeze_encoder",
        "freeze_layers",
    ),
    *("num_train_epochs", "learning_rate", "per_device_train_batch_size"),
    *("eval_steps", "resume_from_checkpoint"),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, free the weights, train."""
    settings = parse_settings(
        FullSettings, argv, prog="finetune_all.py", description=__doc__ or "", everyday=EVERYDAY
    )
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.training.run import finetune
        from utils.training.trainable import free_weights

    def with_all_weights(loaded: LoadedModel, total_steps: int) -> LoadedModel:
        free_weights(settings, loaded.whisper)
        return loaded

    run = finetune(settings, with_all_weights)
    if settings.find_learning_rate:
        from utils.report.figures.rate_curve import draw_rate_curve

        draw_rate_curve(run)


if __name__ == "__main__":
    exit_script(run_script(main))
