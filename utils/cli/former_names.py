"""Commands of the published recipe that have another name here, typed as they were.

Each is told with its new name and flags, and run.
"""

from __future__ import annotations

import runpy
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.cli.console import say


@dataclass(frozen=True)
class Successor:
    """What took the place of a script.

    Attributes:
        script: its name.
        added: flags that it needs.
        renamed: new names of flags.
        gone: flags without a successor: what they asked for is done by itself, or is no more.
    """

    script: str
    added: tuple[str, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


_PIPELINE = (
    *("use_compile", "assistant_model_path", "use_flash_attention_2", "use_bettertransformer"),
)
SUCCESSORS = {
    "infer_tfs.py": Successor("infer.py", renamed={"num_beams": "beam_size"}, gone=_PIPELINE),
    "infer_ct2.py": Successor("infer.py"),
    "convert-ggml.py": Successor(
        "convert.py", ("--format=ggml",), {"model_dir": "model_path"}, ("output_path", "use_f16")
    ),
}


def new_command(former: str, flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command of today.

    Args:
        former: a key of `SUCCESSORS`.
        flags: as they were typed, `--name=value` or `--name value`.

    Returns:
        The new script with its flags, and the flags that are left out.
    """
    known = SUCCESSORS[former]
    kept: list[str] = []
    left_out: list[str] = []
    is_kept = True
    for each in flags:
        name, sign, value = each.removeprefix("--").partition("=")
        if each.startswith("--"):
            is_kept = name not in known.gone
            each = f"--{known.renamed.get(name, name)}{sign}{value}"
        (kept if is_kept else left_out).append(each)
    return [known.script, *known.added, *kept], left_out


def answer(former: str, flags: Sequence[str]) -> None:
    """Say the new command and run it, which ends this process as the new script does.

    Args:
        former: a key of `SUCCESSORS`.
        flags: as they were typed.
    """
    command, left_out = new_command(former, flags)
    say(f"{former} is {command[0]} now; the same command is\n    python {shlex.join(command)}")
    if left_out:
        say(f"without {shlex.join(left_out)}, which it has no use for")
    script = Path(__file__).resolve().parents[2] / command[0]
    sys.argv = [str(script), *command[1:]]
    runpy.run_path(str(script), run_name="__main__")
