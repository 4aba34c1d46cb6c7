"""JSON and YAML files that somebody wrote, read so that every fault ends in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from utils.cli.errors import UserError
from utils.cli.json_fields import shown

if TYPE_CHECKING:
    import yaml

MOST_JSON_BYTES = 256 << 20
MOST_YAML_BYTES = 1_000_000
MOST_DEPTH = 50
"""Of brackets in YAML; its parser takes seconds to give up on many more."""


def read_json_object(path: Path, hint: str = "", *, allow_nan: bool = False) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: the file, in UTF-8.
        hint: what to do if it cannot be read.
        allow_nan: whether NaN and Infinity may stand for numbers, as Python writes them.

    Raises:
        FileNotFoundError: there is none.
        UserError: it cannot be read, is no JSON, is nested too deeply, gives a name twice, or
            holds something else than an object.
    """
    value = read_json(path, hint, allow_nan=allow_nan)
    if not isinstance(value, dict):
        raise UserError(f"{path} holds {shown(value)}; expected a JSON object", hint)
    return value


def read_json(path: Path, hint: str = "", *, allow_nan: bool = False) -> Any:
    """Read a file that holds one JSON value; arguments and errors as of `read_json_object`."""
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise UserError(f"{path} has over {MOST_JSON_BYTES >> 20} MiB; expected less", hint)
        text = path.read_text("utf-8-sig")
        return parse_json(text, allow_nan=allow_nan)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not JSON: {error}", hint) from error


def parse_json(text: str, *, allow_nan: bool = False) -> Any:
    """Parse JSON in which no object gives a name twice.

    Args:
        text: one value.
        allow_nan: as for `read_json_object`.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or gives a name twice.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_doubles,
            parse_constant=None if allow_nan else _refuse_constant,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} is given twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def compose_yaml(path: Path, hint: str) -> yaml.Node | None:
    """Read the one document of a YAML file as nodes, in which no alias is followed.

    Args:
        path: the file, in UTF-8.
        hint: what to do if it is none.

    Returns:
        None for an empty file.

    Raises:
        FileNotFoundError: there is none.
        UserError: it cannot be read, is no YAML, is large, or is nested too deeply.
    """
    import yaml

    try:
        if path.stat().st_size > MOST_YAML_BYTES:
            raise UserError(f"{path}: expected at most {MOST_YAML_BYTES} bytes", hint)
        text = path.read_text(encoding="utf-8")
        if _depth(text) > MOST_DEPTH:
            raise UserError(f"{path}: nested too deeply", hint)
        return yaml.compose(text, yaml.SafeLoader)
    except FileNotFoundError:
        raise
    except RecursionError as error:
        raise UserError(f"{path}: nested too deeply", hint) from error
    except (OSError, ValueError) as error:  # not UTF-8, or a name with a 0 in it
        raise UserError(f"{path} cannot be read: {error}", hint) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        if "escape" in problem:
            hint = "Write paths with backslashes without quotes, or in single quotes."
        raise UserError(f"{path}{place}: not valid YAML: {problem}", hint) from error


def _depth(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}" and depth:
            depth -= 1
    return deepest
