"""The answer of a report in one sentence: which model is better, by how much, and how surely.

The page, the comment, the summary, the terminal, report.md and the model card all show these
sentences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.evaluation.results import Results, set_of
from utils.report.tables import MINUS, NOTHING, percent, percent_interval

SURE = 0.05  # the p value below which a difference is called one
_TONES = {"better": "good", "worse": "bad"}


@dataclass(frozen=True)
class Verdict:
    """What one comparison, or the score of a model without a baseline, says.

    Attributes:
        test_set: Short name of the test set.
        model: The model in question.
        baseline: The model it was compared with; None where there is none.
        answer: "better", "worse", "unsure" (the difference may be chance), "identical", or
            "score" where there is no baseline.
        headline: "CER 40.34 → 2.93 %: 37.41 points fewer", without names.
        certainty: "95 % 29.2 to 45.7; p < 0.001; ...", without brackets; "" if nothing is known.
    """

    test_set: str
    model: str
    baseline: str | None
    answer: str
    headline: str
    certainty: str

    @property
    def names(self) -> str:
        """Of what the verdict speaks: "new against old on test"."""
        against = f" against {self.baseline}" if self.baseline else ""
        return f"{self.model}{against} on {self.test_set}"

    @property
    def sentence(self) -> str:
        """The whole verdict."""
        doubt = f" ({self.certainty})" if self.certainty else ""
        return f"{self.names}: {self.headline}{doubt}"

    def to_json(self) -> dict[str, Any]:
        """What the page shows."""
        return {
            "names": self.names,
            "model": self.model,
            "set": self.test_set,
            "answer": self.answer,
            "tone": _TONES.get(self.answer, ""),
            "headline": self.headline,
            "certainty": self.certainty,
        }


def verdicts(results: Results) -> list[Verdict]:
    """Return a verdict for each comparison, and for each model on a set without any.

    Args:
        results: As `build_results` returns or `read_results` reads them.
    """
    scores = {(each["model"], set_of(each)): each for each in results["scores"]}
    found = [verdict_of(each, scores) for each in results["comparisons"]]
    compared = {(v.model, v.test_set) for v in found} | {(v.baseline, v.test_set) for v in found}
    alone = [_alone(score, name) for (_, name), score in scores.items()]
    return [*found, *(each for each in alone if (each.model, each.test_set) not in compared)]


def verdict_of(
    comparison: Mapping[str, Any], scores: Mapping[tuple[str, str], Mapping[str, Any]]
) -> Verdict:
    """Put a comparison of results.json into words.

    Args:
        comparison: One of its comparisons.
        scores: (model, test set) -> its score.
    """
    name = set_of(comparison)
    metric = comparison["metric"].upper()
    model, baseline = comparison["model"], comparison["baseline"]
    before, after = ((scores.get((each, name)) or {}).get("rate") for each in (baseline, model))
    answer, difference = answer_of(comparison), comparison["difference"]
    if before is None and after is not None and difference is not None:
        before = after - difference  # the baseline's own score stands in another file
    if answer == "identical":
        headline = f"{metric} {percent(after)}: identical, the same text for every utterance"
        return Verdict(name, model, baseline, answer, headline, "")
    rates = f"{metric} {_plain(before)} → {percent(after)}"
    if difference is None:
        return Verdict(name, model, baseline, answer, rates, "")
    change = f"{_plain(abs(difference))} points {'more' if difference > 0 else 'fewer'}"
    if not difference:
        change = "no difference in total"
    chance = ", which may be chance" if answer == "unsure" and difference else ""
    certainty = "; ".join(_certainty(comparison))
    return Verdict(name, model, baseline, answer, f"{rates}: {change}{chance}", certainty)


def answer_of(comparison: Mapping[str, Any]) -> str:
    """Return "better", "worse", "unsure" or "identical": with p corrected for all comparisons."""
    if comparison.get("identical"):
        return "identical"
    p, difference = corrected_p(comparison), comparison["difference"]
    if p is None or difference is None or p >= SURE:
        return "unsure"
    return "worse" if difference > 0 else "better"


def corrected_p(comparison: Mapping[str, Any]) -> float | None:
    """Return the p value corrected for all comparisons of the results, the plain one otherwise."""
    corrected = comparison.get("p_holm")
    p: float | None = comparison["p"] if corrected is None else corrected
    return p


def p_text(p: float | None) -> str:
    """Return a p value as it is usually printed: "p = 0.034", "p < 0.001".

    Example:
        >>> p_text(0.0341), p_text(0.00002)
        ('p = 0.034', 'p < 0.001')
    """
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def _certainty(comparison: Mapping[str, Any]) -> list[str]:
    """Return what is known of the certainty: interval, p value, utterances, power."""
    parts = []
    if comparison["interval"] is not None:
        low, high = comparison["interval"]
        if comparison["difference"] <= 0:  # the reader is told of points fewer
            low, high = -high, -low
        parts += [f"95 % {_plain(low)} to {_plain(high)}", p_text(corrected_p(comparison))]
    wins, losses, ties = (comparison[name] for name in ("wins", "losses", "ties"))
    noun = "utterance" if wins == 1 else "utterances"
    parts.append(f"{wins} {noun} better, {losses} worse, {ties} alike")
    if comparison["smallest_difference"]:
        smallest = _plain(comparison["smallest_difference"])
        parts.append(f"smallest difference that this set can show: {smallest}")
    return [part for part in parts if part]


def _alone(score: Mapping[str, Any], name: str) -> Verdict:
    """Return what a score says by itself."""
    headline = f"{score['metric'].upper()} {percent(score['rate'])}"
    interval = score.get("interval")
    certainty = f"95 % {percent_interval(interval).removesuffix(' %')}" if interval else ""
    return Verdict(name, score["model"], None, "score", headline, certainty)


def _plain(rate: float | None) -> str:
    """Return a rate as a number of percent, without the sign: 0.4034 -> "40.34"."""
    return NOTHING if rate is None else f"{100 * rate:.2f}".replace("-", MINUS)


def surest_first(found: Sequence[Verdict]) -> list[Verdict]:
    """Return sure answers before unsure ones, in the order of the results otherwise."""
    order = ("worse", "better", "identical", "unsure", "score")
    return sorted(found, key=lambda each: order.index(each.answer))
