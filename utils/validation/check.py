"""Validation: what is wrong with manifests and their audio, before an hour is spent on training.

`check_manifests` reads every line, decodes every sound, and lists what it finds. A finding is an
*error* (the line teaches something false, or cannot be used), a *warning* (probably wrong) or a
*note* (worth knowing; nothing to fix).

What is known of a line is written to disk as soon as it is known, so that memory does not grow with
the number of lines, and an interrupted check continues where it stopped.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from utils.cli.console import say
from utils.cli.errors import UserError
from utils.cli.files import cache_folder, scratch_folder, writable_folder
from utils.cli.progress import progress
from utils.manifest.duplicates import number_of_kinds
from utils.manifest.read import BrokenLine, Manifest, repeated_ids, scan_manifest
from utils.parallel.pool import in_order
from utils.parallel.ray_data import Engine, ray_map
from utils.parallel.shards import WHOLE, Shard
from utils.validation.diagnosis import Diagnosis, LineRecords, write_findings
from utils.validation.findings import Finding, Inspector, Summary
from utils.validation.journal import CheckJournal
from utils.validation.model_errors import judged
from utils.validation.pairs import check_pairs
from utils.validation.records import (
    LISTED,
    OF_PAIR,
    READABLE,
    RECORD,
    UNREADABLE,
    CheckedLines,
    Look,
    Task,
    inspected,
)
from utils.validation.text import perhaps_too_many_tokens

if TYPE_CHECKING:
    from tqdm import tqdm

# So many lines are one task for a process, and written at once.
LINES_A_TASK = 64
# Ray is given so many tasks at a time: a manifest of any size need not be in memory.
TASKS_A_ROUND = 4096
# Below so many lines, starting processes costs more than it saves.
FEW_LINES = 128


@dataclass(frozen=True)
class Kept:
    """From where an interrupted check can be continued.

    Attributes:
        settings: a name of all that has a say in what is found, beside the manifests.
        fresh: forget what an earlier check found.
    """

    settings: str
    fresh: bool = False


def check_manifests(
    paths: Sequence[Path],
    num_workers: int = 0,
    inspectors: Sequence[Inspector] = (perhaps_too_many_tokens,),
    shard: Shard = WHOLE,
    look: Look | None = None,
    kept: Kept | None = None,
    engine: Engine = "local",
) -> Diagnosis:
    """Read manifests, decode all of their audio, and list what is wrong.

    Args:
        paths: manifests of one set each, such as train, dev and test: what is in two of them is a
            leak. One that is named twice is looked at once.
        num_workers: processes that look at lines; 0 for none but this one.
        inspectors: what else looks at the lines whose sound can be read, in this process.
        shard: the part of each manifest's lines that is looked at; broken lines are told
            by the first part.
        look: whether to decode audio, and what else checks lines, in the other processes.
        kept: keep what was found until the end, so that a check can continue; None keeps nothing.
        engine: what looks at lines: this machine's processes, or Ray Data.

    Returns:
        A summary of each manifest and the findings, in the order of the lines.

    Raises:
        UserError: a manifest is missing, is no manifest at all, or is being checked already.
        Failure: a process died.
    """
    opened = [_Opened.of(path, shard) for path in dict.fromkeys(paths)]
    journal = _journal(opened, kept)
    try:
        work = _Work((look or Look()).checker(), num_workers, engine)
        _look_at_all(opened, journal, work, inspectors)
        manifests = [each.manifest for each in opened]
        lines = LineRecords(manifests, journal.records(), journal.fingerprints(), journal)
        told = _ordered(opened, journal, lines)
        findings = write_findings(journal.folder / "told", told, journal)
        summaries = [_summary(number, each, lines, journal) for number, each in enumerate(opened)]
    except BaseException:
        journal.close()
        raise
    journal.finish()
    return Diagnosis(summaries, findings, lines)


@dataclass(frozen=True)
class _Opened:
    """A manifest, or a part of one, and what its lines alone show."""

    manifest: Manifest
    broken: Sequence[BrokenLine]
    repeated: Sequence[BrokenLine]
    is_empty: bool

    @classmethod
    def of(cls, path: Path, shard: Shard) -> _Opened:
        manifest, broken = scan_manifest(path)
        repeated = repeated_ids(manifest)
        is_empty = not manifest.utterances
        manifest = replace(
            manifest, utterances=shard.of(manifest.utterances), lines=shard.of(manifest.lines)
        )
        if shard.count > 1:
            first, last = (manifest.lines[0], manifest.lines[-1]) if len(manifest) else (1, 0)
            repeated = [each for each in repeated if first <= each.line <= last]
        return cls(manifest, broken if shard.number == 1 else [], repeated, is_empty)

    def listed(self) -> Iterator[tuple[int, int, Finding]]:
        """Yield line, rank and finding of what the lines alone show, in their order."""
        path = self.manifest.path
        if self.is_empty:
            message = "holds no usable line"
            yield 0, LISTED, Finding("error", "empty manifest", path, 0, "", message)
        broken = [("broken line", each) for each in self.broken]
        repeated = [("repeated id", each) for each in self.repeated]
        for kind, each in heapq.merge(broken, repeated, key=lambda pair: pair[1].line):
            yield each.line, LISTED, Finding("error", kind, path, each.line, "", each.message)


def _journal(opened: Sequence[_Opened], kept: Kept | None) -> CheckJournal:
    """Open what an earlier check of the same found, or begin anew."""
    if kept is None:
        return CheckJournal(scratch_folder("check"), keep=False)
    named = [[str(each.manifest.path), each.manifest.sha256, len(each.manifest)] for each in opened]
    form = [LINES_A_TASK, str(RECORD.descr)]  # what an older version kept is another check
    name = hashlib.sha256(json.dumps([named, kept.settings, form]).encode()).hexdigest()
    folder = writable_folder(cache_folder() / "checks") / name[:24]
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{opened[0].manifest.path} is being checked already, with the same settings",
            f"wait for that; it holds {lock.lock_file}",
        ) from None
    if kept.fresh:
        shutil.rmtree(folder, ignore_errors=True)
    journal = CheckJournal(folder, lock)
    if journal.lines_done:
        total = sum(len(each.manifest) for each in opened)
        say(
            f"continuing an interrupted check: {journal.lines_done} of {total} lines are done; "
            "--resume=False starts again"
        )
    return journal


def _look_at_all(
    opened: Sequence[_Opened],
    journal: CheckJournal,
    work: _Work,
    inspectors: Sequence[Inspector],
) -> None:
    """Look at the lines that the journal does not know."""
    done = journal.lines_done
    for number, each in enumerate(opened):
        manifest = each.manifest
        skipped = min(done, len(manifest))
        done -= skipped
        bar: tqdm[None] = progress(
            total=len(manifest), initial=skipped, desc=f"checking {manifest.path}", unit="utt"
        )
        with bar:
            for checked in work.on(manifest, skipped):
                journal.add(number, _completed(checked, inspectors))
                bar.update(len(checked.lines))


@dataclass(frozen=True)
class _Work:
    """What looks at tasks, and where that is done."""

    check_lines: Callable[[Task], CheckedLines]
    num_workers: int
    engine: Engine

    def on(self, manifest: Manifest, skipped: int) -> Iterator[CheckedLines]:
        """Look at all lines of a manifest but the first; yield what is found, task by task."""
        tasks = _tasks(manifest, skipped)
        if self.engine == "local":
            workers = self.num_workers if len(manifest) - skipped >= FEW_LINES else 0
            yield from in_order(self.check_lines, tasks, workers)
            return
        while some := [_carried(task) for task in islice(tasks, TASKS_A_ROUND)]:
            yield from ray_map(self.check_lines, some, self.num_workers)


def _carried(task: Task) -> Task:
    """Return a task for another machine, which need not have the index of a large manifest."""
    return task._replace(utterances=list(task.utterances))


def _tasks(manifest: Manifest, skipped: int) -> Iterator[Task]:
    for start in range(skipped, len(manifest), LINES_A_TASK):
        some = slice(start, start + LINES_A_TASK)
        yield Task(manifest.path, list(manifest.lines[some]), manifest.utterances[some])


def _completed(checked: CheckedLines, inspectors: Sequence[Inspector]) -> CheckedLines:
    """Add what the inspectors of this process find, and put all in order."""
    findings = [*checked.findings, *inspected(inspectors, checked.lines)]
    findings.sort(key=lambda each: (each[1].line, each[0]))
    return checked._replace(findings=findings)


def _ordered(
    opened: Sequence[_Opened], journal: CheckJournal, lines: LineRecords
) -> Iterator[Finding]:
    """Yield all findings, manifest by manifest, in the order of the lines."""
    pairs = check_pairs(lines, journal.folder)
    ahead = list(islice(pairs, 1))

    def pairs_of(path: Path) -> Iterator[tuple[int, int, Finding]]:
        while ahead and ahead[0].manifest == path:
            found = ahead[0]
            yield found.line, OF_PAIR, found
            ahead[:] = islice(pairs, 1)

    for each in opened:
        path = each.manifest.path
        streams: list[Iterable[tuple[int, int, Finding]]] = [
            *(each.listed(), judged(partial(journal.findings, path), path), pairs_of(path))
        ]
        for _, _, found in heapq.merge(*streams, key=lambda item: item[:2]):
            yield found


def _summary(number: int, opened: _Opened, lines: LineRecords, journal: CheckJournal) -> Summary:
    records = lines.records[lines.starts[number] : lines.starts[number + 1]]
    state = records["state"]
    durations = records["duration"][state != UNREADABLE]
    durations = durations[~np.isnan(durations)]
    if not len(durations):
        durations = np.zeros(1)
    return Summary(
        manifest=opened.manifest.path,
        lines=len(records) + len(opened.broken),
        usable=int(np.count_nonzero(state != UNREADABLE)),
        seconds=float(durations.sum()),
        shortest=float(durations.min()),
        median=float(np.median(durations)),
        longest=float(durations.max()),
        speakers=number_of_kinds(records["speaker_key"]),
        distinct_texts=number_of_kinds(records["text_key"]),
        no_speech=int(np.count_nonzero(records["no_speech"])),
        languages=journal.languages.get(number, Counter()),
        sampling_rates=_counts(records["rate"], state),
        channels=_counts(records["channels"], state),
    )


def _counts(values: np.ndarray, state: np.ndarray) -> Counter[int]:
    found, counts = np.unique(values[state == READABLE], return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))
