"""Subtitles, tables and other corpora with anything in them: sentences, or an error that says why.

Nothing hangs, nothing crashes, and what is in no manifest is named.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.hostility import fuzz, mutations
from tests.sources.test_subtitle_files import (
    AENEAS,
    ASS,
    SRT,
    TEXTGRID_LONG,
    TEXTGRID_SHORT,
    VTT,
    WHISPER,
)
from utils.audio.clip import TimedSentence
from utils.cli.errors import UserError
from utils.manifest import compressed as unpacking
from utils.manifest.read import read_manifest
from utils.parallel.journal import Journal
from utils.sources.prepare import Prepared, prepare
from utils.sources.registry import SOURCES
from utils.sources.text.pieces import check_times, pack
from utils.sources.text.subtitle_files import FORMATS, read_subtitles

SUBTITLES = {
    "a.srt": SRT,
    "a.vtt": VTT,
    "a.ass": ASS,
    "long.TextGrid": TEXTGRID_LONG,
    "short.textgrid": TEXTGRID_SHORT,
    "whisper.json": WHISPER,
    "aeneas.json": AENEAS,
}
# How long the slowest of machines may take for a megabyte.
PATIENCE = 60.0


def read_whatever(path: Path) -> list[TimedSentence]:
    """Read subtitles; none where they are refused in words."""
    try:
        found = read_subtitles(path)
    except UserError:
        return []
    assert all(each.problem or (isinstance(each.text, str) and each.text) for each in found)
    return [each.sentence for each in found]


@fuzz
@given(name=st.sampled_from(sorted(SUBTITLES)), change=mutations(), wide=st.booleans())
def test_damaged_subtitles_are_read_or_refused(
    name: str,
    change: Callable[[bytes], bytes],
    wide: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    content = change(SUBTITLES[name].encode())
    if wide:
        content = content.decode("utf-8", "replace").encode("utf-16")
    path = tmp_path_factory.mktemp("subtitles") / name
    path.write_bytes(content)
    sentences = read_whatever(path)
    usable, unusable = check_times(sentences, 10.0)
    for piece in pack(usable, unusable):
        assert 0 <= piece.start < piece.end <= 10.0
    assert len(usable) + len(unusable) == len(set(sentences))


@fuzz
@given(suffix=st.sampled_from(sorted(FORMATS)), content=st.binary(max_size=200))
def test_any_bytes_are_subtitles_or_refused(
    suffix: str, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"a{suffix}"
    path.write_bytes(content)
    read_whatever(path)


@pytest.mark.parametrize(
    "unit", ["a", "<a", "{\\", "{", '"', "1:", "&#", "<1", "[1", " ", "今", "٣"]
)
@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_a_line_of_a_million_characters_takes_no_time(
    tmp_path: Path, unit: str, suffix: str
) -> None:
    line = unit * (10**6 // len(unit))
    heads = {
        ".ass": "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:00.0,0:00:01.0,x",
        ".textgrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n0 1 <exists> 1 ',
    }
    head = heads.get(suffix, "1\n00:00:00,0 --> 00:00:01,0\nx")
    path = tmp_path / f"a{suffix}"
    path.write_text(head + line, encoding="utf-8")
    began = time.monotonic()
    read_whatever(path)
    assert time.monotonic() - began < PATIENCE


def test_a_textgrid_that_states_more_than_it_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(TEXTGRID_SHORT.replace("\n2\n1.5", "\n999999999999\n1.5"))
    with pytest.raises(UserError, match="999999999999 items are stated, 2 are there"):
        read_subtitles(path)


def test_what_begins_before_the_recording_is_no_piece() -> None:
    early = TimedSentence(-3.0, 1.0, "x")
    usable, unusable = check_times([early], 10.0)
    assert usable == []
    assert unusable[0].reason == "before the beginning: from -3.00 to 1.00 s"


# ---------------------------------------------------------------------------------------------
# Corpora.


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a.wav and b.wav, of a second each."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate(("a", "b")):
        samples = np.random.default_rng(number).uniform(-0.1, 0.1, 8000)
        soundfile.write(folder / f"{name}.wav", samples, 8000)
    return folder


def _lhotse_cut(name: str, folder: str) -> str:
    recording = {
        "id": name,
        "sources": [{"type": "file", "channels": [0], "source": f"{folder}/{name}.wav"}],
        "sampling_rate": 8000,
        "duration": 1.0,
    }
    said = {"id": name, "recording_id": name, "start": 0.0, "duration": 1.0, "text": "one word"}
    cut = {"id": name, "start": 0.0, "duration": 1.0, "supervisions": [said]}
    return json.dumps(cut | {"recording": recording})


def _wenetspeech(folder: str) -> str:
    times = {"begin_time": 0.0, "end_time": 0.5, "confidence": 1.0, "subsets": ["L"]}
    audios = [
        {
            "aid": name,
            "path": f"{folder}/{name}.wav",
            "segments": [{"sid": name, "text": "一"} | times],
        }
        for name in "ab"
    ]
    return json.dumps({"audios": audios}, ensure_ascii=False)


# The command, its file that is damaged, and that file's text where the recordings are in FOLDER.
CORPORA: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "csv": (
        "table",
        "t.csv",
        lambda f: f"audio,text,start,end\n{f}/a.wav,one,0,1\n{f}/b.wav,two,,\n",
    ),
    "tsv": ("table", "t.tsv", lambda f: f"path\tsentence\n{f}/a.wav\tone\n{f}/b.wav\ttwo\n"),
    "metadata csv": (
        "folder",
        "metadata.csv",
        lambda f: "file_name,text,speaker\na.wav,one,x\nb.wav,two,y\n",
    ),
    "metadata jsonl": (
        "folder",
        "metadata.jsonl",
        lambda f: '{"file_name": "a.wav", "text": "one"}\n{"file_name": "b.wav", "text": "two"}\n',
    ),
    "text beside": ("folder", "a.txt", lambda f: "what is said"),
    "wav.scp": ("kaldi", "wav.scp", lambda f: f"a {f}/a.wav\nb {f}/b.wav\n"),
    "kaldi text": ("kaldi", "text", lambda f: "a one\nb two\n"),
    "segments": ("kaldi", "segments", lambda f: "a a 0.0 0.5\nb b 0.5 -1\n"),
    "utt2spk": ("kaldi", "utt2spk", lambda f: "a x\nb y\n"),
    "nemo": (
        "nemo",
        "n.json",
        lambda f: "\n".join(
            json.dumps({"audio_filepath": f"{f}/{n}.wav", "duration": 0.5, "offset": 0, "text": n})
            for n in "ab"
        ),
    ),
    "lhotse": ("lhotse", "cuts.jsonl", lambda f: "\n".join(_lhotse_cut(n, f) for n in "ab")),
    "wenetspeech": ("wenetspeech", "w.json", _wenetspeech),
    "subtitles": ("subtitles", "a.srt", lambda f: "1\n00:00:00,0 --> 00:00:00,9\none\n"),
}


def prepared(corpus: str, content: bytes, folder: Path, recordings: Path) -> Prepared | UserError:
    """Lay a corpus out with one file's content as given, and prepare it."""
    command, name, _ = CORPORA[corpus]
    for each in recordings.iterdir():
        (folder / each.name).hardlink_to(each)
    if command == "kaldi":
        for other in ("wav.scp", "kaldi text"):
            (folder / CORPORA[other][1]).write_text(CORPORA[other][2](str(folder)))
    (folder / name).write_bytes(content)
    path = folder if command in ("folder", "kaldi", "subtitles") else folder / name
    paths = (str(path),) if command == "table" else str(path)  # one command takes several tables
    settings = SOURCES[command].settings(path=paths, output_dir=str(folder / "out"))
    try:
        return prepare(SOURCES[command].gather(settings), settings, command)
    except UserError as error:
        return error


