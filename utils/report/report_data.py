"""results.json and the predictions and manifests that it names, read again for the reports.

Nothing here needs the models: a report can be made wherever these files are, also later.
N utterances of a test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from utils.cli.errors import UserError
from utils.evaluation.reread import Hypothesis, ModelOnSet, read_models_on_sets
from utils.evaluation.results import Results, read_results, set_of
from utils.evaluation.results_fields import expect_fields
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.scoring.confusions import Confusions
from utils.scoring.hallucinations import Loop
from utils.scoring.metrics import MEETING_METRICS, METRICS
from utils.scoring.predictions import Prediction
from utils.scoring.score import Score

_IDS_SHOWN = 3


@dataclass(frozen=True)
class SetView:
    """One test set, and every model's hypotheses for it, in one order of utterances."""

    name: str
    metric: str
    test_data: str
    ids: tuple[str, ...]
    scores: Mapping[str, Score]
    """Model -> its score; each has N predictions, in the order of `ids`."""
    described: Mapping[str, Mapping[str, Any]]
    """Model -> its entry in results.json."""
    utterances: Mapping[str, Utterance]
    """Id -> the manifest's line; empty where the manifest is gone."""
    confusions: Mapping[str, Confusions]
    """Model -> which tokens it took for which."""
    loops: Mapping[str, Sequence[Loop]]
    """Model -> phrases that it repeats."""

    @property
    def lines(self) -> tuple[Prediction, ...]:
        """What any model's predictions say of the utterances themselves."""
        return next(iter(self.scores.values())).predictions

    @property
    def tokens(self) -> NDArray[np.int64]:
        """Reference tokens of each utterance: int64 `(N,)`."""
        return next(iter(self.scores.values())).tokens


@dataclass(frozen=True)
class ReportData:
    """All that the reports are made of."""

    results: Results
    """The content of the results files, put together."""
    paths: tuple[Path, ...]
    sets: tuple[SetView, ...]
    made: tuple[Mapping[str, Any], ...] = field(default=())
    """When and how each of `paths` was made, as `provenance` returned it; empty if not stated."""
    notes: tuple[str, ...] = field(default=())
    """What a reader must know: manifests that are gone, counts that have changed."""

    @property
    def models(self) -> list[str]:
        """Names of all models: baselines first, as they were evaluated."""
        names = dict.fromkeys(score["model"] for score in self.results["scores"])
        baselines = self.baselines
        return sorted(names, key=lambda name: name not in baselines)

    @property
    def meetings(self) -> dict[str, str]:
        """Test sets that were scored by speakers -> their metric; they have no `SetView`."""
        scores = [s for s in self.results["scores"] if s["metric"] in MEETING_METRICS]
        return {set_of(score): score["metric"] for score in scores}

    @property
    def baselines(self) -> list[str]:
        """Names of the models that others were compared with."""
        named = dict.fromkeys(each["baseline"] for each in self.results["comparisons"])
        questioned = {each["model"] for each in self.results["comparisons"]}
        return [name for name in named if name not in questioned]


def read_report_data(paths: Sequence[str | Path]) -> ReportData:
    """Read results files and everything that they name.

    Args:
        paths: One results.json or several, whose models and sets are put together.

    Raises:
        UserError: A file is missing, of another schema, half written, or two do not go together.
    """
    files = tuple(map(Path, paths))
    results: Results = {"scores": [], "comparisons": [], "gate": {}}
    notes: list[str] = []
    made: list[Mapping[str, Any]] = []
    found: dict[str, list[ModelOnSet]] = {}
    for path in files:
        content = read_results(path)
        _expect_fields(path, content)
        made.append(content.get("made", {}))
        for score in content["scores"]:
            if any(_is_same(score, other) for other in results["scores"]):
                raise UserError(
                    f"{path}: {score['model']} on {set_of(score)} is also in an earlier results "
                    "file",
                    "Give models and sets different names (name=path) when they are evaluated.",
                )
            results["scores"].append(score)
            if score["metric"] in MEETING_METRICS:
                continue  # counted by speakers: no utterance has a hypothesis of its own
            found.setdefault(set_of(score), []).append(ModelOnSet(path, score))
        results["comparisons"] += content.get("comparisons", [])
        results["gate"] = _worse_gate(results["gate"], content.get("gate") or {})
    for name, members in found.items():
        _expect_one_metric(name, members)
    read = iter(read_models_on_sets([member for members in found.values() for member in members]))
    sets = tuple(
        _view(name, [(each.described, next(read)) for each in members], notes)
        for name, members in found.items()
    )
    return ReportData(results, files, sets, tuple(made), tuple(dict.fromkeys(notes)))


