"""What is evaluated: test sets and models, each with a short name that no other has."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from utils.cli.console import say, warn
from utils.cli.errors import UserError
from utils.evaluation.results import set_name
from utils.evaluation.settings import AUTO, EvaluationSettings
from utils.manifest.languages import text_language
from utils.manifest.read import Dropped, filter_by_duration, read_manifest
from utils.manifest.text_language import with_languages
from utils.manifest.utterance import Utterance
from utils.scoring.normalizers import choose_normalizer
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score, score_predictions
from utils.scoring.tokens import LANGUAGES_WITHOUT_SPACES, default_metric
from utils.sources.direct import manifest_of
from utils.transcription.engines.registry import engine_kind

TRANSLATE = "translate"
CHECKPOINT_FOLDER = re.compile(r"checkpoint-\w+")
MOST_PARTS_IN_A_NAME = 8
NAMED_IN_A_WARNING = 5
PREDICTION_SUFFIXES = (".jsonl", ".json")
BETWEEN_MODEL_AND_SET = "--"
_NAMED = re.compile(r"([^=/\\]+)=(.+)")
_FORBIDDEN = re.compile(r"[/\\\0]|^\.")


@dataclass(frozen=True)
class TestSet:
    """The utterances that are scored, and how."""

    settings: EvaluationSettings
    sha256: str
    utterances: Sequence[Utterance]
    dropped: Sequence[Dropped]
    path: str
    """The manifest, as the user named it."""
    name: str
    """Short name, that no other set of the run has: "test" for dataset/test.json."""

    @cached_property
    def languages(self) -> dict[str, str | None]:
        """Language code of each utterance id; what the manifest says wins over the flag."""
        spoken = self.settings.language_code
        return {each.id: each.language or spoken for each in self.utterances}

    @cached_property
    def text_languages(self) -> dict[str, str | None]:
        """Language code of each utterance's text: English where it is a translation."""
        task = self.settings.task
        return {
            each.id: text_language(self.languages[each.id], each.task or task)
            for each in self.utterances
        }

    @cached_property
    def metric(self) -> str:
        """The metric of this test set."""
        chosen = self.settings.counted
        return default_metric(self.text_languages.values()) if chosen == AUTO else chosen

    @cached_property
    def translations(self) -> frozenset[str]:
        """Ids of the utterances that are translated."""
        task = self.settings.task
        return frozenset(e.id for e in self.utterances if (e.task or task) == TRANSLATE)

    def normalizer_for(self, prediction: Prediction) -> str:
        """Name the normalizer of an utterance; what a model detected has no say in it."""
        settings = self.settings
        if settings.normalizer != "auto":
            return settings.normalizer
        return choose_normalizer(
            self.text_languages[prediction.id],
            remove_pun=settings.remove_pun,
            to_simple=settings.to_simple,
        )

    def predictions_path(self, model: str) -> Path:
        """Return where the predictions of a model are written."""
        file = f"{model}{BETWEEN_MODEL_AND_SET}{self.name}.jsonl"
        return Path(self.settings.report_dir, "predictions", file)

    def score(self, predictions: Sequence[Prediction]) -> Score:
        """Score one model's predictions."""
        score = score_predictions(
            predictions,
            self.metric,
            self.normalizer_for,
            conventions=self.settings.conventions,
        )
        return replace(score, blocks=self.settings.interval_over)


@dataclass(frozen=True)
class Model:
    """A model that is evaluated: a short name that no other has, and where it lies."""

    name: str
    path: str
    ready: dict[str, str] = field(default_factory=dict)
    """Test set's name -> file of ready predictions; empty for a model that is run."""
    is_baseline: bool = False


def read_test_sets(settings: EvaluationSettings) -> list[TestSet]:
    """Read all manifests, each under a name of its own.

    Utterances belong to their set: two sets may use the same ids.

    Raises:
        UserError: A manifest cannot be used or is named twice.
    """
    named = [name_and_path(entry) for entry in settings.manifests]
    _expect_once([path for _, path in named], "a test set")
    names = _unique_names([_Named(given, path, _set_name) for given, path in named])
    return [
        _read_test_set(settings, path, name) for (_, path), name in zip(named, names, strict=True)
    ]


