"""Settings about what a run does when it is stopped, resumed, or fed what it cannot learn from."""

from dataclasses import dataclass

from utils.cli.errors import UserError


@dataclass(frozen=True)
class SafetySettings:
    """Checkpoints, stopped runs and skipped steps."""

    save_steps: int | None = None
    """Steps between two checkpoints. None: as often as the dev set is scored, and at least one in
    1000 steps."""
    save_total_limit: int | None = 10
    """Numbered checkpoints to keep; older ones are removed."""
    resume_from_checkpoint: str | None = None
    """Checkpoint folder to go on from, or "auto" for the newest of this run."""
    overwrite_output_dir: bool = False
    """Begin anew where an earlier run stands, and replace it."""
    allow_changed_settings: bool = False
    """Go on with an earlier run although its settings or data have changed."""
    grace_seconds: float = 25.0
    """Seconds that SIGTERM or Ctrl-C leaves for finishing the step and saving a checkpoint; after
    them the run ends as it is. Kubernetes, Slurm and torchrun kill after 30."""
    max_bad_steps: int = 10
    """Steps in a row without a usable gradient (NaN, infinite, or a spike) that are skipped; one
    more ends the run."""
    max_grad_spike: float | None = None
    """Skip steps whose gradient is longer than the running median by this factor; None: only
    NaN and infinite ones, since max_grad_norm already bounds what one step can do."""

    def check_safety(self) -> None:
        """Check the numbers.

        Raises:
            UserError: if one makes no sense.
        """
        if self.save_steps is not None and self.save_steps < 1:
            raise UserError(f"--save_steps={self.save_steps}: expected at least 1")
        if self.grace_seconds <= 0 or self.max_bad_steps < 0:
            raise UserError(
                f"--grace_seconds={self.grace_seconds:g} --max_bad_steps={self.max_bad_steps}: "
                "expected more than 0 seconds and at least 0 steps"
            )
        if self.max_grad_spike is not None and self.max_grad_spike <= 1:
            raise UserError(
                f"--max_grad_spike={self.max_grad_spike:g}: expected a factor above 1, or None"
            )
