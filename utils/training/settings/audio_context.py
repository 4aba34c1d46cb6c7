"""What can be set about the audio context."""

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError


@dataclass(frozen=True)
class AudioContextSettings:
    """Audio context: how much of the silence up to 30 s is computed."""

    audio_context: Literal["auto", "full", "thinned", "dynamic", "mixed"] = "auto"
    """How much of each window of 30 s is computed: all of it (full); the speech and one in four
    positions of the silence (thinned: token merging with proportional attention); the speech alone,
    a variable-length audio context (dynamic); or that with a share of full windows (mixed). auto:
    as the base model was trained. For a model that does not say, its loss on a few dev transcripts
    decides: mixed if it is as low there as on windows of 30 s, else thinned if it is as low there,
    else full."""
    full_share: float = 0.05
    """With audio_context=mixed: share of the steps with windows of 30 s."""
    tail_share: float = 0.05
    """With audio_context=mixed: share of the steps with a random length of silence, up to 30 s,
    after the speech."""
    context_margin: float | None = None
    """Seconds of silence that a window below 30 s keeps whole after the speech, in training and in
    decoding; kept with the model. None: as the base model has it, which is 0 unless it says
    otherwise; at least half a second where windows are thinned."""
    context_warmup_steps: int = 0
    """Steps over which windows shrink from 30 s to a variable-length audio context."""
    context_match_steps: int = 0
    """Steps of encoder feature matching before the training: the encoder learns to give on a
    variable-length audio context the states that the base model has on windows of 30 s, in batches
    of per_device_train_batch_size."""

    def check_audio_context(self) -> None:
        """Check shares, margin and steps.

        Raises:
            UserError: if one is out of range.
        """
        for name in ("context_warmup_steps", "context_match_steps"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}={getattr(self, name)}: expected 0 or more")
        if not (min(self.full_share, self.tail_share) >= 0 and self.full_share < 1):
            raise UserError(
                f"--full_share={self.full_share:g} --tail_share={self.tail_share:g}: expected "
                "shares from 0 to below 1",
                "Windows of 30 s in every step: --audio_context=full",
            )
        if self.full_share + self.tail_share > 1:
            raise UserError(
                f"--full_share={self.full_share:g} and --tail_share={self.tail_share:g} are more "
                "than all steps together"
            )
        if self.context_margin is not None and not 0 <= self.context_margin <= 30:
            raise UserError(f"--context_margin={self.context_margin:g}: expected 0 to 30 seconds")