def _read_test_set(settings: EvaluationSettings, path: str, name: str) -> TestSet:
    """Read a manifest and leave out what is too short or too long; say how many that were."""
    manifest = read_manifest(manifest_of(path, "test"))
    utterances, shares = with_languages(manifest.utterances, settings.language_code, settings.task)
    kept, dropped = filter_by_duration(utterances, settings.min_audio_len, settings.max_audio_len)
    reasons = [f"{each.id} ({each.reason})" for each in dropped]
    if not kept:
        raise UserError(
            f"{path}: all {len(manifest)} utterances are left out: {some_of(reasons)}",
            "Choose --min_audio_len and --max_audio_len so that some remain.",
        )
    if dropped:
        warn(f"{path}: {len(dropped)} of {len(manifest)} utterances left out: {some_of(reasons)}")
    test_set = TestSet(settings, manifest.sha256, kept, dropped, path, name)
    _expect_words(test_set)
    say(
        f"{path}: {len(kept)} utterances, scored by {test_set.metric.upper()}, "
        f"language: {shares.told()}"
    )
    if shares.clashes:
        warn(
            f"{path}: about {shares.clashes} of {len(manifest)} texts are not written in the "
            f"script of their language; the first, {shares.first}"
        )
    return test_set


def _expect_words(test_set: TestSet) -> None:
    """Refuse to count the words of text that is written without spaces.

    Raises:
        UserError: A tenth of the utterances or more are in such a language.
    """
    if test_set.metric != "wer" or default_metric(test_set.text_languages.values()) == "wer":
        return
    spoken = LANGUAGES_WITHOUT_SPACES.intersection(test_set.text_languages.values())
    raise UserError(
        f"--metric=wer on {test_set.path}, which has text in {', '.join(sorted(spoken))}: there "
        "are no spaces between words, and a whole sentence would be one word",
        "Use --metric=mer (Han characters and kana one by one, else words), cer or auto.",
    )


def find_models(
    entries: Sequence[str], set_names: Sequence[str] = ("test",), *, baselines: int = 0
) -> list[Model]:
    """Give each model a short name, and see that it is complete before any work is done.

    Args:
        entries: Folders, hub names or files of ready predictions; each may be "name=path".
        baselines: How many of the first ones are baselines.
        set_names: Of the test sets. With several, ready predictions are told apart by their
            file names, `<model>--<set>.jsonl`, and those of one model are put together.

    Returns:
        The models in the given order.

    Raises:
        UserError: A model is missing or lacks a file, or the same model or name is given twice.
    """
    named = [name_and_path(entry) for entry in entries]
    _expect_once([path for _, path in named], "a model")
    found: list[_Named] = []
    ready: dict[int, dict[str, str]] = {}
    compared_with = 0
    for number, (given, path) in enumerate(named):
        if number == baselines:
            compared_with = len(found)
        if not is_predictions_file(path):
            engine_kind(path).check(path)
            found.append(_Named(given, path, _model_name))
            continue
        model, of_set = _whose_predictions(path, set_names)
        name = given or model
        place = next((i for i in ready if found[i].given == name), None)
        if place is None or of_set in ready[place]:
            place = len(found)
            found.append(_Named(name, path, _model_name))
            ready[place] = {}
        ready[place][of_set] = path
    names = _unique_names(found)
    for place, files in ready.items():
        if lacking := [name for name in set_names if name not in files]:
            raise UserError(
                f"there are no predictions of {names[place]} for the test set {lacking[0]}",
                f"Name their file {names[place]}{BETWEEN_MODEL_AND_SET}{lacking[0]}.jsonl "
                "and add it to --predictions.",
            )
    return [
        Model(name, each.path, ready.get(place, {}), is_baseline=place < compared_with)
        for place, (name, each) in enumerate(zip(names, found, strict=True))
    ]


