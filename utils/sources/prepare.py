"""What a source gave -> manifests: checked, measured, split, written, and all that is left out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from utils.audio.clip import AudioRef, Seconds
from utils.audio.decode import END_TOLERANCE, AudioError
from utils.audio.header import header_channels
from utils.cli.console import say_result
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.manifest.durations import measured_durations
from utils.manifest.file_shards import share_of_files
from utils.manifest.json_lines import json_values
from utils.manifest.split import PARTS, parse_shares, split_utterances
from utils.manifest.utterance import Utterance
from utils.manifest.write import path_from_manifest, write_manifest
from utils.parallel.shards import Shard, parse_shard
from utils.sources.lhotse import write_cuts
from utils.sources.nemo import write_nemo
from utils.sources.sclite import write_ctm, write_stm
from utils.sources.source_data import LeftOut, SourceData, SourceSettings

EXAMPLES_SHOWN = 3
_ROUNDED: Seconds = 0.002

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
    shares = parse_shares(settings.split) if settings.split else {PARTS[0]: 1.0}
    ending, writer = WRITERS[settings.format]
    folder = Path(settings.output_dir)
    files = {part: shard.named(folder / f"{part}{ending}") for part in shares}
    for path in files.values():
        _expect_not_brought(path, settings)
        if not settings.overwrite:
            expect_no_other_data(path, source)
    mine, left_out = _share(source_data, shard)
    measured, unusable = _measured(mine)
    left_out = sorted([*left_out, *unusable])
    # Named after the data: another source may be written into the same folder.
    left_out_file = shard.named(folder / f"{name}_left_out.jsonl")
    if not measured and shard.count > 1:  # the other parts may hold more
        write_left_out(left_out_file, left_out)
        return summarise(files, {}, left_out, left_out_file, source_data.notes)
    if not measured:
        raise nothing_left(left_out)
    language = settings.language_code
    complete = [
        replace(each, language=each.language or language, source=each.source or source)
        for each in measured
    ]
    parts = {PARTS[0]: complete}
    if settings.split:
        parts = split_utterances(complete, shares, settings.split_by, settings.seed)
    for part, utterances in parts.items():
        writer(files[part], [_relative_to(files[part], each) for each in utterances])
    write_left_out(left_out_file, left_out)
    return summarise(files, parts, left_out, left_out_file, source_data.notes)


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
        return UserError("no utterance was found", "expected audio and what is said in it")
    return UserError(
        f"no utterance has both audio and text that can be used ({len(left_out)} left out)",
        f"the first: {left_out[0].id}: {left_out[0].reason}",
    )


def expect_no_other_data(path: Path, source: str, hint: str = "") -> None:
    """Refuse to replace a file that was not written from the same source.

    Raises:
        UserError: the file is there and its first line names another source, or none.
    """
    if not path.exists():
        return
    first = next((value for _, value in json_values(path)), None)
    known = first if isinstance(first, dict) else {}
    # Lhotse keeps what it does not know under "custom".
    if source not in (known.get("source"), (known.get("custom") or {}).get("source")):
        raise UserError(
            f"{path} is there already and holds other data than {source}",
            hint
            or "move it away, choose another folder with --output_dir, or give "
            "--overwrite=True to replace it",
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


def _measured(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[LeftOut]]:
    """Give each utterance its duration, from the header of its file, opened once."""
    wholes = {_whole(each.audio): None for each in utterances}
    lengths = dict(zip(wholes, measured_durations(list(wholes)), strict=True))
    kept, left_out = [], []
    for utterance in utterances:
        length = lengths[_whole(utterance.audio)]
        if isinstance(length, AudioError):
            left_out.append(LeftOut(utterance.id, f"unreadable audio: {length.message}"))
            continue
        problem = _outside(utterance.audio, length)
        if problem:
            left_out.append(LeftOut(utterance.id, f"outside the recording: {problem}"))
        else:
            kept.append(_without_only_channel(_within(utterance, length)))
    return kept, left_out


def _whole(audio: AudioRef) -> AudioRef:
    return replace(audio, start_time=None, end_time=None, extra={})


def _without_only_channel(utterance: Utterance) -> Utterance:
    """Leave the channel out where there is but one: many corpora name channel 0 of mono files."""
    audio = utterance.audio
    if audio.channel != 0 or channels_of(_whole(audio)) > 1:
        return utterance
    return replace(utterance, audio=replace(audio, channel=None))


def _outside(audio: AudioRef, length: Seconds) -> str | None:
    start = audio.start_time or 0.0
    end = length if audio.end_time is None else audio.end_time
    if start >= length or end > length + END_TOLERANCE:
        return f"{start:.2f} to {end:.2f} s of {audio.path}, which lasts {length:.2f} s"
    return None


def _within(utterance: Utterance, length: Seconds) -> Utterance:
    """Cut rounded times at the end of the file and state the duration."""
    audio = utterance.audio
    if audio.end_time is not None:
        # Many corpora state the length of every file; the whole of it needs no cut.
        is_whole = audio.start_time is None and audio.end_time > length - _ROUNDED
        audio = replace(audio, end_time=None if is_whole else min(audio.end_time, length))
    end = length if audio.end_time is None else audio.end_time
    duration = round(end - (audio.start_time or 0.0), 3)
    sentences = utterance.sentences
    if sentences:
        sentences = tuple(
            replace(each, start=min(each.start, duration), end=min(each.end, duration))
            for each in sentences
        )
    return replace(utterance, audio=audio, duration=duration, sentences=sentences)


@lru_cache(maxsize=4096)
def channels_of(audio: AudioRef) -> int:
    """Return how many channels a sound's file has; pieces of one file follow each other."""
    return header_channels(audio)


def _relative_to(file: Path, utterance: Utterance) -> Utterance:
    path = path_from_manifest(utterance.audio.path, file)
    return replace(utterance, audio=replace(utterance.audio, path=path))
