"""What can be set about what a model learns."""

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError


@dataclass(frozen=True)
class ObjectiveSettings:
    """What is trained: tokens, timestamps, prompts, the mix of data, replay."""

    add_tokens: str | None = None
    """Text file with tokens that the model is to have, one a line: words that it spells in pieces,
    or languages that it lacks, such as <|yue|>."""
    timestamp_prob: float = 1.0
    """With timestamps: share of the utterances with `sentences` that are shown with their times, so
    that the model keeps answering without."""
    prompt_prob: float = 1.0
    """Share of the utterances with a `prompt` (the text before) that are shown with it."""
    sampling_temperature: float = 1.0
    """Above 1, utterances of small groups repeat: a group of n is shown as often as n^(1/t)."""
    sampling_by: Literal["language", "source"] = "language"
    """What makes a group of sampling_temperature."""
    concat: bool = False
    """Join short clips of one speaker, source, language and task to examples of up to max_audio_len
    seconds, in a new order in every pass; with timestamps, each has its times."""
    keep_data: str | None = None
    """Manifest of what the model is not to forget (other languages, other domains, no speech): a
    share of it is replayed during training."""
    keep_share: float = 0.1
    """Share of the examples that come from keep_data."""
    keep_mode: Literal["replay", "distill"] = "replay"
    """What keep_data teaches: its texts (replay), or what the base model answers to its
    sound (distill), which also keeps what the texts do not show."""

    def check_objective(self) -> None:
        """Check the shares.

        Raises:
            UserError: if one is out of range.
        """
        for name in ("timestamp_prob", "prompt_prob"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"--{name}={getattr(self, name):g}: expected a share from 0 to 1")
        if not 0 < self.keep_share < 1:
            raise UserError(
                f"--keep_share={self.keep_share:g}: expected a share above 0 and below 1",
                "5 to 10 % is usual.",
            )
        if not self.sampling_temperature >= 1:
            raise UserError(
                f"--sampling_temperature={self.sampling_temperature:g}: expected 1 or more",
                "1 shows every utterance once; 5 makes languages of unequal size nearly equal.",
            )
