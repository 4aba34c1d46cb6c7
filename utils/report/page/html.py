"""The report as one HTML file that needs no network, no server and no other file.

What people wrote stands in elements that browsers do not run, and the page shows it as text. A
content security policy allows this page's own script and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.cli.files import atomic_write
from utils.evaluation.provenance import describe_provenance
from utils.manifest.languages import LANGUAGES
from utils.report.figures.speed import describe_cost
from utils.report.page.compact import error_columns, pack, pack_labels, text_blocks
from utils.report.page.sound import Sound, find_sound
from utils.report.page.utterance_labels import Labels
from utils.report.page.waveform import timelines
from utils.report.report_data import ReportData, SetView
from utils.report.secondary import FIGURE_HEADER, describe_secondary, figure_rows
from utils.report.verdict import answer_of, surest_first, verdicts
from utils.scoring.normalizers.steps import HAN

PAGE = Path(__file__).parent / "report"
# In this order: each uses only what stands before it.
SCRIPTS = (
    "tools",
    "data",
    "state",
    "tokens",
    "charts",
    "trend",
    "tables",
    "scores",
    "pairs",
    "spread",
    "player",
    "detail",
    "corrections",
    "list",
    "paper",
)
MAIN = "main"
# Texts as written double the page; beyond this many they stay in the predictions files.
MOST_RAW_TEXTS = 200_000


def write_html(
    path: Path,
    report_data: ReportData,
    labels: Labels,
    analyses: dict[str, Any],
    *,
    title: str = "Evaluation",
    embed_mb: float = 4.0,
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: The file; missing folders are made.
        report_data: What `read_report_data` read.
        labels: Of all utterances, as `labels_of_all` returns them.
        analyses: What `analyse` found, shown as it is.
        title: Of the page.
        embed_mb: Embed sounds until they are this many MiB; the worst utterances first.
    """
    with atomic_write(path) as handle:
        for part in _page_parts(report_data, labels, analyses, path, title, embed_mb):
            handle.write(part)


