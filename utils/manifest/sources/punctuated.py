"""Punctuation for transcripts that have none, each text asked for once however often one starts.

A model of a few hundred megabytes takes hours over a corpus on a CPU. What it said is kept beside
the audio, batch by batch, so that a run that was killed goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from utils.cli.files import atomic_write
from utils.cli.progress import progress

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
    known = _remembered(memory)
    unknown = [text for text in dict.fromkeys(texts) if text not in known]
    batches = [unknown[start : start + BATCH] for start in range(0, len(unknown), BATCH)]
    memory.parent.mkdir(parents=True, exist_ok=True)
    with open(memory, "a", encoding="utf-8") as file:
        for batch in progress(batches, desc="punctuating", unit="batch"):
            answers = dict(zip(batch, punctuate(batch), strict=True))
            for text, answer in answers.items():
                file.write(json.dumps([text, answer], ensure_ascii=False) + "\n")
            file.flush()
            known |= answers
    return known


def _remembered(memory: Path) -> dict[str, str]:
    """Read the answers of earlier runs; a line that a kill cut in two is taken out of the file."""
    if not memory.exists():
        return {}
    content = memory.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with atomic_write(memory, "wb") as file:
            file.write(whole)
    return dict(json.loads(line) for line in whole.decode("utf-8").splitlines())
