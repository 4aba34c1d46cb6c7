"""Write the table of a demo run into both READMEs.

    make demo && python demo/make/readme_table.py         # what `make readme-table` calls

Reads what the demo wrote to output/demo/, keeps the scores in demo/scores.json, and writes their
table between the marks in README.md and README_zh.md.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A script's own folder is on the path; the repository, which holds `utils` and `demo`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo.outcome import Places, Scores, collect, format_table
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.files import atomic_write
from utils.cli.flags import parse_settings

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- make readme-table -->\n", "<!-- end -->\n"
KEPT = ("rate", "interval", "substitutions", "deletions", "insertions", "reference_tokens")


@dataclass(frozen=True)
class ReadmeTableSettings:
    """Where the run lies and what is written."""

    output_dir: str = "output/demo"
    """Folder that the demo wrote to."""
    scores: Path = Path("demo/scores.json")
    """File that keeps the scores of the run."""
    pages: tuple[Path, ...] = (Path("README.md"), Path("README_zh.md"))
    """Pages with the table."""


def main(argv: Sequence[str] | None = None) -> None:
    """Keep the scores of the run and write the table into the pages."""
    settings = parse_settings(
        ReadmeTableSettings, argv, prog="readme_table.py", description=__doc__ or ""
    )
    os.chdir(REPOSITORY)
    scores = kept(collect(Places("demo/base", settings.output_dir)))
    with atomic_write(settings.scores) as file:
        json.dump(scores, file, indent=2)
        file.write("\n")
    for page in settings.pages:
        text = with_table(page.read_text(encoding="utf-8"), scores)
        with atomic_write(page) as file:
            file.write(text)
    say(f"wrote {settings.scores} and the table in {', '.join(map(str, settings.pages))}")


def kept(scores: Scores) -> Scores:
    """Return what the table shows of each score."""
    return {
        language: {model: {name: score[name] for name in KEPT} for model, score in models.items()}
        for language, models in scores.items()
    }


def with_table(page: str, scores: Scores) -> str:
    """Return a page with the table of these scores between its marks.

    Raises:
        UserError: The page has no marks.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise UserError("no place for the table", f"Put {BEGIN.strip()} and {END.strip()} there.")
    return f"{before}{BEGIN}```text\n{format_table(scores)}\n```\n{END}{after}"


if __name__ == "__main__":
    sys.exit(run_script(main))
