"""The YAML file of a gate: test sets and their conditions, each once.

Only its nodes are read, never the objects that YAML would make of them: nothing is expanded, so
that no few lines of aliases become gigabytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.data_files import compose_yaml
from utils.cli.errors import UserError

if TYPE_CHECKING:
    import yaml

_EXAMPLE = "It looks like\n  all: failed<=0\n  test: [cer<=5%, cer.delta<=0.2%]"


def read_entries(path: Path) -> list[tuple[str, list[str]]]:
    """Read the scopes of a file of gates, each with the texts of its conditions.

    Raises:
        UserError: The file cannot be read, is no such YAML, or names a scope twice.
    """
    entries: dict[str, list[str]] = {}
    for key, value in _entries(path):
        place = f"{path}, line {key.start_mark.line + 1}"
        name = _text(key)
        if name is None:
            raise UserError(f"{place}: expected the name of a test set", _EXAMPLE)
        if name in entries:
            raise UserError(
                f"{place}: {name} stands there twice", "Put its conditions into one list."
            )
        texts = _texts(value)
        if texts is None:
            raise UserError(
                f"{path}: {name}: expected conditions such as cer<=5%, got {_shown(value)}",
                "Write them as text.",
            )
        entries[name] = texts
    return list(entries.items())


def _entries(path: Path) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the keys and values of the file's mapping."""
    import yaml

    try:
        root = compose_yaml(path, _EXAMPLE)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file of gates", "Check --gate.") from error
    if not isinstance(root, yaml.MappingNode) or not root.value:
        raise UserError(f"{path}: expected test sets with conditions, got {_shown(root)}", _EXAMPLE)
    return list(root.value)


def _text(node: yaml.Node) -> str | None:
    """Return the text of a plain value."""
    import yaml

    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _texts(node: yaml.Node) -> list[str] | None:
    """Return a text or a list of texts; None where it is neither."""
    import yaml

    nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
    are_texts = all(
        isinstance(each, yaml.ScalarNode) and each.tag == "tag:yaml.org,2002:str" for each in nodes
    )
    return [str(each.value) for each in nodes] if are_texts else None


def _shown(node: yaml.Node | None) -> str:
    if node is None:
        return "None"
    import yaml

    kind = "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    return _text(node) or kind
