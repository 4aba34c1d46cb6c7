from __future__ import annotations

import subprocess
import sys
import warnings
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Literal

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.cli.config import save_settings
from utils.cli.console import is_quiet
from utils.cli.errors import UserError
from utils.cli.flags import parse_settings


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a small script."""

    train_data: str = "dataset/train.json"
    """Manifest to train on."""
    language: str | None = "Chinese"
    """Language of the speech; None means that it is detected."""
    fp16: bool = False
    """Half precision."""
    use_compile: bool | None = None
    """Compile the model; None decides by the device."""
    learning_rate: float = 1e-3
    """Step size, 100% of it."""
    max_audio_len: float | None = 30
    """Longest utterance in seconds."""
    metric: Literal["cer", "wer"] = "cer"
    """Error rate to report."""
    max_steps: int = -1
    """Optimizer steps; -1 means all epochs."""
    test_data: tuple[str, ...] = ("a.json",)
    """Manifests to score."""
    names: list[str] | None = None
    """Names of the models."""
    gates: list[float] = field(default_factory=list)
    """Highest rates that pass."""
    audio_context: Literal["auto"] | int = "auto"
    """Frames that the encoder sees."""
    output_dir: Path = Path("output")
    """Folder of the run."""

    def __post_init__(self) -> None:
        if self.max_steps == 0:
            raise UserError("--max_steps=0: nothing would be trained", "Use -1 for all epochs.")
        if self.learning_rate < 0:
            raise ValueError(f"--learning_rate={self.learning_rate}: must not be negative")


@dataclass(frozen=True)
class RequiredSettings:
    """File and search."""

    audio_path: str
    """File to transcribe."""
    beam_size: int = 5
    """Width of the search."""


@dataclass(frozen=True)
class ComposedSettings(RequiredSettings):
    """What is written."""

    text_path: str = "text"
    """File of the text."""


KNOWN = f"Known: {', '.join(TrainSettings.__dataclass_fields__)}, quiet."
EMPTY = "Write --{}=value, or leave it out. Was it a variable of the shell that is empty?"


def parse(*argv: str) -> TrainSettings:
    return parse_settings(TrainSettings, argv, prog="train.py", description="Train.")


def error_of(*argv: str) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        parse(*argv)
    return caught.value.message, caught.value.hint


def test_without_flags_the_defaults_hold():
    assert parse() == TrainSettings()


@pytest.mark.parametrize(
    ("argument", "name", "expected"),
    [
        ("--fp16=True", "fp16", True),
        ("--fp16=true", "fp16", True),
        ("--fp16=1", "fp16", True),
        ("--fp16=False", "fp16", False),
        ("--fp16=false", "fp16", False),
        ("--fp16=0", "fp16", False),
        ("--use_compile=0", "use_compile", False),
        ("--use_compile=None", "use_compile", None),
        ("--language=None", "language", None),
        ("--language=none", "language", None),
        ("--language=null", "language", None),
        ("--language=no", "language", "no"),
        ("--language=1", "language", "1"),
        ("--fp16=yes", "fp16", True),
        ("--fp16=ON", "fp16", True),
        ("--fp16=No", "fp16", False),
        ("--fp16=off", "fp16", False),
        ("--max_steps=+5", "max_steps", 5),
        ("--max_steps=010", "max_steps", 10),
        ("--learning_rate=.5", "learning_rate", 0.5),
        ("--learning_rate=5.", "learning_rate", 5.0),
        ("--test_data=a,", "test_data", ("a",)),
        ('--test_data=a,"b,c"', "test_data", ("a", "b,c")),
        ("--max_audio_len=None", "max_audio_len", None),
        ("--max_audio_len=12.5", "max_audio_len", 12.5),
        ("--learning_rate=1e-5", "learning_rate", 1e-5),
        ("--learning_rate=1", "learning_rate", 1.0),
        ("--metric=wer", "metric", "wer"),
        ("--max_steps=-5", "max_steps", -5),
        ("--train_data=a=b c.json", "train_data", "a=b c.json"),
        ("--train_data={a: [", "train_data", "{a: ["),
        (r"--train_data=C:\new\x.json", "train_data", r"C:\new\x.json"),
        (r"--test_data=C:\new\a.json,b", "test_data", (r"C:\new\a.json", "b")),
        (r'--test_data="C:\a,b\c.json",d', "test_data", (r"C:\a,b\c.json", "d")),
        ("--test_data=a", "test_data", ("a",)),
        ("--test_data=a,b", "test_data", ("a", "b")),
        ('--test_data=[a, "b c"]', "test_data", ("a", "b c")),
        ("--test_data=[]", "test_data", ()),
        ("--names=None", "names", None),
        ("--names=null,1", "names", ["null", "1"]),
        ("--gates=0.1,2", "gates", [0.1, 2.0]),
        ("--audio_context=auto", "audio_context", "auto"),
        ("--audio_context=1500", "audio_context", 1500),
        ("--output_dir=a/b", "output_dir", Path("a/b")),
    ],
)
def test_a_flag_takes_its_field_type(argument, name, expected):
    value = getattr(parse(argument), name)
    assert (value, type(value)) == (expected, type(expected))


def test_a_value_may_follow_after_a_space():
    assert parse("--max_steps", "-3", "--fp16", "1") == TrainSettings(max_steps=-3, fp16=True)


def test_the_last_of_equal_flags_counts():
    assert parse("--max_steps=1", "--max_steps=2").max_steps == 2


def test_repeated_list_flags_are_put_together():
    assert parse("--test_data=a", "--test_data=b,c").test_data == ("a", "b", "c")


@pytest.mark.parametrize(
    ("argument", "message", "hint"),
    [
        ("--trian_data=x", "unknown flag --trian_data", "Did you mean --train_data?"),
        ("--train-data=x", "unknown flag --train-data", "Did you mean --train_data?"),
        ("--steps=1", "unknown flag --steps", "Did you mean --max_steps?"),
        ("--confg=x", "unknown flag --confg", "Did you mean --config?"),
        ("--zzz", "unknown flag --zzz", "python train.py --help lists all flags."),
        (
            "train.json",
            "unexpected argument 'train.json'",
            "Settings are given as --name=value; python train.py --help lists them.",
        ),
        ("--max_steps", "--max_steps needs a value", "Write --max_steps=value."),
        ("--fp16", "--fp16 needs a value", "Write --fp16=True."),
        ("--no_fp16", "unknown flag --no_fp16", "Write --fp16=False."),
        ("--no-use-compile", "unknown flag --no-use-compile", "Write --use_compile=False."),
        ("--no_metric", "unknown flag --no_metric", "Did you mean --metric?"),
        ("--help=some", "unknown flag --help", "Write --help, or --help=all."),
        ("--train_data=", "--train_data= has no value", EMPTY.format("train_data")),
        ("--test_data=", "--test_data= has no value", EMPTY.format("test_data")),
        ("--test_data=,", "--test_data= has no value", EMPTY.format("test_data")),
        ("--language=", "--language= has no value", EMPTY.format("language")),
        ("--config=", "--config= has no value", EMPTY.format("config")),
        ("--max_steps= 5", "--max_steps= 5: expected a whole number, got ' 5'", ""),
        ("--max_steps=1_000", "--max_steps=1_000: expected a whole number, got '1_000'", ""),
        ("--max_steps=0x10", "--max_steps=0x10: expected a whole number, got '0x10'", ""),
        ("--max_steps=12:30", "--max_steps=12:30: expected a whole number, got '12:30'", ""),
        ("--max_steps=１６", "--max_steps=１６: expected a whole number, got '１６'", ""),
        ("--max_steps=inf", "--max_steps=inf: expected a whole number, got 'inf'", ""),
        ("--max_steps=1e3", "--max_steps=1e3: expected a whole number, got '1e3'", "Write 1000."),
        ("--max_steps=5.0", "--max_steps=5.0: expected a whole number, got '5.0'", "Write 5."),
        (
            "--max_steps=9223372036854775808",
            "--max_steps=9223372036854775808: expected a whole number, got '9223372036854775808'",
            "",
        ),
        ("--learning_rate=nan", "--learning_rate=nan: expected a number, got 'nan'", ""),
        ("--learning_rate=-inf", "--learning_rate=-inf: expected a number, got '-inf'", ""),
        ("--learning_rate=1e999", "--learning_rate=1e999: expected a number, got '1e999'", ""),
        ("--learning_rate=1,5", "--learning_rate=1,5: expected a number, got '1,5'", ""),
        ("--fp16=y", "--fp16=y: expected yes or no, got 'y'", ""),
        ("--fp16=Flase", "--fp16=Flase: expected yes or no, got 'Flase'", ""),
        ("--max_steps=x", "--max_steps=x: expected a whole number, got 'x'", ""),
        ("--max_steps=1.5", "--max_steps=1.5: expected a whole number, got '1.5'", ""),
        ("--max_steps=None", "--max_steps=None: expected a whole number, got 'None'", ""),
        ("--learning_rate=fast", "--learning_rate=fast: expected a number, got 'fast'", ""),
        ("--max_audio_len=x", "--max_audio_len=x: expected a number or None, got 'x'", ""),
        ("--fp16=maybe", "--fp16=maybe: expected yes or no, got 'maybe'", ""),
        ("--fp16=2", "--fp16=2: expected yes or no, got '2'", ""),
        ("--train_data=None", "--train_data=None: expected text, got 'None'", ""),
        ("--metric=cre", "--metric=cre: expected one of cer, wer, got 'cre'", "Did you mean cer?"),
        ("--metric=WER", "--metric=WER: expected one of cer, wer, got 'WER'", "Did you mean wer?"),
        ("--gates=a", "--gates=a: expected numbers separated by commas, got '[a]'", ""),
        (
            "--audio_context=full",
            "--audio_context=full: expected one of auto or a whole number, got 'full'",
            "",
        ),
        (
            "--max_steps=0",
            "--max_steps=0: nothing would be trained",
            "Use -1 for all epochs.",
        ),
        (
            "--learning_rate=-1",
            "--learning_rate=-1.0: must not be negative",
            "See python train.py --help.",
        ),
    ],
)
def test_a_wrong_flag_says_what_was_found_and_expected(argument, message, hint):
    assert error_of(argument) == (message, hint)


def test_a_flag_is_not_taken_for_the_value_before_it():
    assert error_of("--max_steps", "--fp16=1")[0] == "--max_steps needs a value"


def test_a_missing_required_flag_is_named():
    with pytest.raises(UserError) as caught:
        parse_settings(RequiredSettings, ["--beam_size=1"], prog="infer.py", description="")
    assert caught.value.message == "missing: --audio_path"


def test_a_flag_wins_over_the_config_and_the_config_over_the_default(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("max_steps: 7\nlearning_rate: 1e-4\n", encoding="utf-8")
    read = parse(f"--config={config}", "--max_steps=9")
    assert read == TrainSettings(max_steps=9, learning_rate=1e-4)


def test_a_later_config_wins_over_an_earlier_one(tmp_path):
    first, second = tmp_path / "1.yaml", tmp_path / "2.yaml"
    first.write_text("max_steps: 1\nfp16: 1\n", encoding="utf-8")
    second.write_text("max_steps: 2\n", encoding="utf-8")
    read = parse("--config", str(first), "--config", str(second))
    assert read == TrainSettings(max_steps=2, fp16=True)


@pytest.mark.parametrize(
    ("line", "name", "expected"),
    [
        ("language: no", "language", "no"),
        ('language: "None"', "language", "None"),
        ("language: None", "language", None),
        ("language: null", "language", None),
        ("language: ~", "language", None),
        ("language:", "language", None),
        ('language: ""', "language", ""),
        ("language: 123", "language", "123"),
        ("fp16: yes", "fp16", True),
        ("fp16: 1", "fp16", True),
        ("learning_rate: 1e-4", "learning_rate", 1e-4),
        ("test_data: [a, b]", "test_data", ("a", "b")),
        ("test_data:\n- a\n- 1", "test_data", ("a", "1")),
        ("test_data: a,b", "test_data", ("a", "b")),
        ('test_data: "a,b"', "test_data", ("a,b",)),
        ('max_steps: "5"', "max_steps", 5),
        (r"train_data: C:\new speech\x.json", "train_data", r"C:\new speech\x.json"),
        (r"train_data: 'C:\new\x.json'", "train_data", r"C:\new\x.json"),
        (r"test_data: [C:\new\a.json, D:\b.json]", "test_data", (r"C:\new\a.json", r"D:\b.json")),
        ("# nothing", "max_steps", -1),
    ],
)
def test_yaml_values_are_spelled_like_flags(tmp_path, monkeypatch, line, name, expected):
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(line + "\n", encoding="utf-8")
    assert getattr(parse("--config=run.yaml"), name) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "fp16: 0\nmax_step: 3",
            "run.yaml, line 2: unknown key 'max_step'",
            "Did you mean max_steps?",
        ),
        (
            "max_steps: many",
            "run.yaml, line 1: max_steps: expected a whole number, got 'many'",
            "",
        ),
        (
            "metric: mer",
            "run.yaml, line 1: metric: expected one of cer, wer, got 'mer'",
            "Did you mean wer?",
        ),
        (
            "max_steps: [1, 2]",
            "run.yaml, line 1: max_steps: expected a whole number, got '[1, 2]'",
            "",
        ),
        (
            "fp16: 0\nfp16: 1",
            "run.yaml, line 2: 'fp16' is given twice",
            "Keep one of the two lines.",
        ),
        (
            "language: {a: b}",
            "run.yaml, line 1: language: expected a single value or a plain list",
            "",
        ),
        (
            "gates: [[1]]",
            "run.yaml, line 1: gates: expected a single value or a plain list",
            "",
        ),
        ("? [a]\n: 1", "run.yaml, line 1: expected the name of a setting", "Write `name: value`."),
        (
            "[" * 5000,
            "run.yaml: nested too deeply",
            "Write one `name: value` a line, and quote text that holds : or #.",
        ),
        ("max_steps: .inf", "run.yaml, line 1: max_steps: expected a whole number, got '.inf'", ""),
        (
            'train_data: "a\\0b"',
            "run.yaml, line 1: train_data: expected text, got 'a\\x00b'",
            "",
        ),
        ("<<: {fp16: 1}", "run.yaml, line 1: unknown key '<<'", KNOWN),
        ("- a\n- b", "run.yaml: expected `name: value` lines", "See configs/ for examples."),
        (
            "max_steps: [1\nfp16: 0",
            "run.yaml, line 2: not valid YAML: expected ',' or ']', but got ':'",
            "Write one `name: value` a line, and quote text that holds : or #.",
        ),
        (
            'train_data: "C:\\speech\\dev.json"',
            "run.yaml, line 1: not valid YAML: found unknown escape character 's'",
            "Write paths with backslashes without quotes, or in single quotes.",
        ),
        ("max_steps: 0", "--max_steps=0: nothing would be trained", "Use -1 for all epochs."),
    ],
)
def test_a_wrong_config_names_file_and_key(tmp_path, monkeypatch, text, message, hint):
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(text + "\n", encoding="utf-8")
    assert error_of("--config=run.yaml") == (message, hint)


def test_a_missing_config_is_named():
    assert error_of("--config=absent.yaml") == (
        "config file not found: absent.yaml",
        "Check the path.",
    )


def test_a_config_that_is_no_text_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_bytes(b"\xff\xfe\x00")
    assert error_of("--config=run.yaml")[0].startswith("run.yaml cannot be read")
    assert error_of("--config=.")[0].startswith(". cannot be read")


# Neither a path nor a name holds the character 0.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=20)
ALL_SETTINGS = st.builds(
    TrainSettings,
    train_data=TEXT,
    language=st.none()
    | TEXT
    | st.sampled_from(["None", "no", "~", "1e5", "\x85", "a: b", "a\r\n"]),
    fp16=st.booleans(),
    use_compile=st.none() | st.booleans(),
    learning_rate=st.floats(min_value=0, allow_nan=False, allow_infinity=False),
    max_audio_len=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    metric=st.sampled_from(["cer", "wer"]),
    max_steps=st.integers(min_value=-(10**12), max_value=-1),
    test_data=st.lists(TEXT, max_size=3).map(tuple),
    names=st.none() | st.lists(TEXT, max_size=3),
    gates=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    audio_context=st.just("auto") | st.integers(-(2**63), 2**63 - 1),
    output_dir=TEXT.map(Path),
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chosen=ALL_SETTINGS)
def test_saved_settings_are_a_config_that_gives_them_again(tmp_path, chosen):
    path = tmp_path / "settings.yaml"
    save_settings(chosen, path)
    assert parse(f"--config={path}") == chosen


def test_saved_settings_hold_every_field_as_plain_values(tmp_path):
    path = tmp_path / "settings.yaml"
    save_settings(TrainSettings(language=None, learning_rate=1e-5), path)
    assert yaml.safe_load(path.read_text("utf-8")) == {
        "train_data": "dataset/train.json",
        "language": None,
        "fp16": False,
        "use_compile": None,
        "learning_rate": 1e-5,
        "max_audio_len": 30,
        "metric": "cer",
        "max_steps": -1,
        "test_data": ["a.json"],
        "names": None,
        "gates": [],
        "audio_context": "auto",
        "output_dir": "output",
    }


def test_settings_in_a_folder_with_an_odd_name_load_again(tmp_path):
    path = tmp_path / "a\nfp16: true\u2028" / "settings.yaml"
    save_settings(TrainSettings(), path)
    assert parse(f"--config={path}") == TrainSettings()


def printed_help(capsys, *argv: str, settings_type: type = TrainSettings, **options) -> str:
    with pytest.raises(SystemExit) as stopped:
        parse_settings(settings_type, argv, prog="x.py", description="Do.\n\n    x\n", **options)
    assert stopped.value.code == 0
    return capsys.readouterr().out


def test_help_shows_each_flag_with_its_type_meaning_and_default(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    printed = printed_help(capsys, "--help")
    for entry in (
        "  --train_data path\n      Manifest to train on. (default: dataset/train.json)\n",
        "  --language text or None\n      Language of the speech; None means",
        "  --fp16 yes/no\n      Half precision. (default: no)\n",
        "  --use_compile yes/no or None\n",
        "  --learning_rate number\n      Step size, 100% of it. (default: 0.001)\n",
        "  --max_audio_len number or None\n      Longest utterance in seconds. (default: 30)\n",
        "  --metric {cer,wer}\n      Error rate to report. (default: cer)\n",
        "  --max_steps whole number\n",
        "  --test_data path,...\n      Manifests to score. (default: a.json)\n",
        "  --gates number,...\n      Highest rates that pass. (default: [])\n",
        "  --audio_context {auto} or whole number\n",
        "  --output_dir path\n      Folder of the run. (default: output)\n",
        "  --config path\n",
        "  --quiet yes/no\n",
    ):
        assert entry in printed


def test_help_says_what_is_required(capsys):
    printed = printed_help(capsys, "--help", settings_type=RequiredSettings)
    assert "  --audio_path path\n      File to transcribe. (required)\n" in printed


def test_help_keeps_the_lines_of_example_commands(capsys):
    assert "Do.\n\n    x\n" in printed_help(capsys, "-h")


def test_help_begins_with_the_everyday_settings_and_says_where_the_others_are(capsys):
    everyday = ("max_steps", "train_data")
    short = printed_help(capsys, "--help", everyday=everyday)
    assert short.index("--max_steps") < short.index("--train_data")
    assert "--fp16" not in short
    assert "11 more settings: python x.py --help=all" in short
    whole = printed_help(capsys, "--help=all", everyday=everyday)
    assert [name for name in TrainSettings.__dataclass_fields__ if f"--{name} " not in whole] == []


def test_a_composed_settings_class_has_a_section_for_each_part(capsys):
    printed = printed_help(capsys, "--help", settings_type=ComposedSettings)
    assert "\nFile and search:\n  --audio_path" in printed
    assert "\nWhat is written:\n  --text_path" in printed


def test_quiet_is_a_flag_of_every_script_and_needs_no_value(monkeypatch, tmp_path):
    monkeypatch.setenv("WHISPER_FINETUNE_QUIET", "")
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "")
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "")
    config = tmp_path / "run.yaml"
    config.write_text("quiet: yes\n", encoding="utf-8")
    with warnings.catch_warnings():
        assert parse("--quiet=no", f"--config={config}") == TrainSettings()
        assert not is_quiet()
        assert parse("--quiet", "--max_steps=3") == TrainSettings(max_steps=3)
        assert is_quiet()
    assert error_of("--quiet=loud")[0] == "--quiet=loud: expected yes or no, got 'loud'"


@pytest.mark.parametrize(
    ("field_type", "default", "problem"),
    [
        ("complex", 1j, "a flag cannot be read as <class 'complex'>"),
        ("dict[str, int]", None, "a flag cannot be read as dict"),
        ("tuple[int, str]", (1, "a"), "a flag cannot be read as tuple"),
        ("list[list[int]]", None, "a flag cannot be read as list"),
        ("object", None, "a flag cannot be read as <class 'object'>"),
        ("Literal[1, 2]", 1, "a flag cannot be read as typing.Literal"),
        ("int", None, "the default None is no"),
        ("int", 1.5, "the default 1.5 is no"),
        ("int", True, "the default True is no"),
        ("float", "1", "the default '1' is no"),
        ("bool", 0, "the default 0 is no"),
        ("Literal['a']", "b", "the default 'b' is no"),
        ("list[int]", ["a"], "the default ['a'] is no"),
        ("NotThere", 1, "name 'NotThere' is not defined"),
    ],
)
def test_a_type_that_no_flag_can_be_read_as_is_a_bug_at_once(field_type, default, problem):
    def defaults() -> object:
        return default

    odd = make_dataclass("Odd", [("value", field_type, field(default_factory=defaults))])
    odd.__module__ = __name__
    with pytest.raises((TypeError, NameError)) as caught:
        parse_settings(odd, [], prog="x.py", description="")
    assert problem in str(caught.value)


def test_the_parser_imports_nothing_heavy(repository):
    code = (
        "import sys, utils.cli.flags, utils.cli.progress, utils.cli.console, utils.cli.files;"
        "print([m for m in ('torch', 'transformers', 'numpy', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
