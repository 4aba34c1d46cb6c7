"""Tables of every dialect, and the files that they name however they spell them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

import custom
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.sources.text.encodings import guessed_encoding


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three recordings: a.wav, b.wav, c.wav."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate("abc"):
        sound(tmp_path / f"{name}.wav", seed)
    return tmp_path


def sound(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.1, 0.1, 16000)
    soundfile.write(path, samples, 16000)
    return path


def table(content: str | bytes, *argv: str, name: str = "t.csv") -> list[Utterance]:
    data = content.encode() if isinstance(content, str) else content
    Path(name).write_bytes(data)
    custom.main(["table", f"--path={name}", "--output_dir=out", "--overwrite=True", *argv])
    return list(read_manifest("out/train.json"))


def texts(found: list[Utterance]) -> list[tuple[str, str]]:
    return [(Path(each.audio.path).name, each.sentence) for each in found]


AB = [("a.wav", "one"), ("b.wav", "two")]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("path,sentence\na.wav,one\nb.wav,two\n", "t.csv"),
        ("path;sentence\na.wav;one\nb.wav;two\n", "t.csv"),
        ("path|sentence\na.wav|one\nb.wav|two\n", "t.csv"),
        ("\ufeffPath,Sentence\r\na.wav,one\r\nb.wav,two\r\n", "t.csv"),
        ("File Name,TRANSCRIPT\na.wav,one\nb.wav,two\n", "t.csv"),
        ("fileName\tnormalized-text\na.wav\tone\nb.wav\ttwo\n", "t.tsv"),
        (",path,sentence\n0,a.wav,one\n1,b.wav,two\n", "t.csv"),
        ("My clips\n\npath,sentence\na.wav,one\nb.wav,two\n", "t.csv"),
        ("a.wav,one\nb.wav,two\n", "t.csv"),
        ("1\ta.wav\tone\n2\tb.wav\ttwo\n", "t.tsv"),
        ('"path"\t"sentence"\n"a.wav"\t"one"\n"b.wav"\t"two"\n', "t.tsv"),
    ],
)
def test_every_dialect_gives_the_same(brought: Path, content: str, name: str) -> None:
    assert texts(table(content, name=name)) == AB


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('"she said ""no"" twice"', 'she said "no" twice'),
        ('"tab\there"', "tab here"),
        ('"two\nlines"', "two lines"),
        ('"Hello," he said', '"Hello," he said'),
        ('"Hello."', '"Hello."'),
        ('say "no"', 'say "no"'),
    ],
)
def test_quoting_in_a_tsv_is_told_from_none(brought: Path, cell: str, expected: str) -> None:
    found = table(f"path\tsentence\na.wav\t{cell}\nb.wav\ttwo\n", name="t.tsv")
    assert texts(found) == [("a.wav", expected), ("b.wav", "two")]


def test_a_text_with_the_delimiter_in_it_is_left_out_and_not_cut(brought: Path) -> None:
    found = table("path,sentence\na.wav,one, two\nb.wav,two\n")
    assert texts(found) == [("b.wav", "two")]
    assert "must be quoted" in Path("out/table_left_out.jsonl").read_text()


def test_times_may_have_commas_and_colons(brought: Path) -> None:
    (each,) = table("path;text;start;end;channel\na.wav;one;0,25;0:00:00.75;0\n")
    assert (each.audio.start_time, each.audio.end_time, each.audio.channel) == (0.25, 0.75, None)


ENCODED = [
    ("gbk", "今天天气很好，我们一起去公园里的湖边", "gb18030"),
    ("big5", "今天我們要去學校上國語課，這個時候他不在", "big5"),
    ("cp932", "今日はとてもいい天気ですから、散歩に行きます", "cp932"),
    ("cp949", "오늘은 날씨가 좋아서 공원에 가고 있습니다", "cp949"),
    ("cp1252", "déjà vu à Genève garçon", "cp1252"),
    ("cp1251", "сегодня хорошая погода и мы идём гулять", "cp1251"),
    ("utf-16-le", "good morning", "utf-16-le"),
]


@pytest.mark.parametrize(("encoding", "text", "guess"), ENCODED)
def test_another_encoding_is_proposed_and_read_when_named(
    brought: Path, encoding: str, text: str, guess: str
) -> None:
    content = f"path,sentence\na.wav,{text}\n".encode(encoding)
    assert guessed_encoding(content) == guess
    with pytest.raises(UserError) as error:
        table(content)
    assert f"--encoding={guess}" in error.value.hint
    assert texts(table(content, f"--encoding={encoding}")) == [("a.wav", text)]


def test_utf_16_with_its_mark_needs_no_name(brought: Path) -> None:
    assert texts(table("path,sentence\na.wav,one\nb.wav,two\n".encode("utf-16"))) == AB


def test_a_sheet_is_chosen_by_name_or_number(brought: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["notes"])
    second = book.create_sheet("clips")
    for row in (["Clips of May", None], [None, None], ["Path", "Text"], *map(list, AB)):
        second.append(row)
    book.save("t.xlsx")
    for sheet in ("clips", "2"):
        argv = ["--path=t.xlsx", f"--sheet={sheet}", "--output_dir=out", "--overwrite=True"]
        custom.main(["table", *argv])
        assert texts(list(read_manifest("out/train.json"))) == AB
    with pytest.raises(UserError, match="no sheet 'x'; it has 'Sheet', 'clips'"):
        custom.main(["table", "--path=t.xlsx", "--sheet=x"])


@pytest.mark.parametrize(
    ("named", "there"),
    [
        ("clips/a", "clips/a.wav"),
        ("clips\\a.wav", "clips/a.wav"),
        ("./clips/A.WAV", "clips/a.wav"),
        ("clips/caf\u00e9.wav", "clips/cafe\u0301.wav"),
        ("cafe\u0301/a.wav", "caf\u00e9/a.wav"),
        ("clips/1.5", "clips/1.5.wav"),
    ],
)
def test_files_are_found_however_they_are_spelled(
    brought: Path, capsys: pytest.CaptureFixture[str], named: str, there: str
) -> None:
    sound(brought / there)
    (each,) = table(f"path,sentence\n{named},one\n")
    resolved = Path("out", each.audio.path)
    assert unicodedata.normalize("NFC", resolved.name) == unicodedata.normalize(
        "NFC", Path(there).name
    )
    assert "in spite of how its name is written: 1" in capsys.readouterr().out


def test_two_files_that_could_be_meant_are_none(brought: Path) -> None:
    sound(brought / "d.wav")
    sound(brought / "d.flac", 1)
    found = table("path,sentence\nd,one\nb.wav,two\n")
    assert texts(found) == [("b.wav", "two")]


def test_the_right_folder_is_proposed(brought: Path) -> None:
    for name in ("x", "y"):
        sound(brought / "deep" / "clips" / f"{name}.wav")
    with pytest.raises(UserError) as error:
        table("path,sentence\nx.wav,one\ny.wav,two\n")
    assert "0 of 2 audio files are there" in error.value.message
    assert error.value.hint == "--audio_dir=deep/clips would find 2 more"
    found = table("path,sentence\nx.wav,one\ny.wav,two\n", "--audio_dir=deep/clips")
    assert texts(found) == [("x.wav", "one"), ("y.wav", "two")]


def test_a_language_that_whisper_lacks_takes_the_one_that_is_named(
    brought: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "path,sentence,locale\na.wav,one,ckb\nb.wav,two,en\n"
    assert texts(table(rows)) == [("b.wav", "two")]
    assert "--language names one to stand in" in Path("out/table_left_out.jsonl").read_text()
    assert [each.language for each in table(rows, "--language=Persian")] == ["fa", "en"]
    assert "1 rows in 'ckb'" in capsys.readouterr().out


def test_common_voice_as_it_is_unpacked(brought: Path) -> None:
    header = "client_id\tpath\tsentence\n"
    for number, name in enumerate(("train", "dev", "test", "validated")):
        sound(brought / "cv" / "clips" / f"{name}.mp3", number)
        (brought / "cv" / f"{name}.tsv").write_text(f"{header}s{number}\t{name}\t{name}\n")
    custom.main(["table", "--path=cv", "--output_dir=out"])
    for name in ("train", "dev", "test"):
        assert [each.sentence for each in read_manifest(f"out/{name}.json")] == [name]
    assert not Path("out/validated.json").exists()


def test_names_are_labels(brought: Path) -> None:
    for name in ("d/7_george_3.wav", "d/0_ann_1.wav"):
        sound(brought / name)
    argv = ["--text_pattern=([^/_]+)_", r"--speaker_pattern=_(\w+?)_", "--output_dir=out"]
    custom.main(["folder", "--path=d", *argv])
    found = [(each.sentence, each.speaker) for each in read_manifest("out/train.json")]
    assert found == [("0", "ann"), ("7", "george")]


def test_a_folder_of_words_and_names_in_another_form(brought: Path) -> None:
    sound(brought / "w" / "yes" / "1.wav")
    sound(brought / "w" / unicodedata.normalize("NFD", "café") / "2.wav")
    custom.main(["folder", "--path=w", "--text_pattern=^([^/]+)/", "--output_dir=out"])
    assert {each.sentence for each in read_manifest("out/train.json")} == {"yes", "café"}


def test_a_text_beside_its_recording_may_have_another_form(brought: Path) -> None:
    sound(brought / "n" / unicodedata.normalize("NFD", "한국어.wav"))
    (brought / "n" / unicodedata.normalize("NFC", "한국어.txt")).write_text("안녕")
    sound(brought / "n" / "SA1.WAV")
    (brought / "n" / "SA1.TXT").write_text("0 46797 She had your dark suit.\n")
    custom.main(["folder", "--path=n", "--output_dir=out"])
    assert {each.sentence for each in read_manifest("out/train.json")} == {
        "안녕",
        "She had your dark suit.",
    }


def test_parts_of_a_folder_stay_apart(brought: Path) -> None:
    for part, name in (("train", "1"), ("validation", "2"), ("test", "3")):
        sound(brought / "f" / part / f"{name}.wav", int(name))
        (brought / "f" / part / "metadata.csv").write_text(f"file_name,text\n{name}.wav,{part}\n")
    custom.main(["folder", "--path=f", "--output_dir=out"])
    assert [each.sentence for each in read_manifest("out/dev.json")] == ["validation"]
    assert [each.sentence for each in read_manifest("out/test.json")] == ["test"]
    custom.main(["folder", "--path=f", "--output_dir=all", "--parts=join"])
    assert len(read_manifest("all/train.json")) == 3


def test_a_part_gets_the_name_that_is_given(brought: Path) -> None:
    table("path,sentence\na.wav,one\nb.wav,two\n")
    table("path,sentence\nc.wav,three\n", "--name=dev")
    assert len(read_manifest("out/train.json")) == 2
    assert [each.sentence for each in read_manifest("out/dev.json")] == ["three"]


def test_lines_are_not_lost_in_silence(brought: Path) -> None:
    table("path,sentence\na.wav,one\nb.wav,two\n")
    Path("t.csv").write_text("path,sentence\na.wav,one\n")
    argv = ["table", "--path=t.csv", "--output_dir=out"]
    with pytest.raises(UserError, match="1 of its 2 lines would be lost"):
        custom.main(argv)
    assert len(read_manifest("out/train.json")) == 2
    Path("t.csv").write_text("path,sentence\na.wav,one\nb.wav,two\nc.wav,three\n")
    custom.main(argv)  # nothing is lost by more
    assert len(read_manifest("out/train.json")) == 3
    custom.main([*argv, "--split=0.4/0.3/0.3", "--split_by=utterance"])  # nor by other parts


def test_several_tables_are_kept_apart_or_joined(brought: Path) -> None:
    for name, row in (("train", "a.wav,one"), ("dev", "b.wav,two")):
        Path(f"{name}.csv").write_text(f"path,sentence\n{row}\n")
    custom.main(["table", "--path=train.csv,dev.csv", "--output_dir=out"])
    assert texts(list(read_manifest("out/dev.json"))) == [("b.wav", "two")]
    custom.main(["table", "--path=train.csv,dev.csv", "--parts=join", "--output_dir=one"])
    assert texts(list(read_manifest("one/train.json"))) == AB


def test_languages_are_told_and_a_clash_with_the_script_is_named(
    brought: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = "path,sentence\na.wav,the weather is nice today\nb.wav,今天天气很好\n"
    table(content, "--language=Chinese")
    told = capsys.readouterr().out
    assert "language: Chinese 100 % (by --language)" in told
    assert "about 1 of 2 texts are not written in the script" in told
    table(content)
    assert "English 50 % (as the text reads)" in capsys.readouterr().out
