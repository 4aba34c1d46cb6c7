"""The flags of every script, frozen: a new flag, type or default is a decision, not an accident."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import subprocess
import sys
import typing
from pathlib import Path

import pytest

from tests.conftest import script_names
from utils.cli.errors import UserError
from utils.cli.flags import parse_settings

REPOSITORY = Path(__file__).resolve().parent.parent
SNAPSHOT = REPOSITORY / "tests" / "cli_snapshot.json"
UPDATE = "UPDATE_CLI_SNAPSHOT=1 .venv/bin/python -m pytest tests/test_cli_snapshot.py"
SCRIPTS = script_names()
SLOWEST_HELP_SECONDS = 2.0
PYTHONS_WORDS = r"str|int|float|bool|Literal|Optional|Union|typing|\[|\|"
ANY_DEFAULT = object()

# The published interface of the system that this one replaces. Names and meanings stay; a default
# that differs from the one it had is named in the README's table of changes.
TRAINING_FLAGS = {
    "train_data": "dataset/train.json",
    "test_data": "dataset/test.json",
    "base_model": "openai/whisper-tiny",
    "output_dir": "output/",
    "warmup_steps": ANY_DEFAULT,
    # They follow the length of the run.
    "logging_steps": None,
    "eval_steps": None,
    "save_steps": None,
    "num_workers": ANY_DEFAULT,
    "learning_rate": 1e-3,
    "min_audio_len": 0.5,
    "max_audio_len": 30,
    "fp16": ANY_DEFAULT,
    "use_compile": ANY_DEFAULT,
    "timestamps": False,
    "local_files_only": False,
    "num_train_epochs": 3,
    "language": None,  # published as "Chinese": English data was trained as Chinese
    "task": "transcribe",
    "augment_config_path": None,
    "resume_from_checkpoint": None,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "save_total_limit": ANY_DEFAULT,
    "push_to_hub": False,
    "hub_model_id": None,
    # Shared by both training scripts, and new.
    "dev_data": None,
    "max_steps": ANY_DEFAULT,
    "audio_context": ANY_DEFAULT,
    "seed": ANY_DEFAULT,
}
KEPT_FLAGS: dict[str, dict[str, object]] = {
    "aishell.py": {
        "filepath": ANY_DEFAULT,
        "target_dir": "dataset/audio/",
        "annotation_text": "dataset/",
        "add_pun": False,
    },
    "check_data.py": {"data": ANY_DEFAULT},
    "finetune.py": {**TRAINING_FLAGS, "use_adalora": ANY_DEFAULT, "use_8bit": False},
    "finetune_all.py": {**TRAINING_FLAGS, "freeze_encoder": False, "learning_rate": None},
    "infer.py": {
        **dict.fromkeys(("audio_path", "use_gpu", "use_int8", "beam_size"), ANY_DEFAULT),
        **dict.fromkeys(("num_workers", "vad_filter"), ANY_DEFAULT),
        "model_path": "models/whisper-tiny-finetune",
        "language": None,
        "task": "transcribe",
        "local_files_only": False,
    },
    "merge_lora.py": {
        "lora_model": "output/whisper-tiny/checkpoint-best/",
        "output_dir": "models/",
        "local_files_only": False,
    },
    "evaluation.py": {
        "test_data": "dataset/test.json",
        "model_path": "models/whisper-tiny-finetune",
        "batch_size": 16,
        "num_workers": ANY_DEFAULT,
        "language": None,
        "remove_pun": True,
        "to_simple": True,
        "timestamps": False,
        "min_audio_len": 0.5,
        "max_audio_len": 30,
        "local_files_only": ANY_DEFAULT,
        "task": "transcribe",
        "metric": ANY_DEFAULT,
        "baseline": ANY_DEFAULT,
        "report_dir": "output/evaluation/",
        "gate": None,
        "seed": ANY_DEFAULT,
    },
}


def flags_of(settings_type: type) -> dict[str, dict[str, object]]:
    """Each flag's type and default, as plain JSON values."""
    hints = typing.get_type_hints(settings_type)
    return {
        field.name: {"type": _type_name(hints[field.name]), "default": _default(field)}
        for field in dataclasses.fields(settings_type)
    }


def _type_name(hint: object) -> str:
    # Python versions spell a union in two ways; the parts and their order are the same.
    if typing.get_origin(hint) is not None and type(None) in typing.get_args(hint):
        kept = [part for part in typing.get_args(hint) if part is not type(None)]
        return " | ".join([*map(_type_name, kept), "None"])
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _default(field: dataclasses.Field) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    if field.default is dataclasses.MISSING:
        return "required"
    is_plain = field.default is None or isinstance(field.default, (bool, int, float, str))
    return field.default if is_plain else str(field.default)


