"""What can be set about an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from utils.cli.errors import UserError
from utils.manifest.languages import language_code
from utils.scoring.gate import Condition, read_gate
from utils.scoring.metrics import MEETING_METRICS, METRICS
from utils.scoring.normalizers import normalizer
from utils.scoring.secondary.keyword_list import read_keywords

if TYPE_CHECKING:
    from utils.scoring.conventions.conventions import Conventions

DEFAULT_MODEL = "models/whisper-tiny-finetune"
AUTO = "auto"
# The first version of the CER is called by its name alone, as it was published.
OWN_METRICS = {
    AUTO: AUTO,
    **{name: name for name in (*METRICS, *MEETING_METRICS)},
    "cer@1": "cer",
}


@dataclass(frozen=True)
class _SetSettings:
    """Test sets and models."""

    test_data: list[str] | str = "dataset/test.json"
    """Manifests to score on, separated by commas. name=path gives a manifest a name."""
    model_path: list[str] | str | None = DEFAULT_MODEL
    """Models to evaluate, separated by commas. Each is a folder (Whisper, adapter or CTranslate2)
    or a name on the hub. name=path gives a model a name."""
    baseline: list[str] | None = None
    """Models to compare them with, separated by commas."""
    predictions: list[str] | None = None
    """Files of existing predictions to score like models, separated by commas. Each line is JSON
    with an id and a hypothesis. The default of --model_path is then not used."""


@dataclass(frozen=True)
class _OutputSettings:
    """Output."""

    cache_dir: str = "output/cache/"
    """Folder for cached predictions, from which an interrupted run continues. It may be deleted at
    any time."""
    no_cache: bool = False
    """Do not read or write cached predictions. Everything is transcribed, and its speed is
    measured."""
    report_dir: str = "output/evaluation/"
    """Folder for the results, the reports and the predictions."""
    out_data: str | None = None
    """File for the hypotheses as they are scored, without punctuation and the like: an id, a tab
    and a text in each line. It takes one model and one test set."""


@dataclass(frozen=True)
class _ScoreSettings:
    """Scoring and the gate."""

    gate: str | None = None
    """Conditions that the results must meet, such as "cer<=0.05, cer.delta<=0.002, failed<=0". A
    YAML file can hold conditions for each test set. The exit code gives the answer."""
    metric: str = "auto"
    """Error rate over characters (cer), grapheme clusters (cer@2), words (wer), or Han characters
    and words mixed (mer). cpwer and tcpwer are word error rates of recordings with several
    speakers. auto chooses by the language of the test set. The name or path of an
    evaluate module, after a comma or alone, is computed as well; its code is run."""
    normalizer: str = "auto"
    """Name of the text normalizer. auto chooses by language, --remove_pun and --to_simple."""
    remove_pun: bool = True
    """Ignore punctuation, case and character width."""
    to_simple: bool = True
    """Convert Chinese to simplified characters before scoring."""
    keywords: str | None = None
    """File of keywords, one a line, such as names or products. Their recall, precision and F1 are
    reported."""
    alternatives: bool = False
    """References hold alternatives, {a | b} or { a / b / @ }, of which the nearest counts."""
    glm_file: str | None = None
    """GLM file of NIST's scoring, whose rules rewrite references and hypotheses."""
    merge_compounds: bool = False
    """Take words that are written together, apart or with a hyphen as equal."""
    collar: float = 5.0
    """Seconds by which a word may be off its time in tcpwer."""
    diarization: str | None = None
    """RTTM file that says who speaks when, for hypotheses of cpwer and tcpwer without speakers."""
    check_with: Literal["jiwer"] | None = None
    """Library that counts every total again. results.json says whether it agrees."""


@dataclass(frozen=True)
class _IntervalSettings:
    """Confidence intervals and p values."""

    interval_over: Literal["auto", "speaker", "recording", "utterance"] = "auto"
    """Unit that is resampled. auto takes speakers where five or more are known, else recordings,
    else utterances."""
    seed: int = 0
    """Seed of the resampling."""


