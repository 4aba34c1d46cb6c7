r"""The pictures of pages in docs/images/.

    python tests/pictures.py --page=output/demo/evaluation/report.html \
        --picture=docs/images/report-demo.png
    python tests/pictures.py --page=output/evaluation/summary.md

Takes a picture of the beginning of a page in headless Chromium. Of a step summary (Markdown) it
first makes HTML as GitHub does (tables, folded parts, nothing that runs). Needs `chromium`,
`chromedriver` and the packages of requirements/dev.txt.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

# A script's own folder is on the path; the repository, which holds `utils`, is not.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.browser import open_browser
from utils.cli.console import say
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings

# The look of Markdown on the runner's pages: its colours, sizes and borders.
STYLE = """
:root { color-scheme: light dark; --ink: #1f2328; --page: #fff; --line: #d1d9e0; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f0f6fc; --page: #0d1117; --line: #3d444d; --soft: #151b23; }
}
body { color: var(--ink); background: var(--page); margin: 0 auto; padding: 24px 32px;
  max-width: 1012px; box-sizing: border-box; overflow-wrap: break-word;
  font: 16px/1.5 -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; }
h2, h3 { margin: 24px 0 16px; line-height: 1.25; }
h2 { font-size: 1.5em; padding-bottom: .3em; border-bottom: 1px solid var(--line); margin-top: 0; }
h3 { font-size: 1.25em; }
table { border-collapse: collapse; display: block; overflow: auto; margin-bottom: 16px; }
th, td { padding: 6px 13px; border: 1px solid var(--line); }
tr:nth-child(2n) { background: var(--soft); }
code { font: 85%/1.45 ui-monospace, Consolas, "Noto Sans Mono CJK SC", monospace; }
p code { background: var(--soft); padding: .2em .4em; border-radius: 6px; }
pre { background: var(--soft); padding: 16px; border-radius: 6px; overflow: auto; }
pre code { font-size: 13.6px; }
::-webkit-scrollbar { display: none; }
img { height: 1em; vertical-align: -.1em; }
blockquote { margin: 0; padding: 0 1em; border-left: .25em solid var(--line); }
"""

# The runner's pages draw these signs as small pictures, whatever fonts there are.
SIGNS = {
    "✅": '<rect width="20" height="20" rx="3" fill="#1a7f37"/>'
    '<path d="M4 10l4 4 8-8" stroke="#fff" stroke-width="3" fill="none"/>',
    "❌": '<path d="M3 3l14 14M17 3L3 17" stroke="#cf222e" stroke-width="4"/>',
    "⚠️": '<path d="M10 1l9 17H1z" fill="#d4a72c"/><path d="M10 7v5m0 2v2" stroke="#000" '
    'stroke-width="2"/>',
    "🔴": '<circle cx="10" cy="10" r="9" fill="#cf222e"/>',
    "🟢": '<circle cx="10" cy="10" r="9" fill="#1a7f37"/>',
}


@dataclass(frozen=True)
class PictureSettings:
    """What is shown, and how large."""

    page: str = "output/evaluation/summary.md"
    """HTML or Markdown file to show."""
    picture: str = "docs/images/report-summary.png"
    """PNG file to write."""
    width: int = 1000
    """Of the picture, in pixels."""
    height: int = 900
    """Of the picture, in pixels."""
    dark: bool = False
    """Show it as to a reader who prefers dark pages."""


def main(argv: Sequence[str] | None = None) -> None:
    """Make the page, and take its picture."""
    settings = parse_settings(PictureSettings, argv, prog="pictures.py", description=__doc__ or "")
    source = Path(settings.page)
    if not source.is_file():
        raise UserError(f"{source}: no such file", "evaluation.py and report.py write pages.")
    with tempfile.TemporaryDirectory() as folder:
        page = source.resolve()
        if source.suffix == ".md":
            page = Path(folder, "summary.html")
            page.write_text(as_page(source.read_text(encoding="utf-8")), encoding="utf-8")
        with open_browser(settings.width, settings.height, dark=settings.dark) as browser:
            browser.get(page.as_uri())
            browser.picture(Path(settings.picture))
    say(f"wrote {settings.picture}")


def as_page(markdown: str) -> str:
    """Return a Markdown text as an HTML page.

    Args:
        markdown: With tables, and HTML only for the parts that fold.
    """
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    for sign, drawing in SIGNS.items():
        picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 20">{drawing}</svg>'
        body = body.replace(sign, f'<img alt="" src="data:image/svg+xml,{quote(picture)}">')
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><body>{body}'


if __name__ == "__main__":
    sys.exit(run_script(main))
