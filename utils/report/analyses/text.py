"""Confusions and hallucinations: which tokens are confused, and which nobody spoke."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from utils.evaluation.reread import MOST_ALIGNED
from utils.report.analyses.sections import Section, Table, section_of, table_of
from utils.report.report_data import ReportData, SetView
from utils.report.tables import NOTHING, percent
from utils.scoring.confusions import Confusions
from utils.scoring.hallucinations import hallucinated_in_silence
from utils.scoring.homophones import NEAR, OTHER_TONE, SAME_SOUND, sound_relation

ROWS_SHOWN = 30
LOOPS_SHOWN = 15
FEWEST_OCCURRENCES = 5
PHRASES_SHOWN = 15
_WORD = re.compile(r"\w+")


def confusion_section(report_data: ReportData, labels: Mapping[str, list[str]]) -> Section | None:
    """List the tokens that most often go wrong, the models side by side."""
    tables: list[Table] = []
    sounds = []
    for view in report_data.sets:
        tables += _confusion_tables(view, view.confusions)
        sounds += [row for row in _sound_rows(view, view.confusions) if row]
    if sounds:
        header = ["model", "test set", "Han for Han", SAME_SOUND, OTHER_TONE, NEAR, "other"]
        title = "How alike the confused characters sound"
        tables.insert(0, table_of(title, header, sounds, words=2))
    about = (
        "Counted along one shortest alignment. Sounds are compared by pinyin: near are zh "
        "and z, ch and c, sh and s, l and n, -ng and -n. Characters that sound the same are a "
        f"matter of language, not of acoustics. At most about {MOST_ALIGNED} of a model's "
        "utterances with errors are looked at. Recognition is shown for tokens that stand "
        f"{FEWEST_OCCURRENCES} times or more in the references."
    )
    return section_of("Confusions", about, tables)


def _confusion_tables(view: SetView, counted: Mapping[str, Confusions]) -> list[Table]:
    models = list(counted)
    kinds = (
        ("substitutions", {m: c.substitutions for m, c in counted.items()}),
        ("deletions", {m: c.deletions for m, c in counted.items()}),
        ("insertions", {m: c.insertions for m, c in counted.items()}),
    )
    tables = []
    for title, of_models in kinds:
        rows = [
            [*_token_cells(key), *(_times(of_models[model][key]) for model in models)]
            for key in _commonest(of_models.values())
        ]
        first = ["reference", "hypothesis", "sound"] if title == "substitutions" else ["token"]
        header = [*first, *models]
        tables.append(table_of(f"{view.name}: {title}", header, rows, words=len(first)))
    return [*tables, _vocabulary_table(view, counted)]


def _vocabulary_table(view: SetView, counted: Mapping[str, Confusions]) -> Table:
    """List the tokens least often recognised, of those frequent enough to tell."""
    references: Counter[str] = Counter()
    for confusions in counted.values():
        references |= confusions.reference_counts

    def lowest(token: str) -> float:
        shares = (confusions.accuracy(token) for confusions in counted.values())
        return min(share for share in shares if share is not None)

    hard = [
        token
        for token, times in references.items()
        if times >= FEWEST_OCCURRENCES and lowest(token) < 1
    ]
    hard.sort(key=lambda token: (lowest(token), -references[token], token))
    rows = [
        [
            _find(token, "reference"),
            str(references[token]),
            *(percent(confusions.accuracy(token)) for confusions in counted.values()),
        ]
        for token in hard[:ROWS_SHOWN]
    ]
    return table_of(
        f"{view.name}: least often recognised", ["token", "in references", *counted], rows
    )


def _commonest(counters: Iterable[Counter[Any]]) -> list[Any]:
    """Return what is most often in any of the counters."""
    most: Counter[Any] = Counter()
    for counter in counters:
        for key, times in counter.most_common(ROWS_SHOWN):
            most[key] = max(most[key], times)
    return [key for key, _ in most.most_common(ROWS_SHOWN)]


def _token_cells(key: Any) -> list[Any]:
    if isinstance(key, tuple):
        reference, hypothesis = key
        sound = sound_relation(reference, hypothesis) or NOTHING
        return [_find(reference, "reference"), _find(hypothesis, "all"), sound]
    return [_find(key, "all")]


def _find(token: str, column: str) -> dict[str, str]:
    """Return a cell that looks for its token: between word boundaries where it has some."""
    pattern = _escaped(token)
    # \b of a browser knows only Latin letters.
    is_word = _WORD.fullmatch(token) and token.isascii()
    return {"text": token, "find": rf"\b{pattern}\b" if is_word else pattern, "in": column}


def _escaped(text: str) -> str:
    """Return a text as a pattern that browsers take; Python's own escapes more than they allow."""
    return re.sub(r"([\\^$.|?*+()\[\]{}/])", r"\\\1", text)


def _times(times: int) -> str:
    return str(times) if times else NOTHING


def _sound_rows(view: SetView, counted: Mapping[str, Confusions]) -> Iterable[list[str] | None]:
    for model, confusions in counted.items():
        kinds: Counter[str] = Counter()
        for (reference, hypothesis), times in confusions.substitutions.items():
            if _is_han(reference) and _is_han(hypothesis):
                kinds[sound_relation(reference, hypothesis)] += times
        total = sum(kinds.values())
        yield (
            total
            and [
                model,
                view.name,
                str(total),
                *(percent(kinds[kind] / total) for kind in (SAME_SOUND, OTHER_TONE, NEAR, "")),
            ]
        ) or None


def _is_han(token: str) -> bool:
    return len(token) == 1 and "\u3400" <= token <= "\u9fff"


def hallucination_section(
    report_data: ReportData, labels: Mapping[str, list[str]]
) -> Section | None:
    """Show what was hallucinated in silence, and what repeats itself."""
    silent, phrases, loops = [], [], []
    for view in report_data.sets:
        for model, score in view.scores.items():
            silence = hallucinated_in_silence(score)
            if silence.utterances:
                rate = silence.characters_a_minute
                silent.append(
                    [
                        model,
                        view.name,
                        str(silence.utterances),
                        str(silence.hallucinated),
                        NOTHING if rate is None else f"{rate:.1f}",
                    ]
                )
            for phrase, times in silence.phrases.most_common(PHRASES_SHOWN):
                phrases.append([model, view.name, phrase[:200], str(times)])
            for loop in view.loops[model][:LOOPS_SHOWN]:
                between = " " if view.metric == "wer" else ""
                cell = {"text": loop.id, "find": f"^{_escaped(loop.id)}$"}
                phrase = between.join(loop.phrase)
                loops.append([model, view.name, cell, phrase, str(loop.times)])
    tables = [
        table_of(
            "Hallucinated in silence",
            ["model", "test set", "utterances", "with text", "characters a minute"],
            silent,
            words=2,
        ),
        table_of(
            "Phrases hallucinated in silence", ["model", "test set", "phrase", "times"], phrases, 3
        ),
        table_of("Loops", ["model", "test set", "utterance", "phrase", "times"], loops, words=4),
    ]
    about = (
        "Text where the reference is empty. Phrases that stand four times or more in a row in the "
        "hypothesis, but not in the reference."
    )
    return section_of("Hallucinated", about, tables)