@dataclass(frozen=True)
class _DecodingSettings:
    """Transcription."""

    language: str | None = None
    """Language of utterances that state none: a name or a code, such as Chinese or zh. None
    recognises it from their text, and the run reports which it found."""
    task: Literal["transcribe", "translate"] = "transcribe"
    """Task of utterances that state none."""
    timestamps: bool = False
    """Let the model predict timestamps. They are written with the predictions."""
    num_beams: int = 1
    """Number of beams. 1 is greedy decoding."""
    temperature_fallback: bool = True
    """Decode again at rising temperatures where the text is repetitive or improbable. Drop text
    that is probably silence. Both use the thresholds of Whisper. False is plain greedy or beam
    search."""
    audio_context: Literal["auto", "dynamic", "thinned", "full"] = "auto"
    """How much of the 30 s window the encoder computes. full computes all of it. dynamic stops at
    the longest clip of the batch, for models that were trained for it. thinned computes one in four
    positions of the padding: any model gives nearly the text of full in a third of the time. auto
    takes what the model was trained for; for a model that does not say, it takes thinned where the
    loss on a few references is as low as with full, and reports it."""
    batch_size: int = 16
    """Number of utterances in a batch."""
    num_workers: int = 2
    """Number of threads that read audio ahead."""
    min_audio_len: float = 0.5
    """Shortest utterance that is scored, in seconds. Utterances without speech may be shorter."""
    max_audio_len: float = 30.0
    """Longest utterance that is scored, in seconds. Audio over 30 s is transcribed window by
    window."""
    local_files_only: bool = False
    """Use only models on this machine; never download one."""


# The last of the parents gives the first section of --help, under its docstring.
@dataclass(frozen=True)
class EvaluationSettings(
    _IntervalSettings, _DecodingSettings, _ScoreSettings, _OutputSettings, _SetSettings
):
    """Settings of an evaluation."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_beams"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} is {getattr(self, name)}, expected at least 1")
        if self.collar < 0:
            raise UserError(f"--collar={self.collar:g} is below 0", "Give seconds, such as 5.")
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
        # All raise: a mistake in them is reported before anything is read.
        _ = self.language_code
        _ = self.conditions
        if self.normalizer != "auto":
            normalizer(self.normalizer)
        own = [name for name in _parts(self.metric) if name in OWN_METRICS]
        if len(own) > 1:
            raise UserError(
                f"--metric={self.metric} names {len(own)} error rates", "Give one of ours."
            )

    @property
    def language_code(self) -> str | None:
        """Code of the language; None detects it."""
        return None if self.language is None else language_code(self.language)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The gate's conditions; none without a gate."""
        return () if self.gate is None else read_gate(self.gate)

    def read_files(self) -> None:
        """Read the files that flags name, before any work is done.

        Raises:
            UserError: One cannot be used, or a library that a flag needs is not installed.
        """
        _ = self.conventions, self.keyword_list

    @cached_property
    def keyword_list(self) -> tuple[str, ...]:
        """The keywords; none without a list."""
        return () if self.keywords is None else read_keywords(self.keywords)

    @cached_property
    def conventions(self) -> Conventions | None:
        """What is taken as equal beside what the normalizer makes equal."""
        # numpy comes with it, which --help must not wait for.
        from utils.scoring.conventions.conventions import read_conventions

        return read_conventions(self.alternatives, self.merge_compounds, self.glm_file)

    @property
    def counted(self) -> str:
        """The error rate: "auto" or a key of `METRICS`."""
        own = [name for name in _parts(self.metric) if name in OWN_METRICS]
        return OWN_METRICS[own[0]] if own else AUTO

    @property
    def modules(self) -> tuple[str, ...]:
        """Names and paths of `evaluate` modules."""
        return tuple(name for name in _parts(self.metric) if name not in OWN_METRICS)

    @property
    def manifests(self) -> tuple[str, ...]:
        """The test sets, as the user named them."""
        return _several(self.test_data)

    @property
    def in_question(self) -> tuple[str, ...]:
        """Models and predictions that are scored, without the baselines."""
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


def _parts(metric: str) -> list[str]:
    """Return the names; those of our own metrics in any case, as CER."""
    names = [part.strip() for part in metric.split(",") if part.strip()]
    return [name.lower() if name.lower() in OWN_METRICS else name for name in names]
