"""What can be set about a fine-tuning run; both scripts share all but what is trainable."""

from dataclasses import dataclass

from utils.cli.errors import UserError
from utils.training.settings.audio_context import AudioContextSettings
from utils.training.settings.data import DataSettings
from utils.training.settings.objective import ObjectiveSettings
from utils.training.settings.safety import SafetySettings
from utils.training.settings.schedule import ScheduleSettings
from utils.training.settings.selection import SelectionSettings
from utils.training.settings.speed import SpeedSettings


# The last of the parents gives the first flags of --help, under its docstring.
@dataclass(frozen=True)
class TrainSettings(
    SafetySettings,
    SpeedSettings,
    AudioContextSettings,
    ObjectiveSettings,
    SelectionSettings,
    ScheduleSettings,
    DataSettings,
):
    """Settings that every fine-tuning run has."""

    # Flags that one of the two scripts lacks have, in its runs, the value that asks for nothing.

    @property
    def adapter_type(self) -> str | None:
        """The type of adapter that is trained; None where the model's own weights are."""
        return None

    @property
    def lora_plus_ratio(self) -> float:
        """Learning rate of an adapter's second factor by that of its first."""
        return 1.0

    @property
    def use_8bit(self) -> bool:
        """Whether frozen weights are held in 8 bits."""
        return False

    @property
    def use_4bit(self) -> bool:
        """Whether frozen weights are held in 4 bits."""
        return False

    @property
    def layer_drop(self) -> float:
        """Share of the layers that a step leaves out."""
        return 0.0

    @property
    def layer_decay(self) -> float:
        """Learning rate of each layer by that of the layer above it."""
        return 1.0

    @property
    def student_layers(self) -> int | None:
        """Decoder layers of a student that the base model teaches."""
        return None

    @property
    def ema_decay(self) -> float | None:
        """What a moving average of the weights keeps of itself at each step."""
        return None

    @property
    def run_type(self) -> str:
        """What is trained: "lora" or "full"."""
        return type(self).__name__.removesuffix("Settings").lower()

    def __post_init__(self) -> None:
        """Check each part, and what must hold between the parts."""
        self.check_data()
        self.check_schedule()
        self.check_selection(self.max_steps)
        self.check_audio_context()
        self.check_speed()
        self.check_safety()
        self.check_objective()
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
