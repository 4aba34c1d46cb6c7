r"""Make reports from results.json: a page to look at, and what continuous integration shows.

After evaluation.py: python report.py --results=output/evaluation/results.json
Several together:    python report.py --results=output/a/results.json,output/b/results.json \
                         --output_dir=output/both/
One against another: python report.py --results=output/a/results.json,output/b/results.json \
                         --baseline=base
What has changed:    python report.py --results=output/new/results.json \
                         --before=output/old/results.json

Over time:           python report.py --results=output/new/results.json --history=output/earlier/

Writes report.html (one file, no network), report.md, summary.md, comment.md, junit.xml and
model-card.md. Needs the predictions that the results name, no model and no GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

from utils.cli.console import say_result
from utils.cli.errors import exit_script, run_script
from utils.cli.flags import parse_settings
from utils.report.settings import ReportSettings


def main(argv: Sequence[str] | None = None) -> None:
    """Read the results and what they name, and write every form that is wanted."""
    settings = parse_settings(ReportSettings, argv, prog="report.py", description=__doc__ or "")
    from utils.report.forms import make_forms

    written = make_forms(
        settings.files,
        settings.folder,
        settings.forms,
        baselines=settings.baselines,
        before=settings.before,
        history=settings.history,
        title=settings.title,
        embed_mb=settings.embed_mb,
        loudness=settings.loudness,
    )
    say_result("wrote " + ", ".join(map(str, written)))


if __name__ == "__main__":
    exit_script(run_script(main))
