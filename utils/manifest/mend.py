"""A manifest without what is broken, and a list of what was left out and why."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.manifest.findings import Diagnosis, Finding, Severity
from utils.manifest.read import SUFFIXES
from utils.manifest.utterance import AudioRef, Utterance
from utils.manifest.write import path_from_manifest, write_manifest


class Mended(NamedTuple):
    """What was written: how many lines were kept and dropped, and where the list of those is."""

    kept: int
    dropped: int
    dropped_file: Path


def write_mended(
    diagnosis: Diagnosis, manifest: Path, target: Path, severities: Collection[Severity]
) -> Mended:
    """Write the lines of a manifest in which nothing is broken.

    Args:
        diagnosis: what was found in `manifest`, and perhaps in others.
        manifest: the one to mend; it is not changed.
        target: where to. Beside it `<name>.dropped.jsonl` gets a line for each one left out:
            `line`, `id`, `reasons` (of `kind` and `message`) and, where it could be read,
            `utterance`.
        severities: what counts as broken.

    Raises:
        UserError: `target` is the manifest itself, is no name of a manifest, or nothing is left.
    """
    ending = next((each for each in reversed(SUFFIXES) if target.name.endswith(each)), None)
    if ending is None:
        raise UserError(f"--fix={target} is no name of a manifest", f"end it in {SUFFIXES[0]}")
    if target.resolve() == manifest.resolve():
        raise UserError(f"--fix={target} is the manifest itself", "name another file")
    reasons: dict[int, list[Finding]] = defaultdict(list)
    for finding in diagnosis.findings:
        if finding.manifest == manifest and finding.line and finding.severity in severities:
            reasons[finding.line].append(finding)
    readable = {
        line.number: _seen_from(target, line.utterance)
        for line in diagnosis.lines
        if line.manifest == manifest
    }
    kept = [utterance for number, utterance in readable.items() if number not in reasons]
    if not kept:
        raise UserError(f"{manifest}: nothing would be left", "look at what was found above")
    dropped_file = target.with_name(target.name.removesuffix(ending) + ".dropped.jsonl")
    with atomic_write(dropped_file) as file:
        for number, found in sorted(reasons.items()):
            file.write(_dropped_line(number, found, readable.get(number)) + "\n")
    write_manifest(target, kept)
    return Mended(len(kept), len(reasons), dropped_file)


def _dropped_line(number: int, found: list[Finding], utterance: Utterance | None) -> str:
    value: dict[str, object] = {
        "line": number,
        "id": utterance.id if utterance else "",
        "reasons": [{"kind": each.kind, "message": each.message} for each in found],
    }
    if utterance:
        value["utterance"] = utterance.to_json()
    return json.dumps(value, ensure_ascii=False)


def _seen_from(target: Path, utterance: Utterance) -> Utterance:
    """Spell the audio's path so that it holds from where the mended manifest will lie."""
    audio: AudioRef = utterance.audio
    return replace(utterance, audio=replace(audio, path=path_from_manifest(audio.path, target)))