def _page_parts(
    report_data: ReportData,
    labels: Labels,
    analyses: dict[str, Any],
    path: Path,
    title: str,
    embed_mb: float,
) -> Iterator[str]:
    """Yield the page's text piece by piece; see `write_html`."""
    script = "\n".join(_read(f"{name}.js") for name in (*SCRIPTS, MAIN))
    script = f"(() => {{\n'use strict';\n{script}\n}})();"
    names = ((code, html.escape(name)) for code, name in LANGUAGES.items())
    blanks = {
        "TITLE": html.escape(title),
        "STYLE": _read("page.css"),
        "LANGUAGES": "".join(f'<option value="{code}">{name}</option>' for code, name in names),
        "SCRIPT": script,
        "SCRIPT_HASH": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    before, after = _read("template.html").split("{{DATA}}")
    yield _filled(before, blanks)
    sets, models = report_data.sets, report_data.models
    order = worst_first(sets)
    sound = find_sound(sets, path, embed_mb=embed_mb, order=order)
    yield _json_element("overview", _overview(report_data, analyses, sound, title))
    columns = {
        "seconds": _seconds(sets).to_json(),
        "tokens": pack(_tokens(sets), "Uint16").to_json(),
        "status": pack_labels(_statuses(sets)),
        "errors": [column.to_json() for column in error_columns(sets, models)],
        "labels": {name: pack_labels(values) for name, values in labels.items()},
    }
    yield _json_element("columns", columns)
    yield _json_element("sound", sound.to_json())
    yield _json_element("timelines", timelines(sets, order))
    for block in text_blocks(sets, models, raw=False):
        yield f'<script type="text/plain" class="block">{block}</script>\n'
    if _has_raw(report_data):
        for block in text_blocks(sets, models, raw=True):
            yield f'<script type="text/plain" class="raw-block">{block}</script>\n'
    yield _filled(after, blanks)


def _has_raw(report_data: ReportData) -> bool:
    """Whether the texts as written fit into the page too."""
    utterances = sum(len(view.ids) for view in report_data.sets)
    return utterances * (1 + len(report_data.models)) <= MOST_RAW_TEXTS


def _overview(
    report_data: ReportData, analyses: dict[str, Any], sound: Sound, title: str
) -> dict[str, Any]:
    """Return all that is no column of the utterances."""
    sets, results = report_data.sets, report_data.results
    return {
        "title": title,
        "models": report_data.models,
        "baselines": report_data.baselines,
        "scores": results["scores"],
        "comparisons": [{**each, "answer": answer_of(each)} for each in results["comparisons"]],
        "gate": results["gate"],
        "verdicts": [each.to_json() for each in surest_first(verdicts(results))],
        "loops": [loops for view in sets for loops in _loops(view)],
        "notes": [*report_data.notes, *_about_sound(sound.missing)],
        "sets": [
            {
                "name": each.name,
                "metric": each.metric,
                "utterances": len(each.ids),
                "manifest": each.test_data,
            }
            for each in sets
        ]
        + [
            {"name": name, "metric": metric, "utterances": 0, "manifest": ""}
            for name, metric in report_data.meetings.items()
        ],
        "analyses": analyses,
        "measured": describe_cost(results["scores"]),
        "figures": {"header": FIGURE_HEADER, "rows": figure_rows(results["scores"])},
        "secondary": describe_secondary(results["scores"]),
        "made": list(map(describe_provenance, report_data.made)),
        "paths": list(map(str, report_data.paths)),
        "folders": sound.folders,
        "hasRaw": _has_raw(report_data),
        "han": _for_script(HAN),
    }


def _loops(view: SetView) -> Iterator[dict[str, Any]]:
    """Yield, for each model with loops, their utterances and the insertions in those."""
    places = {id: place for place, id in enumerate(view.ids)}
    for model, loops in view.loops.items():
        if loops:
            rows = view.scores[model].normal[[places[each.id] for each in loops]]
            inserted = int(rows[:, 2].sum())
            yield {"model": model, "set": view.name, "clips": len(loops), "insertions": inserted}


def worst_first(sets: Sequence[SetView]) -> list[int]:
    """Return the numbers of all utterances, those with most errors of any model first."""
    parts = [np.max([score.errors for score in view.scores.values()], axis=0) for view in sets]
    return np.argsort(-np.concatenate(parts), kind="stable").tolist() if parts else []


def _tokens(sets: Sequence[SetView]) -> Any:
    # There are no sets where all that was scored are meetings.
    return np.concatenate([np.zeros(0, dtype=np.int64), *(view.tokens for view in sets)])


def _seconds(sets: Sequence[SetView]) -> Any:
    return pack([each.audio_seconds for view in sets for each in view.lines], "Float32")


def _statuses(sets: Sequence[SetView]) -> list[str]:
    """Return what became of each utterance: "ok", or the worst that befell any model."""
    statuses = []
    for view in sets:
        for lines in zip(*(score.predictions for score in view.scores.values()), strict=True):
            found = {each.status for each in lines}
            statuses.append(next((s for s in ("failed", "missing") if s in found), "ok"))
    return statuses


def _about_sound(missing: int) -> list[str]:
    if not missing:
        return []
    files = "1 sound file was" if missing == 1 else f"{missing} sound files were"
    return [f"{files} gone when this page was made, and cannot be played."]


def _json_element(name: str, value: Any) -> str:
    """Return an element that holds data and cannot end early, whatever text is in it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f'<script type="application/json" id="{name}">{_unclosable(text)}</script>\n'


def _unclosable(text: str) -> str:
    # Lone surrogates cannot be written as UTF-8.
    return text.replace("<", "\\u003c").encode("utf-8", "replace").decode("utf-8")


def _for_script(pattern: str) -> str:
    r"""Return a character class with code points as JavaScript writes them: \u{20000}."""
    return pattern.replace("\\U00020000", r"\u{20000}").replace("\\U0003ffff", r"\u{3ffff}")


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")


def _filled(text: str, blanks: dict[str, str]) -> str:
    # In one pass: what is filled in may hold braces of its own.
    return re.sub(r"\{\{([A-Z_]+)\}\}", lambda blank: blanks[blank[1]], text)