def is_predictions_file(path: str) -> bool:
    """Whether an entry names ready predictions rather than a model."""
    return path.endswith(PREDICTION_SUFFIXES)


def some_of(names: Sequence[str]) -> str:
    """Name the first few."""
    shown = ", ".join(names[:NAMED_IN_A_WARNING])
    rest = len(names) - NAMED_IN_A_WARNING
    return f"{shown} and {rest} more" if rest > 0 else shown


@dataclass(frozen=True)
class _Named:
    """Something with a name that was given or is made of its path."""

    given: str | None
    path: str
    default_name: Callable[[str, int], str]
    """(path, number of its last parts that the name may take) -> name."""

    def name(self, depth: int) -> str:
        """The given name, or one made of the path."""
        return self.default_name(self.path, depth) if self.given is None else self.given


def name_and_path(entry: str) -> tuple[str | None, str]:
    """Part "name=path"; a path that exists is taken as it stands."""
    found = _NAMED.fullmatch(entry)
    if found is None or os.path.exists(entry):
        return None, entry
    name, path = found[1].strip(), found[2].strip()
    if not name or _FORBIDDEN.search(name):
        raise UserError(f"{name!r} in {entry!r} cannot be a name", "Files are named after it.")
    return name, path


def _expect_once(paths: Sequence[str], what: str) -> None:
    real = [os.path.realpath(path) if os.path.exists(path) else path for path in paths]
    for place, path in enumerate(paths):
        if real.index(real[place]) != place:
            raise UserError(
                f"{path} is named twice; {what} cannot be compared with itself",
                "Leave one of the two out."
                if what == "a test set"
                else "Compare different models: --model_path=<new> --baseline=<old>.",
            )


def _unique_names(entries: Sequence[_Named]) -> list[str]:
    """Lengthen the names that are made of paths until no two are equal.

    Raises:
        UserError: A name was given twice.
    """
    depths = [1] * len(entries)
    for _ in range(MOST_PARTS_IN_A_NAME):
        names = [each.name(depth) for each, depth in zip(entries, depths, strict=True)]
        depths = [
            depth + (names.count(name) > 1) for name, depth in zip(names, depths, strict=True)
        ]
    for name, count in Counter(names).items():
        if count > 1:
            twice = " and ".join(e.path for e, n in zip(entries, names, strict=True) if n == name)
            raise UserError(
                f"the name {name!r} is given to {twice}", "Give each a name of its own: name=path."
            )
    return names


def _model_name(path: str, depth: int) -> str:
    """Join the last parts of a path; a checkpoint's folder alone would say too little."""
    parts = [part for part in Path(os.path.normpath(path)).parts if part != os.sep]
    if CHECKPOINT_FOLDER.fullmatch(parts[-1]):
        depth += 1
    return "-".join(parts[-depth:])


def _set_name(path: str, depth: int) -> str:
    """The manifest's name, with as many of its folders before it as are needed."""
    folders = [part for part in Path(os.path.normpath(path)).parts[:-1] if part != os.sep]
    return "-".join([*folders[len(folders) - depth + 1 :], set_name(path)])


def _whose_predictions(path: str, set_names: Sequence[str]) -> tuple[str, str]:
    """Model and test set of a file of predictions, by its name.

    Raises:
        UserError: There is no such file, or no telling which of several sets it is for.
    """
    if not Path(path).is_file():
        raise UserError(f"{path}: no such predictions file", "Check the path.")
    stem = set_name(path)
    model, between, of_set = stem.rpartition(BETWEEN_MODEL_AND_SET)
    if between and of_set in set_names:
        return model, of_set
    if len(set_names) == 1:
        return stem, set_names[0]
    raise UserError(
        f"{path}: which of the test sets is it for ({', '.join(set_names)})?",
        f"Name the file <model>{BETWEEN_MODEL_AND_SET}<set>.jsonl, such as "
        f"{stem}{BETWEEN_MODEL_AND_SET}{set_names[0]}.jsonl.",
    )
