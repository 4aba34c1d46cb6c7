"""What a run starts from and where it goes."""

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError


@dataclass(frozen=True)
class DataSettings:
    """The model, the data, and where the run goes."""

    base_model: str = "openai/whisper-tiny"
    """Whisper to start from: a folder or a name on the hub."""
    train_data: str = "dataset/train.json"
    """Manifest to train on."""
    dev_data: str | None = None
    """Manifest that chooses the best checkpoint; without it test_data serves, with a warning."""
    test_data: str = "dataset/test.json"
    """Manifest used in place of dev_data where that is not given."""
    output_dir: str = "output/"
    """The run is written to <output_dir>/<name of the base model>/."""
    language: str | None = None
    """Language of utterances that state none, a name or code such as Chinese or zh; None: as their
    own text reads, which is said."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Task of utterances that state none."""
    timestamps: bool = False
    """Train timestamps where a manifest line has `sentences`."""
    min_audio_len: float = 0.5
    """Shorter utterances are left out, in seconds; no-speech examples are kept."""
    max_audio_len: float = 30.0
    """Longer utterances are left out, in seconds; at most 30."""
    augment_config_path: str | None = None
    """Augmentation settings, such as configs/augmentation.json."""
    local_files_only: bool = False
    """Never ask the hub for a model."""

    def check_data(self) -> None:
        """Check the lengths.

        Raises:
            UserError: if they are out of range.
        """
        if not 0 <= self.min_audio_len < self.max_audio_len <= 30:
            raise UserError(
                f"--min_audio_len={self.min_audio_len:g} --max_audio_len={self.max_audio_len:g}: "
                "expected 0 <= min < max <= 30 seconds, the length of Whisper's window",
                "Cut longer recordings into pieces of at most 30 s.",
            )
