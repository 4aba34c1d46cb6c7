"""AISHELL-1: 178 hours of read Mandarin by 400 speakers (OpenSLR 33) -> manifests.

The archive as published, `data_aishell.tgz`, holds

    data_aishell/transcript/aishell_transcript_v0.8.txt    one line per utterance: id, spaced text
    data_aishell/wav/S0002.tar.gz                          one archive per speaker, with
                                                           train/S0002/BAC009S0002W0122.wav ...

Read are that archive, the folder unpacked from it, and that folder with its speakers unpacked too.
What the user brought is only read; whatever is unpacked goes to a folder of its own.
"""

from __future__ import annotations

import io
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.cli.progress import progress
from utils.manifest.archives import naming_damage, regular_members, write_once
from utils.manifest.decode import AudioError
from utils.manifest.download import RemoteFile, download
from utils.manifest.durations import measured_durations
from utils.manifest.joining import join_chinese
from utils.manifest.sources.gathered import LeftOut
from utils.manifest.sources.prepare import (
    Prepared,
    expect_no_other_data,
    nothing_left,
    summarise,
    write_left_out,
)
from utils.manifest.sources.punctuated import Punctuate, punctuate_once
from utils.manifest.utterance import AudioRef, Seconds, TimedSentence, Utterance
from utils.manifest.write import path_from_manifest, write_manifest

ARCHIVE = RemoteFile(
    url="https://www.openslr.org/resources/33/data_aishell.tgz",
    md5="2f494334227864a8a8fec932999db9d8",
    what="AISHELL-1 (15.6 GB)",
)
ARCHIVE_NAME = "data_aishell.tgz"
SOURCE = "aishell-1"
SPLITS = ("train", "dev", "test")
TRANSCRIPT = "transcript/aishell_transcript_v0.8.txt"
LEFT_OUT_FILE = "aishell_left_out.jsonl"

# Unpacked into <target>/data_aishell, beside what was unpacked:
_COMPLETED = ".completed"  # names the archive of which everything was unpacked
_FINISHED = ".finished_speakers"  # names the archive, then each speaker as it is finished

_SPEAKER_ARCHIVE = re.compile(r"\w+\.(tar\.gz|tgz|tar)")


def download_aishell(target_dir: Path) -> Path:
    """Download the archive into `target_dir`, or go on with a download that was cut off.

    Returns:
        The archive; or the folder unpacked from it, where that is complete and the archive was
        removed since.

    Raises:
        Failure: it cannot be downloaded; the message says what to fetch and where to put it.
    """
    archive = target_dir / ARCHIVE_NAME
    mark = target_dir / "data_aishell" / _COMPLETED
    if not archive.exists() and mark.exists() and mark.read_text("utf-8").startswith(ARCHIVE_NAME):
        return mark.parent
    return download(ARCHIVE, archive)


