"""The files of the page: what the server and the web app share, and what is the web app's own.

`recogniser.js` is the one difference: the server's sends the sound to the server, the web app's
(`device/recogniser.js`) gives it to a model in the browser.
"""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parent
DEVICE = PAGE / "device"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


def shared_files() -> dict[str, bytes]:
    """The page of the server: name to content."""
    return _files_in(PAGE)


def device_files() -> dict[str, bytes]:
    """What the web app has beside, or in place of, the shared files: name to content."""
    return _files_in(DEVICE)


def _files_in(folder: Path) -> dict[str, bytes]:
    found = sorted(each for each in folder.iterdir() if each.suffix in MEDIA_TYPES)
    return {each.name: each.read_bytes() for each in found}
