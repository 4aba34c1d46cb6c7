"""Manifests of this repository's own form: put together, split, or written in another form."""

from __future__ import annotations

from dataclasses import dataclass

from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.sources.binary_list import is_binary_list, read_binary_list
from utils.sources.corrections import correct, read_corrections
from utils.sources.source_data import SourceData, SourceSettings


@dataclass(frozen=True, kw_only=True)
class ManifestSettings(SourceSettings):
    """Existing manifests: join them, split them, or convert them with --format."""

    path: tuple[str, ...]
    """The manifests, separated by commas; also the binary .header lists of older scripts."""
    corrections: str | None = None
    """Corrected texts, corrected languages and utterances to leave out: the file that the page of
    report.py exports."""


def gather(settings: ManifestSettings) -> SourceData:
    """Read manifests.

    Raises:
        UserError: one is missing, or has lines that cannot be used.
    """
    utterances: list[Utterance] = []
    for path in settings.path:
        utterances += read_binary_list(path) if is_binary_list(path) else read_manifest(path)
    if settings.corrections:
        found = read_corrections(settings.corrections)
        utterances = correct(utterances, found, settings.corrections)
    return SourceData(utterances)
