"""Audio of pages and playlists on the web, through yt-dlp: each item once, dead ones named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from utils.cli.errors import UserError
from utils.manifest.memory import Memory
from utils.manifest.sources.gathered import LeftOut

_COLOURS = re.compile(r"\x1b\[[\d;]*m")


def is_url(text: str) -> bool:
    """Whether a text is the address of something on the web."""
    return text.startswith(("http://", "https://"))


def fetch(
    url: str, folder: Path, memory: Memory, say: Callable[[str], None]
) -> tuple[list[Path], list[LeftOut]]:
    """Download the audio of a page, a playlist or a feed.

    What an earlier run downloaded is not asked for again.

    Args:
        url: of one item or of many.
        folder: where the audio goes.
        memory: what was downloaded before.
        say: told each item that arrives.

    Returns:
        The files of all items that could be had, and those that could not, with the reason.

    Raises:
        UserError: yt-dlp is not installed.
    """
    try:
        import yt_dlp
    except ImportError:
        raise UserError(
            f"{url} needs yt-dlp to be downloaded", "pip install yt-dlp, or give a file"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    problems = _Problems()
    common = {"ignoreerrors": True, "quiet": True, "cachedir": False, "logger": problems}
    addresses = [url]
    if ["downloaded", url] not in memory:
        with yt_dlp.YoutubeDL({**common, "extract_flat": "in_playlist"}) as lister:
            listed = lister.extract_info(url, download=False) or {}
        entries = listed.get("entries")
        if entries is not None:
            addresses = list(
                dict.fromkeys(each["url"] for each in entries if each and each.get("url"))
            )
    left_out = [LeftOut(url, f"cannot be downloaded: {each}") for each in problems.errors]
    found: list[Path] = []
    for address in addresses if not left_out else ():
        key, problems.errors = ["downloaded", address], []
        if key not in memory or not all(Path(name).exists() for name in memory[key]):
            names = _download(address, folder, common)
            if not names:
                reason = "; ".join(problems.errors) or "nothing to download was found there"
                left_out.append(LeftOut(address, f"cannot be downloaded: {reason}"))
                continue
            memory.add(key, names)
            say(f"downloaded {address} to {', '.join(names)}")
        found += map(Path, memory[key])
    return found, left_out


def _download(address: str, folder: Path, common: dict[str, Any]) -> list[str]:
    """Download one item and return its files; none where it could not be had."""
    import yt_dlp

    names: list[str] = []

    def follow(event: dict[str, Any]) -> None:
        if event["status"] == "finished":
            names.append(event["filename"])

    name = f"%(extractor)s-%(id).60B-{_short_hash(address)}.%(ext)s"
    options = {
        **common,
        "format": "bestaudio/best",
        # Pages name their items as they like: two may have one id.
        "outtmpl": {"default": str(folder / name)},
        "restrictfilenames": True,
        "noprogress": True,
        "progress_hooks": [follow],
    }
    with yt_dlp.YoutubeDL(options) as downloader:
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
