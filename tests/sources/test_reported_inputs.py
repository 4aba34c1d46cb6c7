"""Inputs on which people lost data in silence, each with the right value, and others of its kind.

The recorded inputs lie in the shared folder, one folder each; a test is named for its folder.
"""

from __future__ import annotations

import json
import re
import runpy
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import custom
import evaluation
from utils.data.labels import LabelEncoder
from utils.manifest.languages import LANGUAGES
from utils.manifest.read import read_manifest
from utils.manifest.utterance import AudioRef, Utterance
from utils.scoring.normalizers import choose_normalizer, normalizer

REPOSITORY = Path(__file__).resolve().parents[2]
CASES = REPOSITORY.parent / "shared" / "cases"
ENGLISH = REPOSITORY / "demo" / "en" / "audio"
LINES = (
    "refill the coolant until the voltage is high",
    "the compressor belongs to the teacher",
    "the conveyor stopped because the gasket is leaking",
    "loosen the valve before you remove the valve",
    "the washer on the lathe is cracked",
)
TALK = " ".join(LINES)

Case = Callable[[str], Path]


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Copy an input's folder and work in it."""

    def copy(name: str) -> Path:
        if not (CASES / name).is_dir():
            pytest.skip("the recorded inputs are not part of the repository")
        folder = tmp_path / name
        shutil.copytree(CASES / name, folder)
        monkeypatch.chdir(folder)
        return folder

    return copy


def taken(*argv: str) -> list[Utterance]:
    """Run custom.py; return what its manifest holds."""
    custom.main([*argv, "--output_dir=made", "--overwrite=True"])
    return list(read_manifest("made/train.json").utterances)


def noise(path: Path, seconds: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, round(16000 * seconds))
    soundfile.write(path, samples, 16000)
    return path


def test_every_folder_of_inputs_has_a_test() -> None:
    if not CASES.is_dir():
        pytest.skip("the recorded inputs are not part of the repository")
    folders = {each.name for each in CASES.iterdir() if each.is_dir()}
    assert {name for name in folders if f"test_{name}" not in globals()} == set()


