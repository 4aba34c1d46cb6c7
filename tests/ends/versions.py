r"""Which versions `make test-oldest` and `make test-newest` install.

    python tests/ends/versions.py oldest torch==2.13.0     # constraints of the lowest versions
    python tests/ends/versions.py newest torch==2.13.0     # constraints of the highest ones
    .venv-oldest/bin/python tests/ends/versions.py found   # what an environment has

The oldest of a library is the lower bound of its range, so every bound must be a version that
exists. What only the tests need stays as in constraints.txt: it is the product whose ranges are
tried. The newest is what pip takes by itself. torch is the same at both ends and is given: it comes
in builds of several gigabytes, of which a machine has the one for its GPU. Needs nothing installed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "requirements" / "dev.txt"
LINE = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^\]]*\])?\s*(?P<range>[^#;]*)")
LOWEST = re.compile(r"(>=|==)\s*(?P<version>[0-9][^,\s]*)")


def lines_of(path: Path) -> Iterator[re.Match[str]]:
    """The requirements of a file, without those of the files that it names."""
    for line in path.read_text(encoding="utf-8").splitlines():
        found = LINE.match(line.strip())
        if found is not None and not line.startswith(("#", "-")):
            yield found


def plain(name: str) -> str:
    """A package's name as every index spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lowest_versions() -> dict[str, str]:
    """Lower bound of every library that the product uses, by its plain name, extras included.

    Raises:
        SystemExit: a library has no lower bound.
    """
    files = [ROOT / "requirements.txt", *sorted((ROOT / "requirements").glob("*.txt"))]
    lowest = {}
    for path in files:
        for line in lines_of(path) if path != DEV else ():
            bound = LOWEST.search(line["range"])
            if bound is None:
                raise SystemExit(f"{path.name}: {line['name']} has no lower bound")
            lowest[plain(line["name"])] = bound["version"]
    return lowest


def tools() -> list[str]:
    """What only the tests need, as constraints.txt has it."""
    wanted = {plain(line["name"]) for line in lines_of(DEV)} - set(lowest_versions())
    return [
        line.string for line in lines_of(ROOT / "constraints.txt") if plain(line["name"]) in wanted
    ]


def constraints(end: str, torch: str) -> list[str]:
    """Lines of a constraints file.

    Args:
        end: "oldest" or "newest".
        torch: such as "torch==2.13.0".
    """
    if end == "newest":
        return [torch]
    pinned = [f"{name}=={version}" for name, version in sorted(lowest_versions().items())]
    return [torch, *(line for line in pinned if not line.startswith("torch==")), *tools()]


def found_versions() -> list[str]:
    """The product's libraries as the running environment has them."""
    found = []
    for name in sorted(lowest_versions()):
        try:
            found.append(f"{name}=={metadata.version(name)}")
        except metadata.PackageNotFoundError:
            found.append(f"# {name} is not installed")
    return found


if __name__ == "__main__":
    answer = found_versions() if sys.argv[1:] == ["found"] else constraints(*sys.argv[1:])
    sys.stdout.write("\n".join(answer) + "\n")
