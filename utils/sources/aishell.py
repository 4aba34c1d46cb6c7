"""AISHELL-1: 178 hours of read Mandarin by 400 speakers (OpenSLR 33) -> manifests.

The archive as published, `data_aishell.tgz`, holds

    data_aishell/transcript/aishell_transcript_v0.8.txt    one line per utterance: id, spaced text
    data_aishell/wav/S0002.tar.gz                          one archive per speaker, with
                                                           train/S0002/BAC009S0002W0122.wav ...

Read are that archive, the folder unpacked from it, and that folder with its speakers unpacked too.
What the user brought is only read; whatever is unpacked goes to a folder of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from utils.audio.clip import AudioRef, Seconds, TimedSentence
from utils.audio.decode import AudioError
from utils.cli.errors import UserError
from utils.manifest.durations import measured_durations
from utils.manifest.joining import join_chinese
from utils.manifest.replacing import expect_nothing_lost, expect_same_source
from utils.manifest.utterance import Utterance
from utils.manifest.write import path_from_manifest, write_manifest
from utils.parallel.shards import WHOLE, Shard
from utils.sources.fetch.aishell_archive import SPLITS, TRANSCRIPT, unpack_aishell
from utils.sources.prepare import (
    Prepared,
    nothing_left,
    summarise,
    write_left_out,
)
from utils.sources.source_data import LeftOut
from utils.sources.text.punctuated import Punctuate, punctuate_once

SOURCE = "aishell-1"
LEFT_OUT_FILE = "aishell_left_out.jsonl"


def prepare_aishell(
    source: Path,
    target_dir: Path,
    manifest_dir: Path,
    *,
    punctuation: tuple[str, Punctuate] | None = None,
    num_workers: int = 1,
    shard: Shard = WHOLE,
    overwrite: bool = False,
) -> Prepared:
    """Unpack AISHELL-1 where needed and write one manifest per split.

    Args:
        source: the archive, or a folder unpacked from it; only read.
        target_dir: gets `data_aishell/` with what has to be unpacked. A run that was cut off goes
            on there.
        manifest_dir: gets train.json, dev.json and test.json, and the list of what is in none.
        punctuation: a model that punctuates the transcripts, and a name of its own under which
            its answers are remembered in `target_dir`; None leaves them as published.
        num_workers: how many speakers are unpacked at a time.
        shard: the part of the speakers that is prepared; its files get the part's name.
        overwrite: whether manifests are replaced though lines of theirs would be lost.

    Returns:
        What was written, and everything that was left out with its reason.

    Raises:
        UserError: the source is missing, is not AISHELL-1, is damaged or unsafe, or a manifest of
            other data would be replaced.
    """
    manifests = {split: shard.named(manifest_dir / f"{split}.json") for split in SPLITS}
    for path in [] if overwrite else manifests.values():  # before gigabytes are unpacked
        expect_same_source(
            path,
            SOURCE,
            "move it away, choose another folder with --annotation_text, or give --overwrite=True",
        )
    folders = unpack_aishell(source, target_dir, num_workers, shard)
    transcripts, left_out = read_transcripts(_transcript_of(folders))
    left_out = [each for each in left_out if shard.has(_speaker_in(each.id))]
    clips = _find_clips(folders, shard)
    if not clips and shard.count == 1:
        raise UserError(
            f"{source} has no audio: expected wav/{{{','.join(SPLITS)}}}/<speaker>/*.wav",
            "give data_aishell.tgz, or the folder that it unpacks to",
        )
    known = transcripts.keys() | {each.id for each in left_out}
    missing = transcripts.keys() - clips.keys()
    left_out += [LeftOut(name, "audio without transcript") for name in clips.keys() - known]
    left_out += [
        LeftOut(name, "transcript without audio")
        for name in missing
        if shard.has(_speaker_in(name))
    ]
    usable = {name: clip for name, clip in sorted(clips.items()) if name in transcripts}
    if punctuation is not None:
        name, punctuate = punctuation
        memory = target_dir / f".punctuated_{name}{shard.suffix}.jsonl"
        answers = punctuate_once([transcripts[each] for each in usable], punctuate, memory)
        transcripts = {each: answers.get(text, text) for each, text in transcripts.items()}
    durations = measured_durations([clip.audio for clip in usable.values()])
    by_split: dict[str, list[Utterance]] = {split: [] for split in SPLITS}
    for (name, clip), seconds in zip(usable.items(), durations, strict=True):
        if isinstance(seconds, AudioError):
            left_out.append(LeftOut(name, f"unreadable audio: {seconds.message}"))
        else:
            utterance = _utterance(name, clip, transcripts[name], seconds, manifests[clip.split])
            by_split[clip.split].append(utterance)
    left_out_file = shard.named(manifest_dir / LEFT_OUT_FILE)
    if shard.count > 1 and not any(by_split.values()):  # the other parts may hold more
        write_left_out(left_out_file, sorted(left_out))
        return summarise(manifests, {}, sorted(left_out), left_out_file)
    return _write(manifests, by_split, sorted(left_out), left_out_file, overwrite)


def read_transcripts(path: Path) -> tuple[dict[str, str], list[LeftOut]]:
    """Read the corpus' transcripts.

    Returns:
        Text by utterance id, as a person writes it; and the lines that give none.

    Raises:
        UserError: the file is no text in UTF-8.
    """
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: {error}", "copy it again") from None
    texts: dict[str, str] = {}
    left_out = []
    for number, line in enumerate(lines, start=1):
        name, *text = line.split(maxsplit=1)[:2] or [""]
        if not name:
            continue
        if not text:
            left_out.append(LeftOut(name, f"no text: line {number} of {path.name}"))
        elif texts.setdefault(name, join_chinese(text[0])) != join_chinese(text[0]):
            left_out.append(LeftOut(name, f"another text: line {number} of {path.name}"))
    return texts, left_out


# ---------------------------------------------------------------------------------------------
# Utterances.


class _Clip(NamedTuple):
    split: str
    speaker: str
    audio: AudioRef


def _transcript_of(folders: Sequence[Path]) -> Path:
    return next(path for folder in folders if (path := folder / TRANSCRIPT).exists())


def _speaker_in(utterance_id: str) -> str:
    """Return the speaker that an id names: BAC009S0002W0122 -> S0002."""
    found = re.search(r"S\d{4}(?=W)", utterance_id)
    return found[0] if found else utterance_id


def _find_clips(folders: Sequence[Path], shard: Shard) -> dict[str, _Clip]:
    """Return the clip of each utterance id; an earlier folder comes before a later one."""
    clips: dict[str, _Clip] = {}
    for folder in folders:
        for split in SPLITS:
            for path in sorted((folder / "wav" / split).glob("*/*.wav")):
                clip = _Clip(split, path.parent.name, AudioRef(str(path)))
                if not path.name.startswith(".") and shard.has(clip.speaker):
                    clips.setdefault(path.stem, clip)
    return clips


def _utterance(name: str, clip: _Clip, text: str, seconds: Seconds, manifest: Path) -> Utterance:
    return Utterance(
        audio=AudioRef(path_from_manifest(clip.audio.path, manifest)),
        sentence=text,
        id=name,
        language="zh",
        # A clip holds one sentence with little silence around it.
        sentences=(TimedSentence(0.0, seconds, text),),
        duration=seconds,
        speaker=clip.speaker,
        source=SOURCE,
    )


def _write(
    manifests: Mapping[str, Path],
    by_split: Mapping[str, Sequence[Utterance]],
    left_out: Sequence[LeftOut],
    left_out_file: Path,
    overwrite: bool,
) -> Prepared:
    filled = {split: each for split, each in by_split.items() if each}
    if not filled:
        raise nothing_left(left_out)
    new = {
        split: manifests[split].with_name(f".{split}.{os.getpid()}.new.json") for split in filled
    }
    try:
        for split, utterances in filled.items():
            write_manifest(new[split], utterances)
        if not overwrite:
            pairs = [(manifests[split], new[split]) for split in filled]
            expect_nothing_lost(pairs, letters_alone=True, folder="--annotation_text")
        for split in filled:
            os.replace(new[split], manifests[split])
    finally:
        for path in new.values():
            path.unlink(missing_ok=True)
    write_left_out(left_out_file, left_out)
    return summarise(manifests, filled, left_out, left_out_file)