@pytest.mark.parametrize("corpus", CORPORA)
def test_the_corpora_are_sound_before_they_are_damaged(
    corpus: str, tmp_path: Path, recordings: Path
) -> None:
    result = prepared(corpus, CORPORA[corpus][2](str(tmp_path)).encode(), tmp_path, recordings)
    assert isinstance(result, Prepared)
    count = {"text beside": 1, "subtitles": 1}.get(corpus, 2)
    assert result.utterances["train"] == count


@fuzz
@given(corpus=st.sampled_from(sorted(CORPORA)), change=mutations())
def test_a_damaged_corpus_is_prepared_or_refused(
    corpus: str,
    change: Callable[[bytes], bytes],
    recordings: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    content = change(CORPORA[corpus][2](str(folder)).encode())
    result = prepared(corpus, content, folder, recordings)
    if isinstance(result, Prepared):
        lines = read_manifest(result.manifests["train"]).utterances
        assert len(lines) == result.utterances["train"] >= 1
        assert len(result.left_out_file.read_bytes().splitlines()) == len(result.left_out)


def test_a_cell_may_hold_any_character_and_be_of_any_length(
    tmp_path: Path, recordings: Path
) -> None:
    said = "one\u2028two\x85three " + "很" * 10**6
    content = f"audio,text\n{tmp_path}/a.wav,{said}\n{tmp_path}/b.wav,two\n".encode()
    result = prepared("csv", content, tmp_path, recordings)
    assert isinstance(result, Prepared)
    lines = read_manifest(result.manifests["train"]).utterances
    assert [len(each.sentence) for each in lines] == [len(said), 3]


def test_a_row_whose_path_no_system_opens_costs_that_row_only(
    tmp_path: Path, recordings: Path
) -> None:
    content = f"audio,text\n{'a' * 5000}.wav,one\n{tmp_path}/b.wav,two\n".encode()
    result = prepared("csv", content, tmp_path, recordings)
    assert isinstance(result, Prepared)
    assert result.utterances["train"] == 1
    assert result.left_out[0].reason.startswith("text without audio")


def test_a_name_that_is_no_text_is_left_out_and_named(tmp_path: Path, recordings: Path) -> None:
    bad = tmp_path / "b\udcff.wav"
    try:
        bad.hardlink_to(recordings / "b.wav")
    except OSError:
        pytest.skip("this file system takes no such names")
    bad.with_suffix(".txt").write_text("words")
    result = prepared("text beside", b"words", tmp_path, recordings)
    assert isinstance(result, Prepared)
    assert result.utterances["train"] == 1
    listed = [json.loads(line) for line in result.left_out_file.read_text().splitlines()]
    assert any(each["reason"].startswith("name or text that is no UTF-8") for each in listed)


def test_what_was_remembered_may_hold_any_character(tmp_path: Path) -> None:
    Journal(tmp_path / "done.jsonl").add("a\u2028b\x85", "c\x1cd")
    assert Journal(tmp_path / "done.jsonl")["a\u2028b\x85"] == "c\x1cd"


def test_a_table_that_unpacks_to_hundreds_of_times_its_size_is_refused(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "ALLOWANCE_BYTES", 1 << 16)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * (4 << 20))
    (tmp_path / "bomb").mkdir()
    path = tmp_path / "bomb" / "t.xlsx"
    path.write_bytes(buffer.getvalue())
    settings = SOURCES["table"].settings(path=(str(path),))
    with pytest.raises(UserError, match=r"t\.xlsx unpacks to more than 200 times its size"):
        SOURCES["table"].gather(settings)
