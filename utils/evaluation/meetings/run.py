"""evaluation.py on meetings: files of segments to results.json and a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.cli.console import say
from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.cli.files import sha256_file
from utils.evaluation.evaluate import compare_all
from utils.evaluation.meetings.score import score_meetings
from utils.evaluation.meetings.segments import attribute, read_segments, read_turns
from utils.evaluation.models_and_sets import name_and_path
from utils.evaluation.results import Compared, Evaluated, set_name
from utils.evaluation.settings import EvaluationSettings
from utils.scoring.measures import Measured
from utils.scoring.normalizers import choose_normalizer
from utils.scoring.statistics import rate_interval


@dataclass(frozen=True)
class Meetings:
    """Every system's score over the sessions of one reference, and what they change."""

    evaluated: list[Evaluated]
    compared: list[Compared]
    measured: list[Measured]


def evaluate_meetings(settings: EvaluationSettings) -> Meetings:
    """Score hypotheses of meetings against one reference.

    Raises:
        UserError: meeteval is not installed, or a file cannot be used.
    """
    expect_installed("meeteval", f"--metric={settings.metric}")
    if len(settings.manifests) != 1:
        raise UserError(
            f"--metric={settings.metric} takes one reference, got {len(settings.manifests)}",
            "Give --test_data=<reference>.stm with all sessions in it.",
        )
    given, path = name_and_path(settings.manifests[0])
    reference = read_segments(path)
    test_set = given or _stem(path)
    turns = read_turns(settings.diarization) if settings.diarization else None
    evaluated: list[Evaluated] = []
    for entry in (*settings.baselines, *settings.in_question):
        given, hypothesis_path = name_and_path(entry)
        name = given or _stem(hypothesis_path)
        if name in (each.model for each in evaluated):
            raise UserError(f"two hypotheses are called {name}", "Name them: name=path.")
        hypothesis = read_segments(hypothesis_path)
        if turns is not None:
            hypothesis = attribute(hypothesis, turns)
        found = score_meetings(
            reference,
            hypothesis,
            settings.counted,
            _normalizer(settings),
            settings.collar,
            settings.seed,
        )
        evaluated.append(
            Evaluated(
                model=name,
                score=found.score,
                interval=rate_interval(found.score, seed=settings.seed),
                test_data=path,
                test_set=test_set,
                manifest_sha256=sha256_file(path),
                model_path=hypothesis_path,
                decoding=_described(settings),
                predictions=hypothesis_path,
                extra_predictions=found.extra,
                figures=found.figures,
            )
        )
    sessions = len(evaluated[0].score.predictions)
    say(f"{path}: {sessions} sessions, scored by {settings.counted}")
    baselines = [each.model for each in evaluated[: len(settings.baselines)]]
    return Meetings(evaluated, *compare_all(evaluated, baselines, settings.seed))


def _normalizer(settings: EvaluationSettings) -> str:
    if settings.normalizer != "auto":
        return settings.normalizer
    return choose_normalizer(
        settings.language_code, remove_pun=settings.remove_pun, to_simple=settings.to_simple
    )


def _described(settings: EvaluationSettings) -> dict[str, Any]:
    from importlib.metadata import version

    described: dict[str, Any] = {"engine": f"ready predictions, meeteval {version('meeteval')}"}
    if settings.counted == "tcpwer":
        described["collar"] = settings.collar
    if settings.diarization:
        described["diarization"] = settings.diarization
    return described


def _stem(path: str) -> str:
    name = set_name(path)
    for suffix in (".seglst", *(".stm", ".ctm", ".rttm")):
        name = name.removesuffix(suffix)
    return name or Path(path).name
