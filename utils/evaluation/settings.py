"""What can be set about an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.scoring.gate import Condition, read_gate
from utils.scoring.normalizers import normalizer

DEFAULT_MODEL = "models/whisper-tiny-finetune"


@dataclass(frozen=True)
class _SetSettings:
    """Test sets and models."""

    test_data: list[str] | str = "dataset/test.json"
    """Manifests to score on, parted by commas; name=path gives one a name."""
    model_path: list[str] | str | None = DEFAULT_MODEL
    """Models in question: folders (Whisper, adapter, CTranslate2) or names on the hub, parted by
    commas; name=path gives one a name."""
    baseline: list[str] | None = None
    """Models to compare them with, parted by commas."""
    predictions: list[str] | None = None
    """Files of ready predictions (JSON lines with id and hypothesis) to score like models; the
    default of model_path is then left out."""


@dataclass(frozen=True)
class _OutputSettings:
    """What is written."""

    cache_dir: str = "output/cache/"
    """Folder that keeps predictions, so that a killed run goes on; may be deleted at any time."""
    no_cache: bool = False
    """Neither read nor keep predictions: everything is transcribed, and measured."""
    report_dir: str = "output/evaluation/"
    """Folder for results.json, report.md and the predictions."""


@dataclass(frozen=True)
class _ScoreSettings:
    """What is counted, and what passes."""

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


@dataclass(frozen=True)
class _DecodingSettings:
    """How it is transcribed."""

    language: str | None = None
    """Language of utterances that state none, a name or code such as Chinese or zh; None: as their
    own text reads, which is said."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Task of utterances that state none."""
    timestamps: bool = False
    """Ask the model for times; they are written with the predictions."""
    num_beams: int = 1
    """Beams of the search; 1 is greedy."""
    temperature_fallback: bool = False
    """Decode again at rising temperatures what repeats itself or is unlikely, and leave out what
    is silence, by Whisper's thresholds."""
    audio_context: Literal["auto", "dynamic", "thinned", "full"] = "auto"
    """Pad to 30 s (full), to the batch (dynamic: for models trained for it), or to 30 s with one in
    four positions of the silence computed (thinned: nearly the text of full in a third of the time,
    with any model); auto takes what the model was trained for."""
    batch_size: int = 16
    """Utterances transcribed at once."""
    num_workers: int = 2
    """Threads that read audio ahead."""
    min_audio_len: float = 0.5
    """Shorter utterances are left out, in seconds; no-speech examples are kept."""
    max_audio_len: float = 30.0
    """Longer utterances are left out, in seconds; over 30 they are transcribed window by window."""
    local_files_only: bool = False
    """Never ask the hub for a model."""
    interval_over: Literal["auto", "speaker", "recording", "utterance"] = "auto"
    """What is independent of each other, and drawn for intervals and p values; auto takes speakers
    where five or more are known, else recordings, else utterances."""
    seed: int = 0
    """Seed of the resampling behind intervals and p values."""


# The last of the parents gives the first section of --help, under its docstring.
@dataclass(frozen=True)
class EvaluationSettings(_DecodingSettings, _ScoreSettings, _OutputSettings, _SetSettings):
    """What is scored, how it is transcribed, and where the report goes."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_beams"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}, expected at least 1")
        if not 0 <= self.min_audio_len <= self.max_audio_len:
            raise UserError(
                f"--min_audio_len={self.min_audio_len:g} --max_audio_len={self.max_audio_len:g}: "
                "expected 0 <= min_audio_len <= max_audio_len",
                "Both are in seconds.",
            )
        if not self.manifests:
            raise UserError("--test_data names no manifest", "Give one or several.")
        if not self.in_question:
            raise UserError("there is no model to score", "Give --model_path or --predictions.")
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
    def manifests(self) -> tuple[str, ...]:
        """The test sets, as the user named them."""
        return _several(self.test_data)

    @property
    def in_question(self) -> tuple[str, ...]:
        """Models and predictions that are scored, baselines aside."""
        models = _several(self.model_path)
        if self.predictions and models == (DEFAULT_MODEL,):
            models = ()
        return (*models, *(self.predictions or ()))

    @property
    def baselines(self) -> tuple[str, ...]:
        """What they are compared with."""
        return tuple(self.baseline or ())


def _several(value: list[str] | str | None) -> tuple[str, ...]:
    """The published default is one path, not a list."""
    return (value,) if isinstance(value, str) else tuple(value or ())
