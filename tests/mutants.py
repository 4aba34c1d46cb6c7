"""Change the code in small ways, and see whether a test notices: the mutants that survive.

    python tests/mutants.py                        # what `make mutants` calls: 100 of each area
    python tests/mutants.py --areas=gate --sample=0    # all of one area

mutmut makes the changes: a sign, a constant, a name, a condition, an argument less. Each area's
mutants are tried on the fast tests of that area alone, so one that survives here may still be
caught by others. What a test cannot tell from the code, and why, stands in tests/mutants.yaml;
changes in the wording of an error are counted apart. Ends with exit code 1 if more than --limit of
an area's mutants survive without a reason.
"""

from __future__ import annotations

import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml

from utils.cli.console import say
from utils.cli.errors import Failure, UserError, run_script
from utils.cli.flags import parse_settings
from utils.report.tables import markdown_table, percent

REPOSITORY = Path(__file__).resolve().parent.parent
NOT_COPIED = {".git", ".venv", "output", "mutants"}
SPOKEN = ("raise", "warn", "say")
"""Statements that begin so tell a person something."""
STATUS = re.compile(r"^\s+(\S+): (.+)$")


@dataclass(frozen=True)
class MutantSettings:
    """Which code, and how much of it."""

    areas: tuple[str, ...] = ()
    """Areas of tests/mutants.yaml, separated by commas; all if not given."""
    sample: int = 100
    """Mutants of each area, drawn at random; 0: all."""
    seed: int = 0
    """Of what is drawn."""
    limit: float = 0.05
    """Share of an area's mutants that may survive without a reason."""
    output: Path = Path("output/mutants")
    """Folder for the table and the survivors."""


@dataclass(frozen=True)
class Area:
    """Code and the tests that should notice a change of it."""

    name: str
    code: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of an area's mutants: how many ended how, and the changes that survived."""

    area: str
    counts: Counter[str]
    survivors: list[str]
    seconds: float


def main(argv: Sequence[str] | None = None) -> int:
    """Try each area's mutants, write the table, and say whether too many survived."""
    settings = parse_settings(MutantSettings, argv, prog="mutants.py", description=__doc__ or "")
    plan = yaml.safe_load((REPOSITORY / "tests/mutants.yaml").read_text("utf-8"))
    areas = {name: Area(name, *map(tuple, each.values())) for name, each in plan["areas"].items()}
    unknown = [name for name in settings.areas if name not in areas]
    if unknown:
        raise UserError(f"--areas={unknown[0]} is none", f"Areas: {', '.join(areas)}.")
    outcomes = []
    for name in settings.areas or areas:
        outcomes.append(tried(areas[name], plan["explained"] or {}, settings))
        write(outcomes, settings.output)
        say(f"{name}: {dict(outcomes[-1].counts)} in {outcomes[-1].seconds:.0f} s")
    say((settings.output / "table.md").read_text("utf-8"))
    over = [each.area for each in outcomes if share(each) > settings.limit]
    return 1 if over else 0


def tried(area: Area, explained: dict[str, str], settings: MutantSettings) -> Outcome:
    """Try the mutants of an area in a copy of the repository.

    Raises:
        Failure: if the tests fail without any change, or mutmut cannot be run.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "copy")
        shutil.copytree(REPOSITORY, copy, ignore=shutil.ignore_patterns(*NOT_COPIED))
        (copy / "setup.cfg").write_text(configuration(area, copy), "utf-8")
        mutmut(copy, "run", "--max-children", "1", "none.such")  # makes them, and tries none
        names = [name for name, _ in statuses(copy)]
        if settings.sample:
            random.Random(settings.seed).shuffle(names)
            names = names[: settings.sample]
        if not names:
            raise Failure(f"mutmut made no mutants of {area.name}", "Run it with --areas alone.")
        said = mutmut(copy, "run", "--max-children", "1", *names)
        ended = {name: status for name, status in statuses(copy) if name in set(names)}
        if "not checked" in ended.values():
            raise Failure(f"the tests of {area.name} did not run: {said[-2000:]}", "")
        spoken = set(spoken_lines(copy, area.code))
        counts: Counter[str] = Counter()
        survivors = []
        for name, status in ended.items():
            if status in ("survived", "no tests"):
                change = changed_lines(mutmut(copy, "show", name))
                if set(removed(change)) <= spoken:
                    status = "wording"
                elif change in explained:
                    status = "explained"
                else:
                    survivors.append(f"{name}\n{change}")
            counts[status] += 1
    return Outcome(area.name, counts, survivors, time.monotonic() - began)


def configuration(area: Area, copy: Path) -> str:
    """mutmut's settings for an area."""
    also = [each.name for each in copy.iterdir() if each.name not in ("utils", "setup.cfg")]
    lists = {
        "only_mutate": area.code,
        "pytest_add_cli_args": ("-o", "timeout=60", "-p", "no:cacheprovider"),
        "pytest_add_cli_args_test_selection": ("-m", "not slow", *area.tests),
        "also_copy": also,
    }
    lines = [f"{name}=\n" + "".join(f"    {each}\n" for each in lists[name]) for name in lists]
    return "[mutmut]\nsource_paths=utils\nprocess_isolation=forkserver\n" + "".join(lines)


def mutmut(copy: Path, *arguments: str) -> str:
    """Run mutmut in a copy of the repository and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=copy,
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if "No module named mutmut" in done.stderr:
        hint = "pip install -r requirements/mutants.txt -c constraints.txt"
        raise UserError("mutmut is not installed", hint)
    return done.stdout + done.stderr


def statuses(copy: Path) -> Iterator[tuple[str, str]]:
    """Each mutant and what became of it."""
    for line in mutmut(copy, "results", "--all", "true").splitlines():
        if match := STATUS.match(line):
            yield match[1], match[2]


def changed_lines(shown: str) -> str:
    """The lines of a difference that say what was changed."""
    lines = [line for line in shown.splitlines() if line[:1] in ("-", "+")]
    kept = [line for line in lines if not line.startswith(("---", "+++"))]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in kept)


def removed(change: str) -> list[str]:
    """The lines of the code that a change replaced."""
    return [line[2:] for line in change.splitlines() if line.startswith("- ")]


def spoken_lines(copy: Path, code: Sequence[str]) -> Iterator[str]:
    """The lines of statements that tell a person something."""
    for name in code:
        for file in sorted(copy.glob(name)):
            text = file.read_text("utf-8")
            lines = text.splitlines()
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.stmt) and lines[node.lineno - 1].strip().startswith(SPOKEN):
                    for line in lines[node.lineno - 1 : node.end_lineno]:
                        yield line.strip()


def share(outcome: Outcome) -> float:
    """Of an area's mutants, those that survived without a reason."""
    return len(outcome.survivors) / (outcome.counts.total() - outcome.counts["wording"])


def write(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write the table, and the survivors beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[list[str]] = []
    for each in outcomes:
        counts = each.counts
        caught = counts["killed"] + counts["timeout"]
        left = [counts["explained"], len(each.survivors), percent(share(each))]
        numbers = [counts.total(), counts["wording"], caught, *left]
        rows.append([each.area, *map(str, numbers)])
    heads = ["area", "mutants", "in a message", "caught", "explained", "survived", "share"]
    table = markdown_table(heads, rows)
    (folder / "table.md").write_text(table + "\n", "utf-8")
    texts = [f"## {each.area}\n\n" + "\n\n".join(each.survivors) for each in outcomes]
    (folder / "survivors.md").write_text("\n\n".join(texts) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(run_script(main))
