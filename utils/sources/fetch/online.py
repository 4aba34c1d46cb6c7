"""Audio of pages and playlists on the web, through yt-dlp: each item once, dead ones named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.parallel.journal import Journal
from utils.sources.source_data import LeftOut

_COLOURS = re.compile(r"\x1b\[[\d;]*m")


def is_url(text: str) -> bool:
    """Whether a text is the address of something on the web."""
    return text.startswith(("http://", "https://"))


def items_of(url: str, journal: Journal) -> tuple[list[str], list[LeftOut]]:
    """Return the addresses of what a page, a playlist or a feed holds.

    Args:
        url: of one item or of many.
        journal: what was downloaded before, which is one item.

    Returns:
        The addresses; or the reason why there are none.

    Raises:
        UserError: yt-dlp is not installed.
    """
    if ["downloaded", url] in journal:
        return [url], []
    problems = _Problems()
    with _yt_dlp(url, problems, extract_flat="in_playlist") as lister:
        listed = lister.extract_info(url, download=False) or {}
    if problems.errors:
        return [], [LeftOut(url, f"cannot be downloaded: {each}") for each in problems.errors]
    entries = listed.get("entries")
    if entries is None:
        return [url], []
    return list(dict.fromkeys(each["url"] for each in entries if each and each.get("url"))), []


def fetch(
    address: str, folder: Path, journal: Journal, say: Callable[[str], None]
) -> list[Path] | LeftOut:
    """Download the audio of one item; what an earlier run downloaded is not asked for again.

    Args:
        address: of the item.
        folder: where the audio goes.
        journal: what was downloaded before.
        say: told what arrives.

    Returns:
        Its files, or why it cannot be had.

    Raises:
        UserError: yt-dlp is not installed.
    """
    key = ["downloaded", address]
    if key not in journal or not all(Path(name).exists() for name in journal[key]):
        folder.mkdir(parents=True, exist_ok=True)
        problems = _Problems()
        names = _download(address, folder, problems)
        if not names:
            reason = "; ".join(problems.errors) or "nothing to download was found there"
            return LeftOut(address, f"cannot be downloaded: {reason}")
        journal.add(key, names)
        say(f"downloaded {address} to {', '.join(names)}")
    return [Path(name) for name in journal[key]]


def _yt_dlp(address: str, problems: _Problems, **options: Any) -> Any:
    try:
        import yt_dlp
    except ImportError:
        raise UserError(
            f"{address} needs yt-dlp to be downloaded", "pip install yt-dlp, or give a file"
        ) from None
    common = {"ignoreerrors": True, "quiet": True, "cachedir": False, "logger": problems}
    return yt_dlp.YoutubeDL({**common, **options})


def _download(address: str, folder: Path, problems: _Problems) -> list[str]:
    """Download one item and return its files; none where it could not be had."""
    names: list[str] = []

    def follow(event: dict[str, Any]) -> None:
        if event["status"] == "finished":
            names.append(event["filename"])

    name = f"%(extractor)s-%(id).60B-{_short_hash(address)}.%(ext)s"
    options = {
        "format": "bestaudio/best",
        # Pages name their items as they like: two may have one id.
        "outtmpl": {"default": str(folder / name)},
        "restrictfilenames": True,
        "noprogress": True,
        "progress_hooks": [follow],
    }
    with _yt_dlp(address, problems, **options) as downloader:
        downloader.download([address])
    return names


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class _Problems:
    """Keeps the errors that yt-dlp tells, and nothing else of what it says."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def error(self, message: str) -> None:
        """Keep what could not be downloaded, and why."""
        plain = _COLOURS.sub("", message).removeprefix("ERROR:").strip()
        self.errors.append(plain.splitlines()[0] if plain else "no reason given")

    def warning(self, message: str) -> None:
        """Pass over what yt-dlp only remarks."""

    def debug(self, message: str) -> None:
        """Pass over what yt-dlp does."""
