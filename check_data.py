"""Find what is wrong with manifests and their audio before you train on them.

One manifest:  python check_data.py --data=dataset/train.json
All parts:     python check_data.py --data=dataset/test.json,dataset/train.json --html=output/check.html
With a model:  python check_data.py --data=dataset/train.json --model_path=openai/whisper-tiny

Given several manifests, it also finds what occurs in two of them. It decodes every file and changes
nothing; --fix=dataset/fixed.json writes the last manifest without the broken lines. Exit code: 0
nothing to fix, 1 warnings, 2 errors.
"""  # noqa: E501 - a command stays on its line

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from utils.cli.console import say_result
from utils.cli.errors import UserError, exit_script, run_script
from utils.cli.flags import parse_settings

if TYPE_CHECKING:
    from utils.parallel.shards import Shard
    from utils.validation.diagnosis import Diagnosis
    from utils.validation.findings import Inspector, Severity
    from utils.validation.records import Look

MOST_WORKERS = 64


@dataclass(frozen=True)
class _DataSettings:
    """The data, and what is checked."""

    data: tuple[str, ...] = ("dataset/train.json",)
    """Manifests, separated by commas. Together they are the parts of one data set. Data sets of the
    hub (hf:name:split), folders of datasets and parquet files are read too."""
    audio: bool = True
    """Decode every audio file. False checks only what the manifests state: a quick first check of
    millions of lines."""
    voices: bool = True
    """Detect speech (Silero VAD). Finds transcripts without speech, and speech in lines that say
    there is none."""
    examples: int = 3
    """Lines shown for each kind of finding, the worst first; -1 shows all."""


@dataclass(frozen=True)
class _ModelSettings:
    """Checks that use a model."""

    model_path: str | None = None
    """Whisper model that counts tokens and finds transcripts that it strongly contradicts."""
    language: str | None = None
    """Language of lines that state none, for --model_path; None lets the model detect it."""
    batch_size: int = 16
    """Utterances that --model_path transcribes at a time."""
    local_files_only: bool = False
    """Never ask the hub for --model_path."""


@dataclass(frozen=True)
class _OutputSettings:
    """What is written."""

    html: str | None = None
    """Write an HTML page here, with players, distributions and the worst lines first."""
    fix: str | None = None
    """Write the last manifest of --data here, without the lines that have errors. Beside it,
    <name>.dropped.jsonl says what was left out and why."""
    fix_warnings: bool = False
    """With --fix: also leave out the lines that have warnings."""


@dataclass(frozen=True)
class _WorkSettings:
    """How the work is done."""

    num_workers: int | None = None
    """Processes that check lines. None takes one for each core, at most 64; 0 or 1 checks in this
    process."""
    engine: Literal["local", "ray"] = "local"
    """Where audio is decoded: in processes of this machine (local), or with Ray Data (ray, which
    is an extra; see docs/data.md)."""
    shard: str | None = None
    """Check only this part of each manifest, such as 2/8. The files that --html and --fix name get
    the part's name. Duplicates across parts are not found."""
    resume: bool = True
    """Continue an interrupted check of the same manifests with the same settings; False starts
    again."""


# The last of the parents gives the first section of --help, under its docstring.
@dataclass(frozen=True)
class Settings(_WorkSettings, _OutputSettings, _ModelSettings, _DataSettings):
    """What to check, and what to write."""

    def __post_init__(self) -> None:
        """Check what must hold of the settings."""
        if self.batch_size < 1:
            raise UserError(f"--batch_size={self.batch_size}: expected at least 1")


def main(argv: Sequence[str] | None = None) -> int:
    """Parse the flags, check everything, say what was found."""
    settings = parse_settings(Settings, argv, prog="check_data.py", description=__doc__ or "")
    from utils.parallel.shards import parse_shard
    from utils.report.validation_text import tell
    from utils.sources.direct import manifest_of
    from utils.validation.check import Kept, check_manifests

    num_workers = settings.num_workers
    if num_workers is None:
        num_workers = min(MOST_WORKERS, os.cpu_count() or 1)
    paths = [manifest_of(path) for path in settings.data]
    _say_languages(paths)
    shard = parse_shard(settings.shard)
    kept = Kept(_name(settings), fresh=not settings.resume)
    here, look = _inspectors_here(settings), _look(settings)
    diagnosis = check_manifests(paths, num_workers, here, shard, look, kept, settings.engine)
    tell(diagnosis, settings.examples)
    _write(diagnosis, settings, shard)
    return diagnosis.exit_code


def _name(settings: Settings) -> str:
    """Return a name of all settings that the findings depend on."""
    relevant = (
        settings.audio,
        settings.voices,
        settings.language,
        settings.batch_size,
        settings.shard,
    )
    if settings.model_path is None:
        return repr(relevant)
    from utils.model.fingerprint import model_fingerprint

    model = model_fingerprint(settings.model_path, local_files_only=settings.local_files_only)
    return repr((*relevant, settings.model_path, model))


def _look(settings: Settings) -> Look:
    """Return the checks of lines that every process makes."""
    from utils.validation.records import Look
    from utils.validation.text import perhaps_too_many_tokens

    found: list[Inspector] = []
    if settings.audio and settings.voices:
        from utils.validation.inspect import voices

        found.append(voices)
    if settings.model_path is None:
        found.append(perhaps_too_many_tokens)
    return Look(settings.audio, found)


def _inspectors_here(settings: Settings) -> list[Inspector]:
    """Return the checks that use a model, which is loaded once, in this process."""
    if settings.model_path is None:
        return []
    from utils.manifest.languages import language_code
    from utils.model.load import load_model
    from utils.transcription.contradictions import contradictions
    from utils.transcription.decoding import Decoding
    from utils.validation.inspect import too_many_tokens

    loaded = load_model(settings.model_path, local_files_only=settings.local_files_only)
    language = language_code(settings.language) if settings.language else None
    # Any language has as many tokens in the prompt as another.
    encoder = loaded.label_encoder(language=language or "en", timestamps=True)
    decoding = Decoding(language=language, batch_size=settings.batch_size)
    return [too_many_tokens(encoder), contradictions(loaded, decoding)]


def _say_languages(paths: Sequence[Path]) -> None:
    """Say in which languages each manifest is, and how that is known."""
    from utils.cli.console import say
    from utils.manifest.read import scan_manifest
    from utils.manifest.text_language import with_languages

    for path in paths:
        manifest, _ = scan_manifest(path)
        if len(manifest):
            say(f"language     {path}: {with_languages(manifest.utterances, None)[1].told()}")


def _write(diagnosis: Diagnosis, settings: Settings, shard: Shard) -> None:
    """Write the page and the fixed manifest where they are asked for."""
    if settings.html:
        from utils.report.page.validation_page import write_validation_page

        page = shard.named(Path(settings.html))
        write_validation_page(diagnosis, page)
        say_result(f"{page}: the same as a page")
    if settings.fix:
        from utils.validation.fix import write_fixed

        severities: list[Severity] = ["error", "warning"] if settings.fix_warnings else ["error"]
        target = shard.named(Path(settings.fix))
        fixed = write_fixed(diagnosis, Path(settings.data[-1]), target, severities)
        say_result(
            f"{target}: {fixed.kept} lines; {fixed.dropped} were left out, "
            f"{fixed.dropped_file} says why"
        )


if __name__ == "__main__":
    exit_script(run_script(main))
