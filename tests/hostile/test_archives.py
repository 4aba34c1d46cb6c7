"""Archives that somebody made to do harm: read up to the harm, refused in words, never obeyed."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.hostility import fuzz, mutations
from tests.test_aishell import packed as aishell_packed
from utils.audio.clip import AudioRef
from utils.audio.decode import AudioError, decode_audio
from utils.cli.errors import UserError
from utils.manifest import compressed as unpacking
from utils.manifest.read import read_manifest, scan_manifest
from utils.sources.fetch.aishell_archive import unpack_aishell
from utils.sources.fetch.archives import naming_damage, regular_members, write_once
from utils.sources.pack import PackSettings, pack

SOUND = b"RIFF" + bytes(range(200)) * 20


def member(name: str, **changes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for field, value in changes.items():
        setattr(info, field, value)
    return info


def a_tar(*infos: tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return a tar of a sound file and the given members, which are as large as they say."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        tar.addfile(member("wav/good.wav", size=len(SOUND)), io.BytesIO(SOUND))
        for info in infos:
            tar.addfile(info, io.BytesIO(bytes(info.size)) if info.isreg() else None)
    return buffer.getvalue()


def unpack(content: bytes, folder: Path) -> list[str]:
    """Write each file of an archive below a folder, as the corpora do; return their names."""
    names = []
    with naming_damage("bad.tar"):
        for name, size, data in regular_members("bad.tar", io.BytesIO(content)):
            write_once("bad.tar", data, size, folder / name.name)
            names.append(str(name))
    return names


def everything_below(folder: Path) -> set[str]:
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*")}


ATTACKS = {
    "a parent": (member("../evil.wav"), "leads outside the folder"),
    "a hidden parent": (member("wav/../../evil.wav"), "leads outside the folder"),
    "an absolute path": (member("/evil.wav"), "leads outside the folder"),
    "a Windows path": (member("..\\evil.wav"), "leads outside the folder"),
    "a symbolic link": (member("l", type=tarfile.SYMTYPE, linkname="/etc"), "is a link"),
    "a hard link": (member("l", type=tarfile.LNKTYPE, linkname="../../x"), "is a link"),
    "a device": (member("sda", type=tarfile.BLKTYPE, devmajor=8), "is a link or a device"),
    "a terminal": (member("tty", type=tarfile.CHRTYPE, devmajor=5), "is a link or a device"),
    "a pipe": (member("pipe", type=tarfile.FIFOTYPE), "is a link or a device"),
    "a long name": (member("a" * 5000 + ".wav", size=3), "a name that this system cannot write"),
}


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("attack", ATTACKS)
def test_what_no_corpus_has_is_refused_and_not_obeyed(
    tmp_path: Path, attack: str, compress: Callable[[bytes], bytes]
) -> None:
    info, expected = ATTACKS[attack]
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(UserError) as caught:
        unpack(compress(a_tar(info)), inside)
    assert "bad.tar" in caught.value.message and expected in caught.value.message
    assert everything_below(tmp_path) == {"inside", "inside/good.wav"}


def test_a_file_of_holes_is_refused(tmp_path: Path) -> None:
    """A terabyte that has no content, as GNU tar writes it."""
    plain = a_tar(member("huge.wav", size=0))
    start = plain.index(b"huge.wav")
    header = bytearray(plain[start : start + 512])
    header[156:157] = b"S"
    header[386:410] = b"%011o\0%011o\0" % (0, 0)  # one piece of no bytes
    header[483:495] = b"%011o\0" % (8**11 - 1)  # and 8 GiB in all
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(UserError, match="holes"):
        unpack(plain[:start] + bytes(header) + plain[start + 512 :], tmp_path)


def test_a_size_that_is_not_there_is_damage(tmp_path: Path) -> None:
    content = bytearray(a_tar(member("a.wav", size=600)))
    start = content.index(b"a.wav")
    header = content[start : start + 512]
    header[124:136] = b"%011o\0" % (8**11 - 1)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    content[start : start + 512] = header
    with pytest.raises(UserError, match="damaged, or was cut off"):
        unpack(bytes(content), tmp_path)
    assert everything_below(tmp_path) == {"good.wav"}


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_what_unpacks_to_hundreds_of_times_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(unpacking, "ALLOWANCE_BYTES", 1 << 16)
    bomb = compress(a_tar(member("zeros.wav", size=4 << 20)))
    assert len(bomb) * unpacking.MOST_TIMES < 4 << 20
    with pytest.raises(UserError, match="more than 200 times its size"):
        unpack(bomb, tmp_path)
    assert everything_below(tmp_path) <= {"good.wav"}


@pytest.mark.parametrize("content", [b"\n", b" ", b"[" + b"1," * 99, b'{"sentence": "'])
def test_a_manifest_that_unpacks_to_hundreds_of_times_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(unpacking, "ALLOWANCE_BYTES", 1 << 16)
    path = tmp_path / "bomb.json.gz"
    path.write_bytes(gzip.compress(content * ((4 << 20) // len(content))))
    with pytest.raises(UserError, match=r"bomb\.json\.gz unpacks to more than 200 times its size"):
        scan_manifest(path)


def aishell(speaker: bytes) -> bytes:
    """Return the corpus' archive with one speaker's in it."""
    return aishell_packed(
        {
            "data_aishell/transcript/aishell_transcript_v0.8.txt": "BAC009S0002W0001 一".encode(),
            "data_aishell/wav/S0002.tar.gz": speaker,
        }
    )


def test_a_speaker_that_is_a_bomb_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "ALLOWANCE_BYTES", 1 << 16)
    speaker = gzip.compress(a_tar(member("train/S0002/zeros.wav", size=4 << 20)))
    (tmp_path / "data_aishell.tgz").write_bytes(aishell(speaker))
    with pytest.raises(UserError, match=r"S0002\.tar\.gz unpacks to more than"):
        unpack_aishell(tmp_path / "data_aishell.tgz", tmp_path / "to")


WELL = {
    "plain": a_tar(member("x.wav", size=700)),
    "names": a_tar(member("今" * 60 + ".wav", size=9), form=tarfile.PAX_FORMAT),
    "gz": gzip.compress(a_tar(member("x.wav", size=700)), mtime=0),
    "xz": lzma.compress(a_tar(member("x.wav", size=700))),
    "bz2": bz2.compress(a_tar(member("x.wav", size=700))),
}


@fuzz
@given(kind=st.sampled_from(sorted(WELL)), change=mutations())
def test_a_damaged_archive_is_read_or_refused(
    kind: str, change: Callable[[bytes], bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "inside").mkdir()
    try:
        names = unpack(change(WELL[kind]), folder / "inside")
    except UserError:
        names = []
    assert {each.split("/")[0] for each in everything_below(folder)} == {"inside"}
    assert not [each for each in names if each.startswith("/") or ".." in each.split("/")]
    assert not [each for each in everything_below(folder) if each.endswith(".unfinished")]


@fuzz
@given(content=st.binary(max_size=1500))
def test_any_bytes_are_an_archive_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    try:
        unpack(content, folder)
    except UserError:
        assert everything_below(folder) == set()


def test_the_corpus_itself_is_damaged_anywhere_and_says_so(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(20_000)
    content = aishell(aishell_packed({"train/S0002/BAC009S0002W0001.wav": noise}))
    for number, share in enumerate((0.1, 0.4, 0.7, 0.95)):
        place = int(share * len(content))
        path = tmp_path / f"{number}" / "data_aishell.tgz"
        path.parent.mkdir()
        path.write_bytes(content[:place] + b"\0" * 40 + content[place + 40 :])
        with pytest.raises(UserError):
            unpack_aishell(path, tmp_path / f"{number}" / "to")


# ---------------------------------------------------------------------------------------------
# Tars of `custom.py pack`, whose byte ranges stand in a manifest that anybody can write.


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of two sounds in a tar."""
    folder = tmp_path_factory.mktemp("pack")
    lines = []
    for name in ("a.wav", "b.flac"):
        soundfile.write(folder / name, np.random.default_rng(0).uniform(-0.1, 0.1, 4000), 16_000)
        lines.append(json.dumps({"audio": {"path": name}, "sentence": "x", "id": name}))
    (folder / "train.json").write_text("\n".join(lines))
    settings = PackSettings(path=str(folder / "train.json"), output_dir=str(folder / "out"))
    return pack(settings).manifests["packed"]


@fuzz
@given(
    offset=st.integers(0, 40_000) | st.integers(0, 2**63),
    size=st.integers(1, 40_000) | st.integers(1, 2**63),
    start=st.none() | st.floats(0, 1e308),
)
def test_a_byte_range_is_sound_or_named(
    packed: Path, offset: int, size: int, start: float | None
) -> None:
    tar = read_manifest(packed)[0].audio.path
    try:
        samples, rate = decode_audio(AudioRef(tar, start, None, offset, size))
    except AudioError:
        return
    assert len(samples) and rate


@fuzz
@given(change=mutations(), number=st.integers(0, 1))
def test_a_damaged_tar_gives_sound_or_an_error(
    change: Callable[[bytes], bytes],
    number: int,
    packed: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("tar")
    audio = read_manifest(packed)[number].audio
    path = folder / "shard-000.tar"
    path.write_bytes(change(Path(audio.path).read_bytes()))
    try:
        samples, _ = decode_audio(AudioRef(str(path), offset=audio.offset, size=audio.size))
    except AudioError:
        return
    assert np.isfinite(samples).all()
