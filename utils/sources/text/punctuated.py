"""Punctuation for transcripts that have none, each text asked for once however often one starts.

A model of a few hundred megabytes takes hours over a corpus on a CPU. What it said is kept beside
the audio, batch by batch, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from utils.cli.progress import progress
from utils.parallel.journal import Journal

Punctuate = Callable[[Sequence[str]], list[str]]
"""Texts without punctuation -> the same texts with it."""

BATCH = 64


def punctuate_once(texts: Iterable[str], punctuate: Punctuate, memory: Path) -> dict[str, str]:
    """Punctuate texts, and remember the answers.

    Args:
        texts: without punctuation; may repeat.
        punctuate: asked for each text that no earlier run asked it for.
        memory: file with the answers; belongs to this one model.

    Returns:
        Each text's punctuated form.
    """
    known = Journal(memory)
    unknown = [text for text in dict.fromkeys(texts) if text not in known]
    batches = [unknown[start : start + BATCH] for start in range(0, len(unknown), BATCH)]
    for batch in progress(batches, desc="punctuating", unit="batch"):
        for text, answer in zip(batch, punctuate(batch), strict=True):
            known.add(text, answer)
    return dict(known.items())