def _is_same(score: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return score["model"] == other["model"] and set_of(score) == set_of(other)


def _worse_gate(gate: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Of two answers the one to heed: 3 (regress), then 4 (cannot tell), then 0."""
    order = {3: 2, 4: 1}
    first, second = (
        order.get(each.get("exit_code", -1), 0) if each else -1 for each in (gate, other)
    )
    return gate if first >= second else other


def _expect_fields(path: Path, content: Results) -> None:
    """Refuse a results file that lacks what every report needs.

    Raises:
        UserError: naming the first field that is missing or of another type.
    """
    expect_fields(path, content)
    for score in content["scores"]:
        if score["metric"] not in METRICS and score["metric"] not in MEETING_METRICS:
            raise UserError(
                f"{path}: unknown metric {score['metric']!r}",
                f"This version knows {', '.join((*METRICS, *MEETING_METRICS))}.",
            )


def _expect_one_metric(name: str, members: Sequence[ModelOnSet]) -> None:
    """Refuse models of a test set whose errors were counted by different metrics.

    Raises:
        UserError: naming the two.
    """
    first = members[0].described
    for described in (each.described for each in members):
        if described["metric"] != first["metric"]:
            raise UserError(
                f"the test set {name} was scored by {first['metric']} for {first['model']} and "
                f"by {described['metric']} for {described['model']}",
                "Evaluate both with the same --metric.",
            )


def _view(
    name: str, members: list[tuple[Mapping[str, Any], Hypothesis]], notes: list[str]
) -> SetView:
    """Put together every model's hypotheses for a test set, in one order.

    Raises:
        UserError: They are of different utterances.
    """
    first, read = members[0]
    ids = tuple(each.id for each in read.score.predictions)
    scores = {}
    for described, other in members:
        score = _ordered(name, ids, first, described, other.score)
        scores[described["model"]] = score
        _note_changes(name, described, score, notes)
    return SetView(
        name,
        first["metric"],
        first["test_data"],
        ids,
        scores,
        {described["model"]: described for described, _ in members},
        _utterances(first, ids, notes),
        {described["model"]: other.confusions for described, other in members},
        {described["model"]: other.loops for described, other in members},
    )


def _ordered(
    name: str,
    ids: Sequence[str],
    first: Mapping[str, Any],
    described: Mapping[str, Any],
    score: Score,
) -> Score:
    places = {each.id: place for place, each in enumerate(score.predictions)}
    if list(places) == list(ids):
        return score
    alone = sorted(set(ids) ^ set(places))
    if alone:
        raise UserError(
            f"{first['model']} and {described['model']} were not scored on the same test set "
            f"{name}: only one of them has {', '.join(alone[:_IDS_SHOWN])}"
            + (f" and {len(alone) - _IDS_SHOWN} more" if len(alone) > _IDS_SHOWN else ""),
            "Evaluate both on the same manifest, or name the sets differently.",
        )
    return score.take([places[each] for each in ids])


def _note_changes(name: str, described: Mapping[str, Any], score: Score, notes: list[str]) -> None:
    if score.counts.errors != described["errors"]:
        notes.append(
            f"{described['model']} on {name}: results.json states {described['errors']} errors, "
            f"its predictions now give {score.counts.errors}. The texts or the normalizers have "
            "changed since; tables of scores are as stated, all that looks at single utterances "
            "is as counted now."
        )


def _utterances(
    described: Mapping[str, Any], ids: Sequence[str], notes: list[str]
) -> dict[str, Utterance]:
    """Read the manifest's lines, where it still is; say what is missing otherwise."""
    path = described["test_data"]
    try:
        manifest = read_manifest(path)
    except UserError as error:
        reason = "is gone" if not Path(path).is_file() else f"cannot be used: {error.message}"
        notes.append(
            f"The manifest {path} {reason}: its own fields and times are not in this report."
        )
        return {}
    stated = described.get("manifest_sha256")
    if stated and stated != manifest.sha256:
        notes.append(f"The manifest {path} has been changed since the evaluation.")
    wanted = set(ids)
    return {each.id: each for each in manifest if each.id in wanted}
