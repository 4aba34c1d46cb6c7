"""custom.py: every kind of speech data becomes one manifest; nothing brought is changed."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

import custom
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance


def sound(path: Path, seconds: float = 1.0, rate: int = 16000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = int(hashlib.md5(path.name.encode()).hexdigest()[:8], 16)
    samples = np.random.default_rng(seed).uniform(-0.1, 0.1, round(rate * seconds))
    soundfile.write(path, samples, rate)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def state(folder: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the user's data, used from an empty current folder; not one byte may change."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = tmp_path / "brought"
    folder.mkdir()
    yield folder
    assert state(folder) == STATES.pop(str(folder), state(folder))


STATES: dict[str, dict[str, tuple[str, int]]] = {}


def run(brought: Path, *argv: str) -> dict[str, Utterance]:
    STATES[str(brought)] = state(brought)
    custom.main(argv)
    return {each.id: each for each in read_manifest("dataset/train.json")}


def left_out(command: str) -> dict[str, str]:
    lines = Path(f"dataset/{command}_left_out.jsonl").read_text("utf-8").splitlines()
    return {each["id"]: each["reason"].split(":")[0] for each in map(json.loads, lines)}


def texts(found: dict[str, Utterance]) -> dict[str, str]:
    return {name: each.sentence for name, each in found.items()}


# ---------------------------------------------------------------------------------------------
# Folders.


def test_a_folder_with_a_text_beside_each_recording(
    brought: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ann/a.wav", "ann/b.flac", "bob/a.wav", "bob/mute.wav", "bob/blank.wav"):
        sound(brought / name)
    sound(brought / ".hidden" / "x.wav")
    write(brought / "ann/a.txt", "\ufeffgood\r\nmorning \n")
    write(brought / "ann/b.txt", "two")
    write(brought / "bob/a.txt", "今天天气很好")
    write(brought / "bob/blank.txt", " \n")
    write(brought / "bob/lost.txt", "no sound")
    found = run(
        brought, "folder", f"--path={brought}", "--speaker_pattern=^([^/]+)/", "--language=English"
    )
    assert texts(found) == {"ann/a": "good morning", "ann/b": "two", "bob/a": "今天天气很好"}
    assert {each.speaker for each in found.values()} == {"ann", "bob"}
    assert {each.language for each in found.values()} == {"en"}
    assert {each.duration for each in found.values()} == {1.0}
    assert {each.source for each in found.values()} == {"folder"}
    assert left_out("folder") == {
        "bob/mute.wav": "audio without text",
        "bob/blank.wav": "empty text",
        "bob/lost.txt": "text without audio",
    }
    said = capsys.readouterr().out
    assert "dataset/train.json: 3 utterances, 0.00 hours" in said
    assert "left out, audio without text: 1 (bob/mute.wav)" in said
    assert "folder_left_out.jsonl names each of the 3 left out" in said


def test_recordings_that_differ_in_their_suffix_alone_keep_their_own_ids(brought: Path) -> None:
    sound(brought / "a.wav")
    sound(brought / "a.flac")
    write(brought / "a.txt", "one")
    assert sorted(run(brought, "folder", f"--path={brought}")) == ["a.flac", "a.wav"]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_folder_with_metadata(brought: Path, form: str) -> None:
    rows = [
        {"file_name": "train/a.wav", "transcription": 'say "hi", now', "speaker_id": "7"},
        {"file_name": "train/b.wav", "transcription": "two", "speaker_id": "8"},
        {"file_name": "lost.wav", "transcription": "three", "speaker_id": "8"},
    ]
    if form == "jsonl":
        write(brought / "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    else:
        with open(brought / "metadata.csv", "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    for name in ("train/a.wav", "train/b.wav", "train/c.wav"):
        sound(brought / name)
    found = run(brought, "folder", f"--path={brought}")
    assert texts(found) == {"train/a": 'say "hi", now', "train/b": "two"}
    assert [each.speaker for each in found.values()] == ["7", "8"]
    assert left_out("folder") == {
        "train/c.wav": "audio without text",
        str(brought / "lost.wav"): "text without audio",
    }


# ---------------------------------------------------------------------------------------------
# Tables.


def table(brought: Path, name: str, rows: list[list[str]], delimiter: str = ",") -> Path:
    for each in ("x1.wav", "x2.wav"):
        sound(brought / each, 2.0)
    if name.endswith("xlsx"):
        import openpyxl

        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(brought / name)
        return brought / name
    return write(brought / name, "\n".join(delimiter.join(row) for row in rows) + "\n")


ROWS = [
    ["clip", "words", "who", "lang", "number"],
    ["x1.wav", "one", "ann", "en", "n1"],
    ["x2.wav", "二", "bob", "Chinese", "n2"],
    ["x3.wav", "three", "bob", "en", "n3"],
    ["x2.wav", "", "bob", "en", "n4"],
    ["x1.wav", "uno", "ann", "en", "n1"],
    ["x2.wav", "qapla", "bob", "Klingon", "n5"],
]
NAMED = (
    "--audio_column=clip",
    "--text_column=words",
    "--speaker_column=who",
    "--language_column=lang",
    "--id_column=number",
)


@pytest.mark.parametrize(
    ("name", "delimiter"), [("t.csv", ","), ("t.csv", ";"), ("t.tsv", "\t"), ("t.xlsx", "")]
)
def test_a_table_whose_columns_are_named(brought: Path, name: str, delimiter: str) -> None:
    path = table(brought, name, ROWS, delimiter)
    found = run(brought, "table", f"--path={path}", *NAMED)
    assert texts(found) == {"n1": "one", "n2": "二"}
    assert [(each.speaker, each.language) for each in found.values()] == [
        ("ann", "en"),
        ("bob", "zh"),
    ]
    assert left_out("table") == {
        "n3": "text without audio",
        "n4": "audio without text",
        "n1": "another utterance of the same id",
        f"line 7 of {name}": "unknown language",
    }


def test_a_table_without_the_named_column_lists_those_it_has(brought: Path) -> None:
    path = table(brought, "t.csv", ROWS)
    with pytest.raises(UserError) as caught:
        run(brought, "table", f"--path={path}", "--audio_column=clip", "--text_column=sentence")
    assert caught.value.message == (
        f"{path} has no column 'sentence'; it has 'clip', 'words', 'who', 'lang', 'number'"
    )
    assert caught.value.hint == "choose one with --text_column"
    with pytest.raises(UserError, match="none of the columns sentence, text"):
        run(brought, "table", f"--path={path}")


def test_a_table_of_pieces(brought: Path) -> None:
    rows = [
        ["path", "text", "start", "end"],
        ["x1.wav", "one", "0", "0.5"],
        ["x1.wav", "two", "0.5", "2.05"],
        ["x1.wav", "three", "1.5", "9"],
        ["x1.wav", "four", "1.5", "1"],
        ["x1.wav", "five", "soon", "1"],
    ]
    found = run(brought, "table", f"--path={table(brought, 't.csv', rows)}")
    assert [(e.audio.start_time, e.audio.end_time, e.duration) for e in found.values()] == [
        (0.0, 0.5, 0.5),
        (0.5, 2.0, 1.5),
    ]
    assert sorted(left_out("table").values()) == ["outside the recording", "times", "times"]


def test_common_voice_is_told_by_its_columns(brought: Path) -> None:
    sound(brought / "clips" / "common_voice_1.mp3", rate=32000)
    rows = [
        "client_id\tpath\tsentence\tup_votes\tlocale",
        'ab12\tcommon_voice_1.mp3\tSay "a\t2\tzh-CN',
    ]
    path = write(brought / "validated.tsv", "\n".join(rows))
    (found,) = run(brought, "table", f"--path={path}").values()
    assert (found.sentence, found.speaker, found.language) == ('Say "a', "ab12", "zh")


def test_ljspeech_is_told_by_its_files(brought: Path) -> None:
    for name in ("LJ001-0001", "LJ001-0002"):
        sound(brought / "wavs" / f"{name}.wav", rate=22050)
    lines = ['LJ001-0001|In 2 "x|In two "x', "LJ001-0002|plain|plain", "LJ001-0003|lost|lost"]
    path = write(brought / "metadata.csv", "\n".join(lines))
    found = run(brought, "table", f"--path={path}", "--language=en")
    assert texts(found) == {"LJ001-0001": 'In two "x', "LJ001-0002": "plain"}
    assert left_out("table") == {"LJ001-0003": "text without audio"}


def test_what_is_no_table_is_named(brought: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        run(brought, "table", f"--path={brought / 'none.csv'}")
    with pytest.raises(UserError, match="is empty"):
        run(brought, "table", f"--path={write(brought / 'a.csv', '')}")
    with pytest.raises(UserError, match="is no xlsx file"):
        run(brought, "table", f"--path={write(brought / 'a.xlsx', 'x')}")
    with pytest.raises(UserError, match="has the column 'a' twice"):
        run(brought, "table", f"--path={write(brought / 'b.csv', 'a,a')}")


# ---------------------------------------------------------------------------------------------
# Kaldi.


def kaldi(brought: Path, **files: str) -> Path:
    sound(brought / "audio" / "r1.wav", 4.0)
    sound(brought / "audio" / "r2.wav", 1.0)
    known = {
        "wav_scp": f"r1 {brought}/audio/r1.wav\nr2 {brought}/audio/r2.wav\n",
        "text": "u1 good  morning\nu2 good night\n",
        "utt2spk": "u1 ann\nu2 bob\n",
        "segments": "u1 r1 0.5 2\nu2 r2 0 -1\n",
    } | files
    for name, content in known.items():
        if content:
            write(brought / "data" / name.replace("_", "."), content)
    return brought / "data"


def test_a_kaldi_folder_with_segments(brought: Path) -> None:
    found = run(brought, "kaldi", f"--path={kaldi(brought)}")
    assert texts(found) == {"u1": "good morning", "u2": "good night"}
    assert [each.speaker for each in found.values()] == ["ann", "bob"]
    assert [each.duration for each in found.values()] == [1.5, 1.0]
    assert found["u1"].audio.start_time == 0.5


def test_a_kaldi_folder_without_segments_and_with_gaps(brought: Path) -> None:
    path = kaldi(brought, segments="", utt2spk="", text="r1 one\nr3 three\nr1 uno\n")
    found = run(brought, "kaldi", f"--path={path}")
    assert texts(found) == {"r1": "one"}
    assert left_out("kaldi") == {
        "r2": "audio without text",
        "r3": "text without audio",
        "r1": "the id a second time",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"wav_scp": "r1 sox a.mp3 -t wav - |\n"}, "r1 is given by a command"),
        ({"wav_scp": "r1 /data/wav.ark:1234\n"}, "r1 is in a Kaldi archive"),
        ({"segments": "u1 r1 0.5\n"}, "expected <utterance> <recording> <start> <end>"),
        ({"text": ""}, "text does not exist"),
    ],
)
def test_a_kaldi_folder_that_cannot_be_read_is_named(
    brought: Path, files: dict[str, str], expected: str
) -> None:
    with pytest.raises(UserError) as caught:
        run(brought, "kaldi", f"--path={kaldi(brought, **files)}")
    assert expected in caught.value.message


def test_commands_in_a_kaldi_folder_are_not_run(brought: Path) -> None:
    path = kaldi(brought, wav_scp=f"r1 touch {brought}/was_run |\n")
    with pytest.raises(UserError):
        run(brought, "kaldi", f"--path={path}")
    assert not (brought / "was_run").exists()


# ---------------------------------------------------------------------------------------------
# Subtitles.


def test_a_long_recording_with_subtitles(brought: Path) -> None:
    sound(brought / "talk.flac", 40.0)
    cues = [
        (0.5, 12, "one"),
        (12.4, 25, "two"),
        (29, 31, "three"),
        (33, 36, "left"),
        (34, 37, "right"),
        (38, 39, "four"),
        (39.5, 45, "past the end"),
    ]
    clock = "00:00:{:06.3f}".format
    lines = [f"{clock(a)} --> {clock(b)}\n{text}\n" for a, b, text in cues]
    write(brought / "talk.srt", "\n".join(lines).replace(".", ","))
    found = run(brought, "subtitles", f"--path={brought / 'talk.flac'}", "--language=en")
    assert texts(found) == {"talk-0001": "one two", "talk-0002": "three", "talk-0003": "four"}
    first = found["talk-0001"]
    assert (first.audio.start_time, first.audio.end_time, first.duration) == (0.5, 25.0, 24.5)
    assert first.sentences is not None
    # The pause of 0.4 s belongs to the first sentence.
    assert [(s.start, s.end) for s in first.sentences] == [(0.0, 11.9), (11.9, 24.5)]
    assert left_out("subtitles") == {
        "talk.srt: left": "overlaps another sentence",
        "talk.srt: right": "overlaps another sentence",
        "talk.srt: past the end": "past the end",
    }


def test_a_folder_of_recordings_with_subtitles(brought: Path) -> None:
    for name in ("a", "b", "c", "d"):
        sound(brought / f"{name}.wav", 3.0)
    write(brought / "a.srt", "1\n00:00:00,000 --> 00:00:01,000\nfrom srt\n")
    write(brought / "a.json", '{"segments": [{"start": 0, "end": 1, "text": "from json"}]}')
    write(brought / "b.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nfrom vtt\n")
    write(brought / "c.srt", "no subtitle")
    write(brought / "e.srt", "1\n00:00:00,000 --> 00:00:01,000\nlost\n")
    found = run(brought, "subtitles", f"--path={brought}", "--no_speech=True")
    assert texts(found) == {
        "a-0001": "from srt",
        "a-0002": "",
        "b-0001": "from vtt",
    }
    assert found["a-0002"].sentences == ()
    assert (found["a-0002"].audio.start_time, found["a-0002"].duration) == (1.0, 2.0)
    assert sorted(left_out("subtitles").values()) == [
        "a second text of one recording",
        "audio without text",
        "text without audio",
        "unreadable subtitles",
    ]


# ---------------------------------------------------------------------------------------------
# WenetSpeech, NeMo, Lhotse, the hub.


def wenetspeech(brought: Path) -> Path:
    sound(brought / "audio" / "Y1.wav", 10.0)
    segments = [
        {
            "sid": "Y1_S1",
            "begin_time": 0.5,
            "end_time": 2,
            "text": "一",
            "confidence": 1.0,
            "subsets": ["M", "L"],
        },
        {
            "sid": "Y1_S2",
            "begin_time": 2,
            "end_time": 4,
            "text": "二",
            "confidence": 0.7,
            "subsets": ["L"],
        },
        {
            "sid": "Y1_S3",
            "begin_time": 4,
            "end_time": 6,
            "text": "三",
            "confidence": 0.6,
            "subsets": ["W"],
        },
        {
            "sid": "Y1_S4",
            "begin_time": 9,
            "end_time": 16,
            "text": "四",
            "confidence": 1.0,
            "subsets": ["L"],
        },
    ]
    audios = [
        {"aid": "Y1", "path": "audio/Y1.wav", "segments": segments},
        {"aid": "Y2", "path": "audio/Y2.wav", "segments": segments[:1]},
    ]
    return write(
        brought / "WenetSpeech.json", json.dumps({"audios": audios}, ensure_ascii=False, indent=1)
    )


def test_wenetspeech(brought: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A few characters at a time, as its gigabytes are read.
    monkeypatch.setattr("utils.sources.wenetspeech.CHUNK_CHARACTERS", 37)
    found = run(brought, "wenetspeech", f"--path={wenetspeech(brought)}")
    assert texts(found) == {"Y1_S1": "一", "Y1_S2": "二"}
    assert [each.extra["confidence"] for each in found.values()] == [1.0, 0.7]
    assert left_out("wenetspeech") == {"Y2": "text without audio", "Y1_S4": "outside the recording"}


def test_wenetspeech_by_subset_and_confidence(brought: Path) -> None:
    path = wenetspeech(brought)
    assert list(run(brought, "wenetspeech", f"--path={path}", "--min_confidence=0.9")) == ["Y1_S1"]
    assert list(
        run(brought, "wenetspeech", f"--path={path}", "--subset=W", "--overwrite=True")
    ) == ["Y1_S3"]
    with pytest.raises(UserError, match="no subset of WenetSpeech"):
        run(brought, "wenetspeech", f"--path={path}", "--subset=XL")


def test_a_wenetspeech_json_that_was_cut_off_is_named(brought: Path) -> None:
    path = wenetspeech(brought)
    path.write_text(path.read_text("utf-8")[:300], "utf-8")
    with pytest.raises(UserError, match="is cut off or damaged"):
        run(brought, "wenetspeech", f"--path={path}")
    with pytest.raises(UserError, match='has no list "audios"'):
        run(brought, "wenetspeech", f"--path={write(brought / 'x.json', '[]')}")


def test_nemo(brought: Path) -> None:
    sound(brought / "a.wav", 5.0)
    lines = [
        '{"audio_filepath": "a.wav", "text": "whole", "duration": 5.0, "lang": "de"}',
        '{"audio_filepath": "a.wav", "text": "piece", "offset": 1.0, "duration": 2.5}',
        '{"audio_filepath": "a.wav", "duration": 2.5}',
        "oops",
        '{"audio_filepath": "b.wav", "text": "lost", "duration": 2.5}',
    ]
    path = write(brought / "m.json", "\n".join(lines))
    found = run(brought, "nemo", f"--path={path}")
    assert [(e.sentence, e.audio.start_time, e.duration, e.language) for e in found.values()] == [
        ("whole", None, 5.0, "de"),
        ("piece", 1.0, 2.5, None),
    ]
    assert sorted(left_out("nemo").values()) == [
        "line cannot be used",
        "line cannot be used",
        "unreadable audio",
    ]


RECORDING = {
    "id": "r1",
    "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
    "sampling_rate": 16000,
    "num_samples": 80000,
    "duration": 5.0,
}


def supervision(name: str, start: float, duration: float, text: str) -> dict[str, object]:
    times = {"start": start, "duration": duration, "channel": 0}
    return {
        "id": name,
        "recording_id": "r1",
        "text": text,
        "speaker": "ann",
        "language": "English",
    } | times


def test_lhotse_cuts(brought: Path) -> None:
    import gzip

    sound(brought / "a.wav", 5.0)
    cuts = [
        {
            "id": "c1",
            "start": 1.0,
            "duration": 3.0,
            "channel": 0,
            "type": "MonoCut",
            "recording": RECORDING,
            "supervisions": [
                supervision("s2", 2.0, 1.5, "two"),
                supervision("s1", -0.2, 1.2, "one"),
            ],
        },
        {
            "id": "c2",
            "start": 0,
            "duration": 3.0,
            "channel": 0,
            "type": "MonoCut",
            "recording": RECORDING,
        },
        {"id": "c3", "type": "MixedCut", "tracks": []},
    ]
    (brought / "cuts.jsonl.gz").write_bytes(
        gzip.compress("\n".join(map(json.dumps, cuts)).encode())
    )
    found = run(brought, "lhotse", f"--path={brought / 'cuts.jsonl.gz'}")
    assert texts(found) == {"c1": "one two"}
    one = found["c1"]
    assert (one.audio.start_time, one.audio.end_time, one.speaker, one.language) == (
        1.0,
        4.0,
        "ann",
        "en",
    )
    assert one.sentences is not None
    assert [(s.start, s.end) for s in one.sentences] == [(0.0, 1.0), (2.0, 3.0)]
    assert left_out("lhotse") == {"c2": "audio without text", "c3": "another kind of cut"}


def test_lhotse_recordings_with_supervisions(brought: Path) -> None:
    sound(brought / "a.wav", 5.0)
    recordings = write(brought / "recordings.jsonl", json.dumps(RECORDING))
    both = [supervision("s1", 0, 5.0, "all"), supervision("s2", 1.0, 2.0, "some")]
    lost = supervision("s3", 0, 1, "x") | {"recording_id": "r9"}
    path = write(brought / "supervisions.jsonl", "\n".join(map(json.dumps, [*both, lost])))
    found = run(brought, "lhotse", f"--path={recordings}", f"--supervisions={path}")
    assert [(e.sentence, e.audio.start_time, e.duration) for e in found.values()] == [
        ("all", None, 5.0),
        ("some", 1.0, 2.0),
    ]
    assert left_out("lhotse") == {"s3": "text without audio"}
    with pytest.raises(UserError, match="r1 is no cut"):
        run(brought, "lhotse", f"--path={recordings}", "--overwrite=True")


@pytest.mark.parametrize("form", ["nemo", "lhotse"])
def test_manifests_go_out_and_come_back(brought: Path, form: str) -> None:
    sound(brought / "a.wav", 5.0)
    lines = [
        {
            "audio": {"path": "a.wav"},
            "sentence": "all of it",
            "id": "x1",
            "speaker": "ann",
            "language": "en",
        },
        {
            "audio": {"path": "a.wav", "start_time": 1.0, "end_time": 3.5},
            "sentence": "a part",
            "id": "x2",
        },
    ]
    path = write(brought / "own.json", "\n".join(map(json.dumps, lines)))
    STATES[str(brought)] = state(brought)
    custom.main(["manifest", f"--path={path}", f"--format={form}", "--source=mine"])
    ending = {"nemo": "_nemo.json", "lhotse": "_cuts.jsonl"}[form]
    back = run(brought, form, f"--path=dataset/train{ending}", "--source=mine")
    assert {
        (
            e.id,
            e.sentence,
            e.speaker,
            e.language,
            e.audio.path,
            e.audio.start_time,
            e.duration,
            e.source,
        )
        for e in back.values()
    } == {
        ("x1", "all of it", "ann", "en", str(brought / "a.wav"), None, 5.0, "mine"),
        ("x2", "a part", None, None, str(brought / "a.wav"), 1.0, 2.5, "mine"),
    }


@pytest.mark.timeout(600)
def test_a_local_data_set_in_parquet(brought: Path) -> None:
    import datasets

    content = sound(brought / "a.wav").read_bytes()
    rows = {
        "audio": [
            {"bytes": content, "path": "x.wav"},
            {"bytes": content, "path": None},
            {"bytes": content, "path": "y.wav"},
        ],
        "transcription": ["one", "two", ""],
        "speaker_id": [4, 5, 5],
    }
    datasets.Dataset.from_dict(rows).to_parquet(str(brought / "set" / "train.parquet"))
    found = run(brought, "hub", f"--path={brought / 'set'}", "--language=en")
    assert texts(found) == {"train-0000000": "one", "train-0000001": "two"}
    assert [each.speaker for each in found.values()] == ["4", "5"]
    for each in found.values():
        assert Path(each.audio.path).suffix == ".wav"
        assert Path(each.audio.path).read_bytes() == content
    assert left_out("hub") == {"train-0000002": "audio without text"}
    before = state(Path("dataset/audio"))
    run(brought, "hub", f"--path={brought / 'set'}", "--limit=1", "--overwrite=True")
    assert state(Path("dataset/audio")) == before
    with pytest.raises(UserError, match="has no column 'words'; it has 'audio', 'transcription'"):
        run(brought, "hub", f"--path={brought / 'set'}", "--text_column=words")
    with pytest.raises(UserError, match=r"the data set .*none cannot be read"):
        run(brought, "hub", f"--path={brought / 'none'}")


# ---------------------------------------------------------------------------------------------
# What holds for every source.


def speakers_folder(brought: Path, count: int = 12) -> Path:
    for number in range(count):
        for take in range(2):
            sound(brought / "rec" / f"s{number:02d}" / f"{take}.wav", 0.5)
            write(brought / "rec" / f"s{number:02d}" / f"{take}.txt", f"words {number} {take}")
    return brought / "rec"


def test_parts_share_no_speaker_and_are_the_same_each_time(brought: Path) -> None:
    flags = [
        f"--path={speakers_folder(brought)}",
        "--speaker_pattern=^(s\\d+)",
        "--split=0.6/0.2/0.2",
    ]
    run(brought, "folder", *flags)
    parts = [Path(f"dataset/{part}.json") for part in ("train", "dev", "test")]
    first = [path.read_bytes() for path in parts]
    speakers = [{each.speaker for each in read_manifest(path)} for path in parts]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 12
    assert all(speakers)
    run(brought, "folder", *flags)
    assert [path.read_bytes() for path in parts] == first
    run(brought, "folder", *flags, "--seed=1")
    assert [path.read_bytes() for path in parts] != first


def test_other_data_in_the_output_folder_is_not_replaced(brought: Path) -> None:
    flags = ["folder", f"--path={speakers_folder(brought, 1)}"]
    own = write(Path("dataset/train.json"), '{"audio": {"path": "a.wav"}, "sentence": "mine"}\n')
    with pytest.raises(UserError, match="is there already and holds other data: 1 of its 1 lines"):
        run(brought, *flags)
    assert "mine" in own.read_text()
    assert len(run(brought, *flags, "--overwrite=True")) == 2


def test_a_manifest_is_not_written_over_itself(brought: Path) -> None:
    folder = speakers_folder(brought, 2)
    run(brought, "folder", f"--path={folder}", "--source=manifest")
    before = Path("dataset/train.json").read_bytes()
    with pytest.raises(UserError, match="would be written over, but it is what --path names"):
        custom.main(["manifest", "--path=dataset/train.json", "--split=0.5/0.5"])
    assert Path("dataset/train.json").read_bytes() == before


def test_data_of_which_nothing_can_be_used_is_an_error(brought: Path) -> None:
    write(brought / "a.wav", "no sound")
    write(brought / "a.txt", "text")
    with pytest.raises(UserError, match=r"no utterance has both audio and text .*1 left out"):
        run(brought, "folder", f"--path={brought}")


def test_the_command_line_ends_with_2_and_without_a_traceback(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, "custom.py", "folder", "--path=no/such/folder"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: no/such/folder does not exist")
    assert "Traceback" not in done.stderr


@pytest.mark.requires_shared
@pytest.mark.parametrize(
    ("name", "subtitles"),
    [
        ("en_sonnet001.mp3", "en_sonnet001.srt"),
        ("en_sonnet001.mp3", "en_sonnet001.json"),
        ("en_michael_dialogue.wav", "en_michael_dialogue.TextGrid"),
        ("en_michael_dialogue.wav", "en_michael_dialogue.srt"),
        ("zh_aishell_S0150_concat.flac", "zh_aishell_S0150_concat.srt"),
    ],
)
def test_recorded_speech_with_its_subtitles(
    brought: Path, shared: Path, name: str, subtitles: str
) -> None:
    folder = shared / "data" / "longform"
    found = run(
        brought, "subtitles", f"--path={folder / name}", f"--subtitles={folder / subtitles}"
    )
    reference = next(
        each for each in read_manifest(folder / "all.jsonl") if each.audio.path.endswith(name)
    )
    letters = [
        "".join(filter(str.isalnum, t)).lower()
        for t in ("".join(e.sentence for e in found.values()), reference.sentence)
    ]
    # The first line of the sonnet is "1" in one file and "One" in the other.
    assert abs(len(letters[0]) - len(letters[1])) < 0.05 * len(letters[1])
    assert all(each.duration is not None and each.duration <= 30 for each in found.values())