def prepare_aishell(
    source: Path,
    target_dir: Path,
    manifest_dir: Path,
    *,
    punctuation: tuple[str, Punctuate] | None = None,
    num_workers: int = 1,
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

    Returns:
        What was written, and everything that was left out with its reason.

    Raises:
        UserError: the source is missing, is not AISHELL-1, is damaged or unsafe, or a manifest of
            other data would be replaced.
    """
    manifests = {split: manifest_dir / f"{split}.json" for split in SPLITS}
    for path in manifests.values():
        expect_no_other_data(
            path, SOURCE, "move it away, or choose another folder with --annotation_text"
        )
    folders = unpack_aishell(source, target_dir, num_workers)
    transcripts, left_out = read_transcripts(_transcript_of(folders))
    clips = _find_clips(folders)
    if not clips:
        raise UserError(
            f"{source} has no audio: expected wav/{{{','.join(SPLITS)}}}/<speaker>/*.wav",
            "give data_aishell.tgz, or the folder that it unpacks to",
        )
    known = transcripts.keys() | {each.id for each in left_out}
    left_out += [LeftOut(name, "audio without transcript") for name in clips.keys() - known]
    left_out += [
        LeftOut(name, "transcript without audio") for name in transcripts.keys() - clips.keys()
    ]
    usable = {name: clip for name, clip in sorted(clips.items()) if name in transcripts}
    if punctuation is not None:
        name, punctuate = punctuation
        memory = target_dir / f".punctuated_{name}.jsonl"
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
    return _write(manifests, by_split, sorted(left_out), manifest_dir / LEFT_OUT_FILE)


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
# Unpacking.


def unpack_aishell(source: Path, target_dir: Path, num_workers: int = 1) -> list[Path]:
    """Unpack what is packed.

    Args:
        source: the archive, or a folder unpacked from it; only read.
        target_dir: gets `data_aishell/` where something has to be unpacked.
        num_workers: how many speakers are unpacked at a time.

    Returns:
        The folders, laid out like `data_aishell/`, that hold the corpus together.

    Raises:
        UserError: the source is missing, is not AISHELL-1, is damaged or unsafe.
    """
    target = target_dir / "data_aishell"
    if source.is_file():
        origin = f"{source.name} {source.stat().st_size}"
        _unpack_all(source, _outer_archive(source, target), target, origin, num_workers)
        if not (target / TRANSCRIPT).exists():
            raise _not_aishell(source, f"no {TRANSCRIPT}")
        return [target]
    if not source.exists():
        raise UserError(
            f"there is no {source}",
            f"{ARCHIVE.url} is the archive; without --filepath it is fetched",
        )
    folder = source / "data_aishell" if (source / "data_aishell").is_dir() else source
    if not (folder / TRANSCRIPT).is_file():
        raise _not_aishell(source, f"no {folder / TRANSCRIPT}")
    packed = sorted((folder / "wav").glob("*.tar.gz"))
    if not packed:
        return [folder]
    origin = f"{folder.resolve()} {sum(path.stat().st_size for path in packed)}"
    _unpack_all(source, ((path.name, path) for path in packed), target, origin, num_workers)
    return [target, folder]


def _unpack_all(
    source: Path,
    speakers: Iterable[tuple[str, Path | IO[bytes]]],
    target: Path,
    origin: str,
    num_workers: int,
) -> None:
    """Unpack speakers' archives that were not unpacked from the same origin before."""
    completed, finished_file = target / _COMPLETED, target / _FINISHED
    if completed.exists() and completed.read_text("utf-8").strip() == origin:
        return
    finished = finished_file.read_text("utf-8").splitlines() if finished_file.exists() else []
    if finished[:1] != [origin]:
        finished = [origin]
        with atomic_write(finished_file) as file:
            file.write(f"{origin}\n")
    found = False
    pool = ThreadPoolExecutor(num_workers)  # unpacking and writing leave the interpreter to others
    try:
        waiting: deque[tuple[str, Future[None]]] = deque()
        for name, content in progress(speakers, desc="unpacking", unit="speaker"):
            found = True
            if name in finished:
                continue
            if not isinstance(content, Path):
                with naming_damage(str(source)):
                    content = io.BytesIO(content.read())
            archive = f"{source}: {name}"
            waiting.append((name, pool.submit(_unpack_speaker, archive, content, target / "wav")))
            while len(waiting) > num_workers:  # a speaker's archive has 40 MB
                _finish(waiting, finished_file)
        while waiting:
            _finish(waiting, finished_file)
    finally:
        pool.shutdown(cancel_futures=True)
    if not found:
        raise _not_aishell(source, "no archives wav/<speaker>.tar.gz")
    for half_written in (target / "wav").glob("*/*/.*.unfinished"):
        half_written.unlink()  # left by a run that was killed
    with atomic_write(completed) as file:
        file.write(f"{origin}\n")


def _finish(waiting: deque[tuple[str, Future[None]]], finished_file: Path) -> None:
    """Wait for the speaker that was begun first, and mark it as finished."""
    name, unpacked = waiting.popleft()
    unpacked.result()
    with open(finished_file, "a", encoding="utf-8") as file:
        file.write(f"{name}\n")


def _outer_archive(source: Path, target: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield each speaker's archive in the outer one; the transcript is unpacked on the way."""
    with naming_damage(str(source)):
        for name, size, content in regular_members(str(source), source):
            if name.parts[-2:] == tuple(TRANSCRIPT.split("/")):
                write_once(str(source), content, size, target / TRANSCRIPT)
            elif name.parts[-2:-1] == ("wav",) and _SPEAKER_ARCHIVE.fullmatch(name.name):
                yield name.name, content


def _unpack_speaker(archive: str, content: Path | IO[bytes], wav_folder: Path) -> None:
    """Unpack train/S0002/*.wav of one speaker; other files have no use here."""
    with naming_damage(archive):
        for name, size, sound in regular_members(archive, content):
            split, speaker, file_name = ("", "", *name.parts)[-3:]
            # Names with a dot in front are what macOS leaves beside files.
            if split not in SPLITS or file_name[:1] == "." or not file_name.endswith(".wav"):
                continue
            write_once(archive, sound, size, wav_folder / split / speaker / file_name)


def _not_aishell(source: Path, problem: str) -> UserError:
    return UserError(
        f"{source} is not AISHELL-1: {problem} found",
        "give data_aishell.tgz as published, or the folder that it unpacks to",
    )


# ---------------------------------------------------------------------------------------------
# Utterances.


class _Clip(NamedTuple):
    split: str
    speaker: str
    audio: AudioRef


def _transcript_of(folders: Sequence[Path]) -> Path:
    return next(path for folder in folders if (path := folder / TRANSCRIPT).exists())


def _find_clips(folders: Sequence[Path]) -> dict[str, _Clip]:
    """Return the clip of each utterance id; an earlier folder comes before a later one."""
    clips: dict[str, _Clip] = {}
    for folder in folders:
        for split in SPLITS:
            for path in sorted((folder / "wav" / split).glob("*/*.wav")):
                clip = _Clip(split, path.parent.name, AudioRef(str(path)))
                if not path.name.startswith("."):
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
) -> Prepared:
    filled = {split: each for split, each in by_split.items() if each}
    if not filled:
        raise nothing_left(left_out)
    for split, utterances in filled.items():
        write_manifest(manifests[split], utterances)
    write_left_out(left_out_file, left_out)
    return summarise(manifests, filled, left_out, left_out_file)
