"""What can be set about a fine-tuning run; both scripts share all but what is trainable."""

from dataclasses import dataclass

from utils.cli.errors import UserError
from utils.training.settings.audio_context import WindowSettings
from utils.training.settings.data import DataSettings
from utils.training.settings.objective import LearningSettings
from utils.training.settings.safety import SafetySettings
from utils.training.settings.schedule import ScheduleSettings
from utils.training.settings.selection import ChoiceSettings
from utils.training.settings.speed import MemorySettings


# The last of the parents gives the first flags of --help, under its docstring.
@dataclass(frozen=True)
class TrainSettings(
    SafetySettings,
    MemorySettings,
    WindowSettings,
    LearningSettings,
    ChoiceSettings,
    ScheduleSettings,
    DataSettings,
):
    """Settings that every kind of fine-tuning has."""

    def __post_init__(self) -> None:
        """Check each part, and what must hold between the parts."""
        self.check_data()
        self.check_schedule()
        self.check_choice(self.max_steps)
        self.check_windows()
        self.check_memory()
        self.check_safety()
        self.check_learning()
        if self.concat and self.audio_cache:
            raise UserError(
                f"--concat=True and --audio_cache={self.audio_cache} exclude each other: joined "
                "clips change their order in every pass",
                "Leave one of them out.",
            )
        if self.context_warmup_steps and (self.batch_seconds or self.batch_tokens):
            raise UserError(
                f"--context_warmup_steps={self.context_warmup_steps} cannot go with "
                "--batch_seconds or --batch_tokens: its long windows would overfill the batches",
                "Use --per_device_train_batch_size, small enough for windows of 30 s.",
            )
