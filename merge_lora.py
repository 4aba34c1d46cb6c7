"""Merge a LoRA adapter into its base model.

python merge_lora.py --lora_model=output/whisper-tiny/checkpoint-best/ --output_dir=models/

Writes <output_dir>/<name of the base model>-finetune/, a plain Whisper model that every program
loads. Before it is written, its outputs are compared with those of the adapted model. --alpha
interpolates between the base model and the tuned one (WiSE-FT), --alpha_sweep finds the best alpha,
--soup averages several runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.cli.console import say_result
from utils.cli.errors import UserError, exit_script, run_script
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused
from utils.model.hub.settings import HubSettings


@dataclass(frozen=True)
class MergeSettings(HubSettings):
    """What is merged, and where it is written."""

    lora_model: str = "output/whisper-tiny/checkpoint-best/"
    """Folder of the adapter."""
    output_dir: str = "models/"
    """The merged model is written to <output_dir>/<name of the base model>-finetune/."""
    local_files_only: bool = False
    """Never ask the hub for the base model."""
    alpha: float = 1.0
    """Interpolation between the base model (0) and the tuned one (1). Values in between forget
    less."""
    alpha_sweep: str | None = None
    """Alphas separated by commas, such as 0,0.25,0.5,0.75,1. Each is scored on target_data and
    keep_data; the one with the lowest mean error rate is kept. The curve is written beside the
    model."""
    target_data: str | None = None
    """With alpha_sweep: manifest of the domain that was learned. Do not use the test set."""
    keep_data: str | None = None
    """With alpha_sweep: manifest of what the model should not forget."""
    soup: str | None = None
    """Further adapters on the same base model, separated by commas. The average of lora_model and
    all of these is written."""

    def __post_init__(self) -> None:
        """Check what must hold between the settings."""
        self.check_hub()
        if not 0 <= self.alpha <= 1:
            raise UserError(
                f"--alpha={self.alpha:g}: expected 0 (the base model) to 1 (the tuned one)"
            )
        if self.alpha_sweep is not None:
            if self.target_data is None or self.keep_data is None:
                raise UserError(
                    f"--alpha_sweep={self.alpha_sweep} needs --target_data and --keep_data",
                    "Both are manifests; both count the same.",
                )
            if self.target_data == self.keep_data:
                raise UserError(
                    f"--target_data and --keep_data are both {self.keep_data}",
                    "The kept set shows what is forgotten: other languages, other domains.",
                )
            self.alphas()

    def alphas(self) -> list[float]:
        """The alphas to score, in rising order.

        Raises:
            UserError: if one is no number from 0 to 1.
        """
        if self.alpha_sweep is None:
            return [self.alpha]
        try:
            values = sorted({float(part) for part in self.alpha_sweep.split(",")})
        except ValueError:
            values = [-1.0]
        if not all(0 <= value <= 1 for value in values):
            raise UserError(
                f"--alpha_sweep={self.alpha_sweep}: expected numbers from 0 to 1",
                "For example --alpha_sweep=0,0.25,0.5,0.75,1",
            )
        return values

    def sets(self) -> tuple[str, str] | None:
        """What a sweep scores: the manifests of what was learned and what is to be kept."""
        if self.alpha_sweep is None:
            return None
        return str(self.target_data), str(self.keep_data)


def main(argv: Sequence[str] | None = None) -> None:
    """Load adapter and base, merge, check, write."""
    settings = parse_settings(MergeSettings, argv, prog="merge_lora.py", description=__doc__ or "")
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.evaluation.merge import interpolate, merge_all
        from utils.model.checksums import write_checksums
        from utils.model.folders import model_name, save_model, write_folder
        from utils.model.hub.publish import publish
        from utils.model.hub.upload import expect_hub
        from utils.report.figures.alpha_sweep import write_alphas

    repository = expect_hub(settings)
    paths = [settings.lora_model, *filter(None, (settings.soup or "").split(","))]
    merged = merge_all(paths, local_files_only=settings.local_files_only)
    target = Path(settings.output_dir, f"{model_name(merged.base_path)}-finetune")
    alpha = 1.0
    if settings.alpha_sweep is not None or settings.alpha < 1:
        found = interpolate(
            merged, settings.alphas(), settings.sets(), local_files_only=settings.local_files_only
        )
        alpha = found.alpha
        for path in write_alphas(found, target):
            say_result(f"wrote  {path}: the best alpha is {found.alpha:g}")

    def fill(folder: Path) -> None:
        save_model(merged.model, merged.processor, folder, merged.audio_context)
        write_checksums(folder)

    write_folder(target, fill)
    say_result(f"merged {', '.join(paths)} into {merged.base_path}")
    say_result(f"wrote  {target}")
    publish(
        target,
        merged.base_path,
        repository,
        settings,
        trained=Path(settings.lora_model),
        is_scored=alpha == 1 and len(paths) == 1,
        changes=describe_merge(len(paths), alpha),
    )


def describe_merge(count: int, alpha: float) -> tuple[str, ...]:
    """Sentences for the model card on how a model was merged.

    Args:
        count: of the adapters.
        alpha: the weight of the tuned model; 1 is without interpolation.
    """
    merged = "An adapter was" if count == 1 else f"The average of {count} adapters was"
    sentences = [f"{merged} merged into the base model."]
    if alpha < 1:
        sentences.append(
            f"The weights are interpolated with those of the base model (WiSE-FT, alpha {alpha:g})."
        )
    return tuple(sentences)


if __name__ == "__main__":
    exit_script(run_script(main))