@pytest.fixture(scope="module")
def snapshot(settings_of) -> dict[str, dict[str, dict[str, object]]]:
    if os.environ.get("UPDATE_CLI_SNAPSHOT") == "1":
        flags = {script: flags_of(settings_of(script)) for script in SCRIPTS}
        lines = json.dumps(flags, indent=2, ensure_ascii=False)
        SNAPSHOT.write_text(lines + "\n", encoding="utf-8")
    return json.loads(SNAPSHOT.read_text(encoding="utf-8"))


def test_the_snapshot_holds_every_script(snapshot):
    assert sorted(snapshot) == sorted(SCRIPTS), f"after a decision, update it: {UPDATE}"


@pytest.mark.parametrize("script", SCRIPTS)
def test_flags_types_and_defaults_are_as_they_were_decided(snapshot, settings_of, script):
    flags = json.loads(json.dumps(flags_of(settings_of(script))))
    assert flags == snapshot.get(script), (
        f"the flags of {script} changed. If that is what you want: {UPDATE}, "
        "and say so in CHANGELOG.md"
    )


@pytest.mark.parametrize("script", sorted(KEPT_FLAGS))
def test_published_flags_keep_their_names_and_defaults(settings_of, script):
    flags = flags_of(settings_of(script))
    assert sorted(set(KEPT_FLAGS[script]) - set(flags)) == []
    for name, default in KEPT_FLAGS[script].items():
        if default is not ANY_DEFAULT:
            assert flags[name]["default"] == default, name


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_flag_says_what_it_is_for(settings_of, script):
    from docstring_parser import parse_from_object

    documented = {
        parameter.arg_name
        for settings_type in settings_of(script).__mro__
        if dataclasses.is_dataclass(settings_type)
        for parameter in parse_from_object(settings_type).params
        if parameter.description
    }
    assert sorted(set(flags_of(settings_of(script))) - documented) == []


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_answers_at_once_with_every_flag(settings_of, script):
    # Time on the processor, because the machine may be busy with other tests.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, *script.split(), "--help=all"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert (done.returncode, done.stderr) == (0, "")
    assert seconds < SLOWEST_HELP_SECONDS
    flags = flags_of(settings_of(script))
    entries = help_entries(done.stdout)
    assert sorted(entries) == sorted([*flags, "config", "quiet"])
    assert [name for name, entry in entries.items() if re.search(PYTHONS_WORDS, entry[0])] == []
    assert [
        name for name in flags if not re.search(r"\((default: .+|required)\)$", entries[name][1])
    ] == []


def help_entries(printed: str) -> dict[str, tuple[str, str]]:
    """The type and the text of each flag that `--help` prints."""
    found = re.findall(r"^  --(\w+) (.+)\n((?:      .*\n?)+)", printed, flags=re.M)
    return {name: (kind, " ".join(text.split())) for name, kind, text in found}


@pytest.mark.parametrize("script", ["finetune.py", "finetune_all.py"])
def test_help_of_the_training_scripts_begins_with_the_twelve_everyday_flags(script, settings_of):
    done = subprocess.run(
        [sys.executable, script, "--help"], cwd=REPOSITORY, capture_output=True, text=True
    )
    entries = help_entries(done.stdout)
    assert len(set(entries) - {"config", "quiet"}) == 12
    rest = len(flags_of(settings_of(script))) - 12
    assert f"{rest} more settings: python {script} --help=all" in done.stdout


@pytest.mark.parametrize("script", ["evaluation.py", "custom.py table", "check_data.py"])
def test_help_of_the_larger_scripts_has_sections(script):
    done = subprocess.run(
        [sys.executable, *script.split(), "--help"], cwd=REPOSITORY, capture_output=True, text=True
    )
    # Beside the one of the flags that every script has.
    assert len(re.findall(r"^[A-Z].*:\n  --", done.stdout, flags=re.M)) >= 3


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_unknown_flag_ends_with_2_and_one_clear_message(script):
    done = subprocess.run(
        [sys.executable, *script.split(), "--no_such_flag_anywhere=1"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == "error: unknown flag --no_such_flag_anywhere"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_mistyped_flag_is_answered_with_the_nearest(settings_of, script):
    for name in flags_of(settings_of(script)):
        mistyped = name[:-2] + name[-1] + name[-2] + "x"
        with pytest.raises(UserError) as caught:
            parse_settings(settings_of(script), [f"--{mistyped}=1"], prog=script, description="")
        assert caught.value.hint.startswith("Did you mean --")
