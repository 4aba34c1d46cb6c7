"""The predictions behind a results file, read and scored again, by several processes if many.

A member is one model on one test set.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.cli.garbage import garbage_collection_paused
from utils.evaluation.results import set_of
from utils.parallel.pool import in_order
from utils.scoring.confusions import Confusions, count_confusions
from utils.scoring.conventions.conventions import stated_conventions
from utils.scoring.hallucinations import Loop, find_loops
from utils.scoring.normalizers import LANGUAGE_DEFAULTS
from utils.scoring.predictions import Prediction, read_predictions
from utils.scoring.score import References, Score, score_predictions

# Fewer predictions are read in less time than a process takes to start.
FEW_PREDICTIONS = 40_000
# Wrong utterances of a model and set in which confusions are counted: the common ones show.
MOST_ALIGNED = 20_000


@dataclass(frozen=True)
class ModelOnSet:
    """Where the predictions of one model on one test set stand, and how they were scored."""

    results: Path
    described: Mapping[str, Any]
    """Its entry in results.json."""

    @property
    def utterances(self) -> int:
        """How many predictions there should be; 0 where the results do not say a number."""
        number = self.described["utterances"]
        return number if isinstance(number, int) else 0


@dataclass(frozen=True)
class Hypothesis:
    """What a member's predictions give."""

    score: Score
    confusions: Confusions
    loops: tuple[Loop, ...]


def read_models_on_sets(
    members: Sequence[ModelOnSet], processes: int | None = None
) -> list[Hypothesis]:
    """Read and score members of one metric and test set, or of several.

    Args:
        members: Those of one test set together.
        processes: How many work at once; None: one a core where there is enough to do.

    Returns:
        What each gives, in the order of the members.

    Raises:
        UserError: Predictions are missing, half written or of another run.
        Failure: A process died.
    """
    if processes is None:
        is_much = sum(each.utterances for each in members) >= FEW_PREDICTIONS
        processes = min(os.cpu_count() or 1, len(members)) if is_much else 1
    hint = "Give it more memory, or make reports of fewer models at once."
    answers = in_order(_read_share, _shares(members, processes), processes, hint)
    return [each for share in answers for each in share]


def _shares(members: Sequence[ModelOnSet], processes: int) -> list[list[ModelOnSet]]:
    """Part the members of each test set into as many shares as there are processes."""
    shares = []
    for _, group in groupby(members, lambda each: set_of(each.described)):
        of_set = list(group)
        size = max(1, math.ceil(len(of_set) / processes))
        shares += [of_set[first : first + size] for first in range(0, len(of_set), size)]
    return shares


def _read_share(members: Sequence[ModelOnSet]) -> list[Hypothesis]:
    """Read and score models on one test set; the references are normalised once for all."""
    references = References(members[0].described["metric"])
    with garbage_collection_paused():
        return [_read_member(each, references) for each in members]


def _read_member(member: ModelOnSet, references: References) -> Hypothesis:
    described = member.described
    stated, conventions = stated_conventions(described["normalizer"], member.results.parent)
    score = score_predictions(
        _predictions(member.results, described),
        described["metric"],
        normalizer_of(stated),
        raw=False,
        references=references,
        conventions=conventions,
    )
    return Hypothesis(score, count_confusions(score, MOST_ALIGNED), tuple(find_loops(score)))


def _predictions(results: Path, score: Mapping[str, Any]) -> list[Prediction]:
    """Read the predictions of a score, which may have moved together with its results file."""
    named = Path(score.get("predictions") or f"{score['model']}--{set_of(score)}.jsonl")
    beside = results.parent / "predictions" / named.name
    # Beside first: a copied report folder must not read what an older run left elsewhere.
    path = beside if beside.is_file() else named
    if not path.is_file():
        raise UserError(
            f"{results} names the predictions {named}, which are neither there nor in "
            f"{beside.parent}",
            "Keep the folder `predictions` with its results.json, or run evaluation.py again.",
        )
    lines = read_predictions(path)
    if len(lines) != score["utterances"]:
        raise UserError(
            f"{path} holds {len(lines)} predictions, and {results} was made from "
            f"{score['utterances']}",
            "One of the two is half written or of another run: run evaluation.py again.",
        )
    return lines


def normalizer_of(stated: str) -> Any:
    """Return the normalizer choice behind what a score states, such as "chinese@1+english@1".

    Several names mean that each utterance took the one of its language.
    """
    names = [name for name in stated.split("+") if name]
    if not names:
        return "none@1"
    if len(names) == 1:
        return names[0]
    family = {name.split("@")[0].split("-")[0]: name for name in names}
    others = [name for name in names if name.startswith(("basic@", "none@"))] or names
    by_language = {
        language: family[default.split("@")[0]]
        for language, default in LANGUAGE_DEFAULTS.items()
        if default.split("@")[0] in family
    }
    return lambda prediction: by_language.get(prediction.language or "", others[0])
