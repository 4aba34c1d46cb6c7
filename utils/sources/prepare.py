"""What a source gave -> manifests: checked, measured, split, written, and all that is left out."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from utils.audio.clip import Seconds
from utils.cli.console import say_result
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.leftovers import unfinished
from utils.manifest.file_shards import share_of_files
from utils.manifest.joining import join_sentences
from utils.manifest.replacing import expect_nothing_lost
from utils.manifest.spelled_times import spelled_times
from utils.manifest.split import PARTS, parse_shares, split_utterances
from utils.manifest.text_language import with_languages
from utils.manifest.utterance import Utterance
from utils.manifest.write import path_from_manifest, write_manifest
from utils.parallel.shards import Shard, parse_shard
from utils.sources.audio.measure import measured
from utils.sources.lhotse import write_cuts
from utils.sources.nemo import write_nemo
from utils.sources.parts import in_order
from utils.sources.sclite import write_ctm, write_stm
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

EXAMPLES_SHOWN = 3

# What --format writes: the ending of a part's name, and the writer.
WRITERS: dict[str, tuple[str, Callable[[Path, Iterable[Utterance]], object]]] = {
    "manifest": (".json", write_manifest),
    "nemo": ("_nemo.json", write_nemo),
    "lhotse": ("_cuts.jsonl", write_cuts),
    "stm": (".stm", write_stm),
    "ctm": (".ctm", write_ctm),
}


@dataclass(frozen=True)
class Prepared:
    """What was written: the manifest of each part, and all that is in none."""

    manifests: Mapping[str, Path]
    utterances: Mapping[str, int]
    seconds: Mapping[str, Seconds]
    left_out: Sequence[LeftOut]
    left_out_file: Path
    notes: Sequence[str] = ()


def prepare(source_data: SourceData, settings: SourceSettings, name: str) -> Prepared:
    """Check what a source gave and write it.

    Args:
        source_data: what the source holds.
        settings: where to, how to split, in which form.
        name: the command, which names the data where --source does not.

    Returns:
        What was written, and everything that was left out with its reason.

    Raises:
        UserError: nothing is left, the parts cannot be made, or other data would be replaced.
    """
    source, shard = settings.source or name, parse_shard(settings.shard)
    if settings.split and shard.count > 1:
        raise UserError(
            f"--split={settings.split} needs all of the data, --shard={settings.shard} has a part",
            "join the parts with `custom.py manifest --path=... --split=...`",
        )
    names = _part_names(source_data, settings)
    ending, _ = WRITERS[settings.format]
    folder = Path(settings.output_dir)
    files = {part: shard.named(folder / f"{part}{ending}") for part in names}
    for path in files.values():
        _expect_not_brought(path, settings)
    mine, left_out = _share(source_data, shard)
    usable, unusable = measured(mine)
    left_out = sorted([*left_out, *unusable])
    # Named after the data: another source may be written into the same folder.
    left_out_file = shard.named(folder / f"{name}_left_out.jsonl")
    if not usable and shard.count > 1:  # the other parts may hold more
        write_left_out(left_out_file, left_out)
        return summarise(files, {}, left_out, left_out_file, source_data.notes)
    if not usable:
        raise nothing_left(left_out)
    language = settings.language_code
    complete = [
        with_spelled_times(
            replace(each, language=each.language or language, source=each.source or source)
        )
        for each in usable
    ]
    notes = [*source_data.notes, *language_notes(usable, language)]
    parts = _parts(complete, source_data, settings, names)
    _write(files, parts, settings)
    write_left_out(left_out_file, left_out)
    return summarise(files, parts, left_out, left_out_file, notes)


def language_notes(utterances: Sequence[Utterance], given: str | None) -> list[str]:
    """Say in which languages utterances are, how that is known, and where their script differs."""
    _, shares = with_languages(utterances, given)
    notes = [f"language: {shares.told()}"]
    if shares.clashes:
        notes.append(
            f"warning: about {shares.clashes} of {len(utterances)} texts are not written in the "
            f"script of their language; the first, {shares.first}"
        )
    return notes


def _part_names(source_data: SourceData, settings: SourceSettings) -> list[str]:
    """Return the names of the manifests that will be written.

    Raises:
        UserError: --name stands beside --split, or is no name of a file.
    """
    if settings.split:
        if settings.name != PARTS[0]:
            raise UserError(
                f"--name={settings.name} is for data of one part, --split makes several",
                "leave one of the two out",
            )
        return list(parse_shares(settings.split))
    if not settings.name or Path(settings.name).name != settings.name:
        raise UserError(
            f"--name={settings.name} is no name for a file",
            "such as dev; --output_dir is the folder",
        )
    if settings.parts == "join" or settings.name != PARTS[0]:
        return [settings.name]
    return in_order(source_data.part_of.values()) or [settings.name]


def _parts(
    utterances: Sequence[Utterance],
    source_data: SourceData,
    settings: SourceSettings,
    names: Sequence[str],
) -> dict[str, list[Utterance]]:
    if settings.split:
        shares = parse_shares(settings.split)
        return split_utterances(utterances, shares, settings.split_by, settings.seed)
    if len(names) == 1:
        return {names[0]: list(utterances)}
    part_of = source_data.part_of
    return {name: [each for each in utterances if part_of[each.id] == name] for name in names}


def _write(
    files: Mapping[str, Path], parts: Mapping[str, Sequence[Utterance]], settings: SourceSettings
) -> None:
    """Write all parts, or none where lines that are there already would be lost."""
    _, writer = WRITERS[settings.format]
    waiting: list[tuple[Path, Path]] = []
    with ExitStack() as stack:
        for part, utterances in parts.items():
            file = files[part]
            new = stack.enter_context(unfinished(file, ending=file.suffix))
            waiting.append((new, file))
            writer(new, [_relative_to(file, each) for each in utterances])
        if not settings.overwrite:
            expect_nothing_lost([(file, new) for new, file in waiting])
        for new, file in waiting:
            os.replace(new, file)


def with_spelled_times(utterance: Utterance) -> Utterance:
    """Read timestamps that are spelled out in a text as the times of its sentences."""
    timed = None if utterance.sentences else spelled_times(utterance.sentence)
    if timed is None:
        return utterance
    text = join_sentences(each.text for each in timed)
    return replace(utterance, sentence=text, sentences=timed)


def summarise(
    files: Mapping[str, Path],
    parts: Mapping[str, Sequence[Utterance]],
    left_out: Sequence[LeftOut],
    left_out_file: Path,
    notes: Sequence[str] = (),
) -> Prepared:
    """Count what was written."""
    return Prepared(
        manifests={part: files[part] for part in parts},
        utterances={part: len(each) for part, each in parts.items()},
        seconds={part: sum(one.duration or 0.0 for one in each) for part, each in parts.items()},
        left_out=left_out,
        left_out_file=left_out_file,
        notes=notes,
    )


def tell(prepared: Prepared, speak: Callable[[str], None] = say_result) -> None:
    """Say what was written and what was left out."""
    for note in prepared.notes:
        speak(note)
    if not prepared.manifests:
        speak("no manifest was written: this part holds nothing that can be used")
    for split, path in prepared.manifests.items():
        hours = prepared.seconds[split] / 3600
        speak(f"{path}: {prepared.utterances[split]} utterances, {hours:.2f} hours")
    kinds = Counter(each.reason.split(":")[0] for each in prepared.left_out)
    for kind, count in kinds.most_common():
        names = [each.id for each in prepared.left_out if each.reason.split(":")[0] == kind]
        more = ", ..." if count > EXAMPLES_SHOWN else ""
        speak(f"left out, {kind}: {count} ({', '.join(names[:EXAMPLES_SHOWN])}{more})")
    if prepared.left_out:
        speak(f"{prepared.left_out_file} names each of the {len(prepared.left_out)} left out")


def write_left_out(path: Path, left_out: Iterable[LeftOut]) -> None:
    """Write one JSON object a line for each thing that is in no manifest: `id` and `reason`."""
    with atomic_write(path) as file:
        for each in left_out:
            value = {"id": each.id, "reason": each.reason}
            line = json.dumps(value, ensure_ascii=False)
            if not _is_text(line):  # the name of a file need not be text
                line = json.dumps(value)
            file.write(line + "\n")


def nothing_left(left_out: Sequence[LeftOut]) -> UserError:
    """Return the error for data of which nothing can be used."""
    if not left_out:
        return UserError("no utterance was found", "expected audio and its transcripts")
    kinds = Counter(each.reason.split(":")[0] for each in left_out)
    kind, many = kinds.most_common(1)[0]
    first = next(each for each in left_out if each.reason.split(":")[0] == kind)
    return UserError(
        f"no utterance has both audio and text that can be used ({len(left_out)} left out)",
        f"{many} of them: {kind}; the first, {first.id}: {first.reason}",
    )


def _expect_not_brought(path: Path, settings: SourceSettings) -> None:
    """Refuse to write over what the source is read from."""
    brought = getattr(settings, "path", ())
    for each in (brought,) if isinstance(brought, str) else brought:
        if path.exists() and Path(each).exists() and path.samefile(each):
            raise UserError(
                f"{path} would be written over, but it is what --path names",
                "choose another folder with --output_dir",
            )


# ---------------------------------------------------------------------------------------------
# Checks that are the same for every source.


def _share(source_data: SourceData, shard: Shard) -> tuple[list[Utterance], list[LeftOut]]:
    """Return what is this part's, and what is left out of it; the first part tells the rest."""
    unique, repeated = _unique(source_data.utterances)
    known, unspellable = _spellable(unique)
    mine = known if source_data.is_part else share_of_files(known, shard)
    tells = source_data.is_part or shard.number == 1
    return mine, [*source_data.left_out, *repeated, *unspellable] if tells else []


def _spellable(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[LeftOut]]:
    """Leave out what no file in UTF-8 can hold."""
    kept, left_out = [], []
    for each in utterances:
        if _is_text(f"{each.audio.path}{each.sentence}{each.id}{each.speaker}"):
            kept.append(each)
        else:
            left_out.append(LeftOut(each.id, f"name or text that is no UTF-8: {each.audio.path}"))
    return kept, left_out


def _is_text(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _unique(utterances: Iterable[Utterance]) -> tuple[list[Utterance], list[LeftOut]]:
    """Keep the first utterance of each id."""
    first: dict[str, Utterance] = {}
    repeated = []
    for utterance in utterances:
        if first.setdefault(utterance.id, utterance) is not utterance:
            is_same = utterance == first[utterance.id]
            kind = "the same utterance twice" if is_same else "another utterance of the same id"
            repeated.append(LeftOut(utterance.id, f"{kind}: {utterance.audio.path}"))
    return list(first.values()), repeated


def _relative_to(file: Path, utterance: Utterance) -> Utterance:
    path = path_from_manifest(utterance.audio.path, file)
    return replace(utterance, audio=replace(utterance.audio, path=path))
