"""What can be set about an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.scoring.gate import Condition, read_gate
from utils.scoring.normalizers import normalizer

LONGEST_WINDOW_SECONDS = 30.0


@dataclass(frozen=True)
class EvaluationSettings:
    """What is scored, how it is transcribed, and where the report goes."""

    test_data: str = "dataset/test.json"
    """Manifest to score on."""
    model_path: str = "models/whisper-tiny-finetune"
    """Model in question: a folder, an adapter's folder, or a name on the hub."""
    baseline: list[str] | None = None
    """Models to compare it with, parted by commas."""
    report_dir: str = "output/evaluation/"
    """Folder for results.json, report.md and the predictions."""
    gate: str | None = None
    """Conditions such as "cer<=0.05, cer.delta<=0.002, failed<=0", or a YAML file of them for
    each test set; see the exit codes."""
    metric: Literal["auto", "cer", "wer", "mer"] = "auto"
    """What is counted: characters (cer), words (wer), or Han characters and words (mer); auto
    goes by the test set's language."""
    normalizer: str = "auto"
    """How text is normalised, by name; auto goes by language, remove_pun and to_simple."""
    remove_pun: bool = True
    """Leave punctuation, case and width out of the score."""
    to_simple: bool = True
    """Convert Chinese to simplified characters before scoring."""
    language: str | None = "Chinese"
    """Language of utterances that state none, a name or code; None detects it."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Task of utterances that state none."""
    timestamps: bool = False
    """Ask the model for times; they are written with the predictions."""
    num_beams: int = 1
    """Beams of the search; 1 is greedy."""
    audio_context: Literal["auto", "dynamic", "full"] = "auto"
    """Pad to the batch (dynamic) or to 30 s (full); auto takes what the model was trained for."""
    batch_size: int = 16
    """Utterances transcribed at once."""
    num_workers: int = 2
    """Threads that read audio ahead."""
    min_audio_len: float = 0.5
    """Shorter utterances are left out, in seconds; no-speech examples are kept."""
    max_audio_len: float = 30.0
    """Longer utterances are left out, in seconds; at most 30."""
    local_files_only: bool = False
    """Never ask the hub for a model."""
    seed: int = 0
    """Seed of the resampling behind intervals and p values."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_beams"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}, expected at least 1")
        if not 0 <= self.min_audio_len <= self.max_audio_len <= LONGEST_WINDOW_SECONDS:
            raise UserError(
                f"--min_audio_len={self.min_audio_len:g} --max_audio_len={self.max_audio_len:g}: "
                "expected 0 <= min_audio_len <= max_audio_len <= 30",
                "Whisper hears windows of 30 s.",
            )
        # All raise: a mistake in them is told before anything is read.
        _ = self.language_code
        _ = self.conditions
        if self.normalizer != "auto":
            normalizer(self.normalizer)

    @property
    def language_code(self) -> str | None:
        """Code of the language; None detects it."""
        return None if self.language is None else language_code(self.language)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The gate's conditions; none without a gate."""
        return () if self.gate is None else read_gate(self.gate)

    @property
    def models(self) -> tuple[str, ...]:
        """Paths of the baselines, and last that of the model in question."""
        return (*(self.baseline or ()), self.model_path)
