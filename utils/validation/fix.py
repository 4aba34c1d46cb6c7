"""A manifest without what is broken, and a list of what was left out and why."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from utils.audio.clip import AudioRef
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.manifest.read import SUFFIXES
from utils.manifest.utterance import Utterance
from utils.manifest.write import path_from_manifest, write_manifest
from utils.validation.diagnosis import Diagnosis
from utils.validation.findings import Finding, Line, Severity


class FixedManifest(NamedTuple):
    """What was written: how many lines were kept and dropped, and where the list of those is."""

    kept: int
    dropped: int
    dropped_file: Path


def write_fixed(
    diagnosis: Diagnosis, manifest: Path, target: Path, severities: Collection[Severity]
) -> FixedManifest:
    """Write the lines of a manifest in which nothing is broken.

    Args:
        diagnosis: what was found in `manifest`, and perhaps in others.
        manifest: the one to fix; it is not changed.
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
    broken = {each.line for each in _reasons(diagnosis, manifest, severities)}
    usable = (line.number for line in _lines_of(diagnosis, manifest))
    if all(number in broken for number in usable):
        raise UserError(f"{manifest}: nothing would be left", "look at what was found above")
    dropped_file = target.with_name(target.name.removesuffix(ending) + ".dropped.jsonl")
    with atomic_write(dropped_file) as file:
        for number, found in groupby(_reasons(diagnosis, manifest, severities), _number):
            line = diagnosis.lines.find(manifest, number)
            readable = _relative_to(target, line.utterance) if line else None
            file.write(_dropped_line(number, list(found), readable) + "\n")
    lines = _lines_of(diagnosis, manifest)
    kept = (_relative_to(target, line.utterance) for line in lines if line.number not in broken)
    return FixedManifest(write_manifest(target, kept), len(broken), dropped_file)


def _reasons(
    diagnosis: Diagnosis, manifest: Path, severities: Collection[Severity]
) -> Iterator[Finding]:
    """Yield what is broken in a manifest, in the order of the lines."""
    for found in diagnosis.findings:
        if found.manifest == manifest and found.line and found.severity in severities:
            yield found


def _number(finding: Finding) -> int:
    return finding.line


def _lines_of(diagnosis: Diagnosis, manifest: Path) -> Iterator[Line]:
    for number, each in enumerate(diagnosis.lines.manifests):
        if each.path == manifest:
            yield from diagnosis.lines.of(number)


def _dropped_line(number: int, found: list[Finding], utterance: Utterance | None) -> str:
    value: dict[str, object] = {
        "line": number,
        "id": utterance.id if utterance else "",
        "reasons": [{"kind": each.kind, "message": each.message} for each in found],
    }
    if utterance:
        value["utterance"] = utterance.to_json()
    return json.dumps(value, ensure_ascii=False)


def _relative_to(target: Path, utterance: Utterance) -> Utterance:
    """Spell the audio's path so that it holds from where the fixed manifest will lie."""
    audio: AudioRef = utterance.audio
    return replace(utterance, audio=replace(audio, path=path_from_manifest(audio.path, target)))
