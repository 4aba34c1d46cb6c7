"""What the errors are, how large a share each kind has, and what helps against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from utils.report.analyses.sections import Section, section_of, table_of
from utils.report.report_data import ReportData, SetView
from utils.report.tables import NOTHING
from utils.scoring import error_types
from utils.scoring.error_types import ErrorType, count_error_types

# The share of each kind is known to a percent from so many utterances.
MOST_LOOKED_AT = 5_000
EXAMPLES_SHOWN = 3
HELP = {
    error_types.NUMBERS: "Not misheard. Write numbers in one form in the transcripts, or score "
    "with a normalizer that makes them equal (--normalizer=chinese-itn for Mandarin).",
    error_types.SCRIPT: "Not misheard. Use one script in the transcripts; the default normalizer "
    "of Chinese makes them equal.",
    error_types.CASE: "Not misheard. The default normalizers ignore punctuation and case.",
    error_types.SPACES: "Rarely misheard. Write compounds in one way in the transcripts.",
    error_types.HOMOPHONES: "The sound fits, the word does not. More text of the domain helps: "
    "training data, or --initial_prompt and --hotwords.",
    error_types.NAMES: "Put the names into the training data, or give them to infer.py by "
    "--hotwords.",
    error_types.SPELLING: "Endings, spellings and similar words. More training data of the domain "
    "helps.",
    error_types.WORDS: "Misheard. More training data like this speech helps; look under Where for "
    "the speakers and recordings that need it.",
    error_types.MISSED: "Look for audio that is cut too tight and for transcripts of more than was "
    "spoken: python check_data.py.",
    error_types.ADDED: "Look for speech that the transcripts leave out, and for second voices: "
    "python check_data.py --model_path=...",
    error_types.LOOP: "--temperature_fallback=True decodes again what repeats itself.",
    error_types.SILENCE: "Train with examples without speech, and transcribe with "
    "--vad_filter=True.",
    error_types.LANGUAGE: "State the language (--language), and check the manifest's languages.",
    error_types.FAILED: "Not transcribed. The log of the evaluation says why.",
}
"""Type of error -> what to do about it."""


def errors_section(report_data: ReportData, labels: Mapping[str, list[str]]) -> Section | None:
    """Show each test set's errors by type, the models side by side."""
    tables = []
    first = 0
    for view in report_data.sets:
        found = {
            model: count_error_types(score, view.loops[model], most=MOST_LOOKED_AT)
            for model, score in view.scores.items()
        }
        header = ["type", *found, "for example", "what helps"]
        table = table_of(view.name, header, _rows(view, first, found, report_data.baselines))
        first += len(view.ids)
        tables.append({**table, "wide": True})
    about = (
        "Errors by their type: the number, and its share of the model's errors. Number format, "
        "script, case and spaces are differences in writing, not in hearing. A number opens "
        "its utterances."
    )
    return section_of("Errors", about, tables)


def _rows(
    view: SetView, first: int, found: Mapping[str, Mapping[str, ErrorType]], baselines: list[str]
) -> list[list[Any]]:
    """Return a row for each type, the commonest of the models in question first."""
    asked = [model for model in found if model not in baselines] or list(found)
    totals = {model: sum(kind.errors for kind in kinds.values()) for model, kinds in found.items()}

    def share(model: str, name: str) -> float:
        kind = found[model].get(name)
        return kind.errors / totals[model] if kind else 0.0

    names = dict.fromkeys(name for model in asked for name in found[model])
    names |= dict.fromkeys(name for kinds in found.values() for name in kinds)
    order = sorted(names, key=lambda name: -max(share(model, name) for model in asked))
    rows = []
    for name in order:
        cells = [
            _number(view, first, model, name, kinds.get(name), share(model, name))
            for model, kinds in found.items()
        ]
        shown = next(found[model][name] for model in (*asked, *found) if name in found[model])
        texts = (_examples(shown), HELP[name])
        rows.append([name, *cells, *({"text": text, "long": True} for text in texts)])
    return rows


def _number(
    view: SetView, first: int, model: str, name: str, kind: ErrorType | None, share: float
) -> Any:
    if kind is None:
        return NOTHING
    return {
        "text": f"{kind.errors} ({100 * share:.0f} %)",
        "share": share,
        "model": model,
        "group": f"{name}: {model} on {view.name}",
        "rows": [first + place for place in kind.places],
    }


def _examples(kind: ErrorType) -> str:
    """Return the commonest examples: "二十 → 20 (4 times), 在 → 再"."""
    shown = []
    for (reference, hypothesis), times in kind.examples.most_common(EXAMPLES_SHOWN):
        pair = f"{reference or '(nothing)'} → {hypothesis or '(nothing)'}"
        shown.append(pair if times == 1 else f"{pair} ({times} times)")
    return ", ".join(shown)