def test_common_voice_old_paths(case: Case) -> None:
    case("common_voice_old_paths")
    assert [each.sentence for each in taken("table", "--path=old.tsv")] == list(LINES[:4])
    found = taken("table", "--path=loc.tsv", "--language=Persian")
    assert [each.language for each in found] == ["en", "sv", "zh", "fa"]


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3", "aiff"])
def test_a_path_without_its_ending(ending: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    noise(Path(f"clips/a.{ending}"))
    Path("t.tsv").write_text("client_id\tpath\tsentence\tlocale\ns\ta\tone two\ten\n")
    (only,) = taken("table", "--path=t.tsv")
    assert (Path(only.audio.path).name, only.sentence) == (f"a.{ending}", "one two")


def test_csv_with_pandas_index(case: Case) -> None:
    case("csv_with_pandas_index")
    found = taken("table", "--path=t.csv", f"--audio_dir={ENGLISH}", "--language=English")
    assert [each.sentence for each in found] == list(LINES[:3])
    found = taken("table", "--path=t2.csv", "--audio_dir=.")
    assert [(each.audio.start_time, each.audio.end_time) for each in found] == [
        (0.0, 2.299),
        (2.599, 4.471),
    ]
    assert [each.speaker for each in found] == [None, None]


@pytest.mark.parametrize(
    "content",
    [
        ",path,sentence\n7,a.wav,one two\n",
        "Unnamed: 0,path,sentence\n7,a.wav,one two\n",
        ",sentence,path\n7,one two,a.wav\n",
        ";path;sentence\n7;a.wav;one two\n",
        ",,path,sentence\n0,7,a.wav,one two\n",
    ],
)
def test_an_index_is_no_field(content: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    noise(Path("a.wav"))
    Path("t.csv").write_text(content)
    (only,) = taken("table", "--path=t.csv")
    assert (only.sentence, only.id, only.speaker) == ("one two", "a", None)
    assert only.audio.start_time in (0, None) and only.audio.end_time is None


def test_file_names_nfd(case: Case) -> None:
    case("file_names_nfd")
    assert [each.sentence for each in taken("table", "--path=t.csv")] == [LINES[0]]
    assert len(taken("folder", "--path=folder")) == 1


@pytest.mark.parametrize("name", ["café", "한국어", "über", "がぎぐ", "mañana"])
def test_a_name_in_another_unicode_form(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    composed, apart = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != apart
    for written, on_disk in ((composed, apart), (apart, composed)):
        shutil.rmtree("clips", ignore_errors=True)
        noise(Path(f"clips/{on_disk}.wav"))
        Path("t.csv").write_text(f"path,sentence\nclips/{written}.wav,one two\n", encoding="utf-8")
        assert [each.sentence for each in taken("table", "--path=t.csv")] == ["one two"]


def answer(ready: Path, manifest: Path, gate: str, *flags: str) -> int:
    flags = (f"--predictions={ready}", f"--test_data={manifest}", f"--gate={gate}", *flags)
    return evaluation.main([*flags, "--report_dir=report"])


def test_gate_without_errors(case: Case) -> None:
    folder = case("gate_without_errors")
    lines = (folder / "three.jsonl").read_text().replace("AUDIO", str(ENGLISH))
    (folder / "t.jsonl").write_text(lines)
    ready = folder / "perfect.jsonl"
    for gate in ("wer<=1%", "ser<=1%"):
        assert answer(ready, folder / "t.jsonl", gate) == 4
        assert answer(ready, folder / "t.jsonl", gate, "--interval_over=utterance") == 4
    for name in ("t.jsonl", "perfect.jsonl"):
        only = (folder / name).read_text().splitlines()[0]
        (folder / f"one-{name}").write_text(only + "\n")
    assert answer(folder / "one-perfect.jsonl", folder / "one-t.jsonl", "wer<=1%") == 4


@pytest.mark.parametrize(
    ("utterances", "gate", "code"),
    [
        (2, "wer<=1%", 4),
        (5, "wer<=1%", 4),
        (20, "wer<=1%", 4),
        (20, "wer<=40%", 0),
        (20, "ser<=1%", 4),
        (80, "wer<=5%", 0),
    ],
)
def test_a_set_without_errors_is_as_sure_as_it_is_large(
    utterances: int, gate: str, code: int, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sound = str(noise(tmp_path / "a.wav", 0.6))
    with open("t.jsonl", "w") as lines, open("ready.jsonl", "w") as ready:
        for number in range(utterances):
            line = {
                "audio": {"path": sound},
                "sentence": "one two three four five",
                "language": "en",
            }
            lines.write(json.dumps(line | {"id": str(number), "duration": 2.0}) + "\n")
            ready.write(json.dumps({"id": str(number), "hypothesis": line["sentence"]}) + "\n")
    assert answer(Path("ready.jsonl"), Path("t.jsonl"), gate) == code


def test_kaldi_channel(case: Case) -> None:
    folder = case("kaldi_channel")
    (folder / "wav.scp").write_text(f"call {folder}/call.wav\n")
    found = taken("kaldi", "--path=.")
    assert [(each.audio.channel, each.sentence) for each in found] == [
        (0, "refill the coolant"),
        (1, "the compressor belongs"),
    ]


def test_lhotse_channel(case: Case) -> None:
    case("lhotse_channel")
    found = taken("lhotse", "--path=recordings.jsonl", "--supervisions=supervisions.jsonl")
    assert [(each.audio.channel, each.sentence) for each in found] == [(0, LINES[0]), (1, LINES[1])]


def test_mp3_concatenated(case: Case) -> None:
    case("mp3_concatenated")
    (only,) = taken("folder", "--path=data")
    assert only.sentence == TALK and only.duration == pytest.approx(10.78, abs=0.02)


def test_mp3_without_xing(case: Case) -> None:
    case("mp3_without_xing")
    # Without such a frame the samples that an encoder adds are not known either.
    lengths = {each.id: each.duration for each in taken("folder", "--path=data")}
    assert lengths == pytest.approx({"head": 56.95, "piped": 12.38, "tail": 56.95}, abs=0.01)
    (only,) = taken("subtitles", "--path=data/tail.mp3", "--subtitles=tail.srt")[-1:]
    assert only.sentence.endswith(LINES[1])


def test_nemo_duration_without_offset(case: Case) -> None:
    case("nemo_duration_without_offset")
    (only,) = taken("nemo", "--path=train.json")
    assert (only.audio.start_time or 0, only.audio.end_time) == (0, 2.3)


@pytest.mark.parametrize(
    ("offset", "duration", "expected"),
    [
        (None, 1.0, (0, 1.0)),
        (0, 1.0, (0, 1.0)),
        (0.5, 1.0, (0.5, 1.5)),
        (None, 2.0, (0, None)),
        (0.5, None, (0.5, None)),
    ],
)
def test_nemo_reads_from_its_offset_for_its_duration(
    offset: float | None, duration: float | None, expected, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    noise(Path("a.wav"), 2.0)
    line = {"audio_filepath": "a.wav", "text": "one two", "offset": offset, "duration": duration}
    Path("t.json").write_text(json.dumps({k: v for k, v in line.items() if v is not None}) + "\n")
    (only,) = taken("nemo", "--path=t.json")
    start, end = only.audio.start_time or 0, only.audio.end_time
    assert (start, None if end in (None, 2.0) else end) == expected


def test_normalizers_scripts(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    folder = case("normalizers_scripts")
    runpy.run_path(str(folder / "pairs.py"))
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 23 and {each.split()[0] for each in told} == {"PASS"}


EQUAL = {
    "dotted i": ("tr", [("IŞIK", "ışık"), ("İZMİR", "izmir"), ("DİYARBAKIR", "diyarbakır")]),
    "dotted i of Azerbaijani": ("az", [("QIZIL", "qızıl"), ("İLİK", "ilik")]),
    "apostrophe letters": ("uk", [("п'ять", "пʼять"), ("об’єкт", "обʼєкт"), ("сім`я", "сімʼя")]),
    "letters of Uzbek": ("uz", [("g'alaba", "gʻalaba"), ("ma’no", "maʼno")]),
    "yeh and kaf": ("fa", [("يک", "یک"), ("كيف", "کیف"), ("۴۵۶", "456"), ("٧٨٩", "789")]),
    "of Urdu": ("ur", [("پاكستان", "پاکستان"), ("۷۸۹", "789")]),
    "digits": ("my", [("၃၄၅", "345"), ("၂၀၂၀", "2020")]),
    "digits of Khmer": ("km", [("៣៤៥", "345")]),
    "digits of Lao": ("lo", [("໓໔໕", "345")]),
    "digits of Hindi": ("hi", [("२०२०", "2020"), ("१", "1")]),
    "cedilla": ("ro", [("ţară", "țară"), ("aşa", "așa"), ("ŞI", "și")]),
    "tone marks": ("vi", [("hoá", "hóa"), ("thuý", "thúy"), ("khoẻ", "khỏe")]),
    "niqqud": ("he", [("יִשְׂרָאֵל", "ישראל"), ("תּוֹרָה", "תורה")]),
    "typographic apostrophes": ("en", [("can’t", "can't"), ("we‘re", "we're"), ("it’s", "it's")]),
    "joiners and emoji": ("en", [("good\u200d day", "good day"), ("well done 👍🏽", "well done")]),
}


@pytest.mark.parametrize("kind", EQUAL)
def test_writings_that_a_reader_calls_equal(kind: str) -> None:
    language, pairs = EQUAL[kind]
    assert language in LANGUAGES
    write = normalizer(choose_normalizer(language, remove_pun=True, to_simple=True))
    assert [write(one) for one, _ in pairs] == [write(other) for _, other in pairs]
    # Two words are still two words.
    assert len({write(one) for one, _ in pairs}) == len(pairs)


def test_srt_lost_words(case: Case) -> None:
    case("srt_lost_words")
    for name in ("a.srt", "b.srt"):
        shutil.rmtree("made", ignore_errors=True)
        (only,) = taken("subtitles", "--path=talk.wav", f"--subtitles={name}")
        assert only.sentence == TALK
    found = taken("subtitles", "--path=c.flac", "--subtitles=c.srt", "--no_speech=True")
    for each in found:  # sound without words stands nowhere under a cue, however it is written
        start, end = each.audio.start_time or 0, each.audio.end_time or 0
        assert each.sentence or end <= 0.6 + start or not 20.3 < (start + end) / 2 < 37.2
    assert " ".join(each.sentence for each in found if each.sentence).split().count("lathe") == 5


def test_textgrid_bracketed_number(case: Case) -> None:
    case("textgrid_bracketed_number")
    (only,) = taken("subtitles", "--path=talk.wav")
    assert only.sentence.startswith('see figure [2] and say "stop" now 3.5 times the compressor')


@pytest.mark.parametrize("text", ["[1]", "a [12] b", "item [3]:", "x [4] = 5", "[6] [7]"])
def test_numbers_in_brackets_are_text(text: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    noise(Path("talk.wav"), 3.0)
    grid = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 3\n'
    grid += 'tiers? <exists>\nsize = 1\nitem []:\n item [1]:\n  class = "IntervalTier"\n'
    grid += '  name = "A"\n  xmin = 0\n  xmax = 3\n  intervals: size = 1\n  intervals [1]:\n'
    grid += f'   xmin = 0\n   xmax = 3\n   text = "say {text}"\n'
    Path("talk.TextGrid").write_text(grid)
    (only,) = taken("subtitles", "--path=talk.wav")
    assert only.sentence == f"say {text}"


@pytest.fixture(scope="module")
def encoder() -> LabelEncoder:
    from transformers import AutoTokenizer

    return LabelEncoder(AutoTokenizer.from_pretrained(REPOSITORY / "demo" / "base"), language="en")


def timestamps_of(encoder: LabelEncoder, text: str) -> int:
    """Count the timestamps that a text without sentences trains."""
    labels = encoder.encode(Utterance(AudioRef("x"), text, "i"))
    ids = labels.decoder_input_ids
    return sum(encoder.first_timestamp <= each <= encoder.last_timestamp for each in ids)


def test_timestamp_tokens_in_text(encoder: LabelEncoder) -> None:
    assert timestamps_of(encoder, "<|0.00|> refill the coolant<|1.20|>") == 0


@pytest.mark.parametrize(
    "text",
    ["<|0.00|>", "a<|30.00|>b", "<|0.00|><|0.02|>", " <|1.20|> and <|2.40|> ", "x <|29.98|>"],
)
def test_timestamps_spelled_out_stay_text(text: str, encoder: LabelEncoder) -> None:
    assert timestamps_of(encoder, text) == 0


def test_tsv_of_pandas(case: Case) -> None:
    case("tsv_of_pandas")
    found = taken("table", "--path=t.tsv", f"--audio_dir={ENGLISH}")
    assert [each.sentence for each in found] == [
        'she said "refill it" twice',
        LINES[1],
        "tab here and new line",
    ]


def test_vtt_rolling_captions(case: Case) -> None:
    case("vtt_rolling_captions")
    (only,) = taken("subtitles", "--path=talk.wav")
    assert only.sentence == TALK and len(TALK.split()) == 37
    assert all(each.end - each.start > 0.5 for each in only.sentences or ())


def test_wav_data_size_0(case: Case) -> None:
    case("wav_data_size_0")
    (only,) = taken("folder", "--path=data")
    assert only.duration == pytest.approx(2.299, abs=0.001)
    assert re.match("refill", only.sentence)
