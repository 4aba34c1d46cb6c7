"""What can be set about which model is kept, and who is told how a run goes."""

from dataclasses import dataclass

from utils.cli.errors import UserError
from utils.cli.spelling import nearest
from utils.model.hub.settings import HubSettings


@dataclass(frozen=True)
class SelectionSettings(HubSettings):
    """Evaluation on the way, the model that is kept, and trackers."""

    eval_steps: int | None = None
    """Steps between two evaluations on the dev set; the last step is always evaluated. None: up to
    ten evaluations in the run, as many as take about a tenth of its time, and at least one in each
    pass over the data."""
    eval_on_start: bool = True
    """Score the dev set before the first step, so that the curve shows where it began."""
    per_device_eval_batch_size: int = 8
    """Utterances a process transcribes at once on the dev set."""
    logging_steps: int | None = None
    """Steps between two lines in metrics.jsonl. None: about fifty lines in the run, and at least
    one in 100 steps."""
    early_stopping_patience: int | None = None
    """End the run after so many evaluations without a lower dev error; None trains to the end."""
    average_best: int | None = None
    """Score, at the end, the average of the weights of so many evaluations with the lowest dev
    errors; it becomes checkpoint-best if it is not worse. None: the best alone."""
    find_learning_rate: bool = False
    """Do not train, but look for a learning_rate: it rises over 100 steps (or max_steps) from 1e-7
    to 1, or to where the loss diverges. Writes learning_rate.json and .png into the run's folder,
    and changes nothing else there."""
    report_to: str | None = None
    """Trackers of the Hugging Face Trainer that get the numbers too, separated by commas, such as
    wandb,mlflow. metrics.jsonl and TensorBoard are always written."""

    @property
    def trackers(self) -> list[str]:
        """The names in `report_to`, but for TensorBoard, which is written anyway."""
        names = [name.strip() for name in (self.report_to or "").split(",")]
        return [name for name in names if name and name != "tensorboard"]

    def check_selection(self, max_steps: int) -> None:
        """Check the numbers of steps, the patience, and where the model goes.

        Args:
            max_steps: of the run.

        Raises:
            UserError: if one is out of range.
        """
        for name in ("eval_steps", "per_device_eval_batch_size", "logging_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"--{name}={value}: expected at least 1")
        self.check_hub()
        if self.early_stopping_patience is not None and self.early_stopping_patience < 1:
            raise UserError(
                f"--early_stopping_patience={self.early_stopping_patience}: expected at least 1 "
                "evaluation, or None"
            )
        if self.average_best is not None and self.average_best < 2:
            raise UserError(
                f"--average_best={self.average_best}: expected 2 or more, or None",
                "5 to 10 are usual.",
            )
        if self.find_learning_rate and 0 < max_steps < 10:
            raise UserError(
                f"--max_steps={max_steps} are too few for --find_learning_rate=True",
                "Give 10 or more; without --max_steps it takes 100.",
            )


def check_trackers(names: list[str], known: list[str], installed: list[str]) -> None:
    """See that the trackers exist and their packages are there.

    Args:
        names: what is wanted.
        known: trackers that the Trainer has.
        installed: those whose package is there.

    Raises:
        UserError: naming the nearest, or the package that is missing.
    """
    for name in names:
        if name not in known:
            raise UserError(
                f"--report_to={name}: the Trainer knows no such tracker",
                nearest(name, known, "") or f"It knows: {', '.join(sorted(known))}",
            )
        if name not in installed:
            raise UserError(
                f"--report_to={name}: its package is not installed", f"Try: pip install {name}"
            )
