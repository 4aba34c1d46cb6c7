"""The doctor: what is wrong with manifests and their audio, before an hour is spent on training.

`check_manifests` reads every line, listens to every sound, and lists what it finds. A finding is an
*error* (the line teaches something false, or cannot be used), a *warning* (probably wrong) or a
*note* (worth knowing; nothing to mend).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from utils.cli.progress import progress
from utils.manifest.check_pairs import (
    nearly_same_audio,
    same_audio,
    same_speaker,
    same_text,
    text_in_two_sets,
)
from utils.manifest.check_sound import check_sound, check_times
from utils.manifest.check_text import check_signs, check_text, perhaps_too_many_tokens
from utils.manifest.findings import Diagnosis, Finding, Inspector, Line, Summary
from utils.manifest.probe import AudioFacts, Unheard, probe_all
from utils.manifest.ray_data import Engine
from utils.manifest.read import Manifest, repeated_ids, scan_manifest
from utils.manifest.shards import WHOLE, Shard


def check_manifests(
    paths: Sequence[Path],
    num_workers: int = 0,
    inspectors: Sequence[Inspector] = (perhaps_too_many_tokens,),
    shard: Shard = WHOLE,
    engine: Engine = "local",
) -> Diagnosis:
    """Read manifests, listen to all of their audio, and list what is wrong.

    Args:
        paths: manifests of one set each, such as train, dev and test: what is in two of them is a
            leak.
        num_workers: processes that decode; 0 for none but this one.
        inspectors: what else looks at the lines whose sound can be read.
        shard: the part of each manifest's lines that is looked at; broken lines are told
            by the first part.
        engine: what decodes: this machine's processes, or Ray Data.

    Returns:
        A summary of each manifest and the findings, in the order of the lines.

    Raises:
        UserError: a manifest is missing, or is no manifest at all.
        Failure: a decoding process died.
    """
    summaries: list[Summary] = []
    findings: list[Finding] = []
    lines: list[Line] = []
    for path in paths:
        manifest, broken = scan_manifest(path)
        is_empty = not manifest.utterances
        repeated = repeated_ids(manifest)
        manifest = replace(
            manifest, utterances=shard.of(manifest.utterances), lines=shard.of(manifest.lines)
        )
        broken = broken if shard.number == 1 else []
        mine = set(manifest.lines)
        repeated = [each for each in repeated if each.line in mine]
        for kind, bad_lines in (("broken line", broken), ("repeated id", repeated)):
            findings += [
                Finding("error", kind, manifest.path, each.line, "", each.message)
                for each in bad_lines
            ]
        its_lines = _listen(manifest, num_workers, engine)
        if is_empty:
            message = "holds no usable line"
            findings.append(Finding("error", "empty manifest", manifest.path, 0, "", message))
        summaries.append(_summary(manifest, its_lines, len(broken)))
        lines += its_lines
    for line in lines:
        findings += _check_line(line)
    for compare in (same_audio, nearly_same_audio, same_text, text_in_two_sets, same_speaker):
        findings += compare(lines)
    heard = [line for line in lines if isinstance(line.heard, AudioFacts)]
    for inspect in inspectors:
        findings += inspect(heard)
    order = {path: number for number, path in enumerate(paths)}
    findings.sort(key=lambda each: (order[each.manifest], each.line))
    return Diagnosis(summaries, findings, lines)


def _check_line(line: Line) -> Iterator[Finding]:
    """Yield what is wrong with one line by itself."""
    heard = line.heard
    if isinstance(heard, Unheard):
        kind = {"outside": "piece outside the file"}.get(heard.kind, f"{heard.kind} audio")
        yield line.finding("error", kind, heard.message)
        yield from check_signs(line)
        return
    yield from check_sound(line, heard)
    yield from check_times(line, heard)
    yield from check_text(line, heard)


def _listen(manifest: Manifest, num_workers: int, engine: Engine) -> list[Line]:
    heard = progress(
        probe_all([utterance.audio for utterance in manifest], num_workers, engine),
        total=len(manifest),
        desc=f"listening to {manifest.path}",
        unit="utt",
    )
    return [
        Line(manifest.path, number, utterance, each)
        for number, utterance, each in zip(manifest.lines, manifest, heard, strict=True)
    ]


def _summary(manifest: Manifest, lines: Sequence[Line], broken: int) -> Summary:
    facts = [line.heard for line in lines if isinstance(line.heard, AudioFacts)]
    durations = [each.duration for each in facts] or [0.0]
    utterances = manifest.utterances
    return Summary(
        manifest=manifest.path,
        lines=len(lines) + broken,
        usable=len(facts),
        seconds=sum(durations),
        shortest=min(durations),
        median=statistics.median(durations),
        longest=max(durations),
        speakers=len({each.speaker for each in utterances if each.speaker is not None}),
        distinct_texts=len({each.sentence for each in utterances if each.sentence}),
        no_speech=sum(each.is_no_speech for each in utterances),
        languages=Counter(each.language or "?" for each in utterances),
        sampling_rates=Counter(each.sampling_rate for each in facts),
        channels=Counter(each.channels for each in facts),
    )
