from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from utils.cli.errors import UserError
from utils.cli.flags import load_settings_dict, parse_settings, save_settings


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
    """Settings with one that has no default."""

    audio_path: str
    """File to transcribe."""
    beam_size: int = 5
    """Width of the search."""


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
        ("--language=", "language", ""),
        ("--max_audio_len=None", "max_audio_len", None),
        ("--max_audio_len=12.5", "max_audio_len", 12.5),
        ("--learning_rate=1e-5", "learning_rate", 1e-5),
        ("--learning_rate=1", "learning_rate", 1.0),
        ("--metric=wer", "metric", "wer"),
        ("--max_steps=-5", "max_steps", -5),
        ("--train_data=a=b c.json", "train_data", "a=b c.json"),
        ("--train_data={a: [", "train_data", "{a: ["),
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
        ("--max_steps=x", "--max_steps=x: expected a whole number, got 'x'", ""),
        ("--max_steps=1.5", "--max_steps=1.5: expected a whole number, got '1.5'", ""),
        ("--max_steps=None", "--max_steps=None: expected a whole number, got 'None'", ""),
        ("--learning_rate=fast", "--learning_rate=fast: expected a number, got 'fast'", ""),
        ("--max_audio_len=x", "--max_audio_len=x: expected a number or None, got 'x'", ""),
        ("--fp16=maybe", "--fp16=maybe: expected True or False, got 'maybe'", ""),
        ("--fp16=2", "--fp16=2: expected True or False, got '2'", ""),
        ("--train_data=None", "--train_data=None: expected text, got 'None'", ""),
        ("--metric=cre", "--metric=cre: expected one of cer, wer, got 'cre'", "Did you mean cer?"),
        ("--metric=WER", "--metric=WER: expected one of cer, wer, got 'WER'", "Did you mean wer?"),
        ("--gates=a", "--gates=a: expected a list such as a,b, got '[a]'", ""),
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
            "run.yaml, line 1: expected a single value or a plain list",
            "",
        ),
        ("- a\n- b", "run.yaml: expected `name: value` lines", "See configs/ for examples."),
        (
            "max_steps: [1\nfp16: 0",
            "run.yaml, line 2: not valid YAML: expected ',' or ']', but got ':'",
            "Write one `name: value` a line, and quote text that holds : or #.",
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
    assert error_of("--config=run.yaml")[0].startswith("config file run.yaml cannot be read")
    assert error_of("--config=.")[0].startswith("config file . cannot be read")


TEXT = st.text(max_size=20)
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
    audio_context=st.just("auto") | st.integers(),
    output_dir=TEXT.filter(lambda text: "\0" not in text).map(Path),
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chosen=ALL_SETTINGS)
def test_saved_settings_are_a_config_that_gives_them_again(tmp_path, chosen):
    path = tmp_path / "settings.yaml"
    save_settings(chosen, path)
    assert parse(f"--config={path}") == chosen


def test_saved_settings_hold_every_field_and_load_as_plain_values(tmp_path):
    path = tmp_path / "settings.yaml"
    save_settings(TrainSettings(language=None, learning_rate=1e-5), path)
    assert load_settings_dict(path) == {
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


def test_missing_settings_are_named(tmp_path):
    with pytest.raises(UserError, match="config file not found"):
        load_settings_dict(tmp_path / "settings.yaml")


def test_help_shows_each_flag_with_type_default_and_docstring(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stopped:
        parse("--help")
    assert stopped.value.code == 0
    printed = " ".join(capsys.readouterr().out.split())
    for name in TrainSettings.__dataclass_fields__:
        assert f"--{name}" in printed
    assert "Manifest to train on. (type: str, default: dataset/train.json)" in printed
    assert "(type: str | None, default: Chinese)" in printed
    assert "--fp16 {True,False} Half precision. (type: bool, default: False)" in printed
    assert "{True,False,None} Compile the model" in printed
    assert "Step size, 100% of it. (type: float, default: 0.001)" in printed
    assert "null" not in printed


def test_help_keeps_the_lines_of_example_commands(capsys):
    with pytest.raises(SystemExit):
        parse_settings(TrainSettings, ["-h"], prog="x.py", description="Do.\n\n    python x.py\n")
    assert "Do.\n\n    python x.py\n" in capsys.readouterr().out


def test_the_parser_imports_nothing_heavy(repository):
    code = (
        "import sys, utils.cli.flags, utils.cli.progress, utils.cli.console, utils.cli.files;"
        "print([m for m in ('torch', 'transformers', 'numpy', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
