"""Big files from the network: resumed where they were cut off, checked before they are used."""

from __future__ import annotations

import errno
import hashlib
import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from utils.cli.errors import Failure
from utils.cli.progress import progress

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30.0
# Fifteen gigabytes over a mirror far away are cut off now and then; each attempt goes on.
ATTEMPTS = 8


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be downloaded.

    `what` names it in messages; `md5` are the 32 hexadecimal digits that its maker states.
    """

    url: str
    md5: str
    what: str


def download(remote: RemoteFile, path: Path, *, pause_seconds: float = 2.0) -> Path:
    """Download a file, or go on with a download that was cut off.

    What arrives is kept in `<path>.part` until it is whole and its MD5 is right. A file that
    already lies at `path` is left as it is and not downloaded again.

    Args:
        remote: what to download.
        path: where it goes; its folder is made.
        pause_seconds: how long to wait before another attempt.

    Returns:
        `path`.

    Raises:
        Failure: no network, no such file, a full disk, or the MD5 is wrong; the message says what
            to fetch by hand and where to put it.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for attempt in range(1, ATTEMPTS + 1):
        before = _size(part)
        try:
            if _fetch_rest(remote, part):
                break
            problem = "the connection was cut off"
        except urllib.error.HTTPError as error:
            problem = f"the server answered {error.code} {error.reason}"
            if error.code < 500:  # asking again changes nothing
                raise _by_hand(remote, path, problem) from None
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:  # run_script has the words
                raise
            problem = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt == ATTEMPTS or (_size(part) == before and attempt >= 2):
            raise _by_hand(remote, path, problem)
        time.sleep(pause_seconds)
    _expect_md5(remote, part, path)
    part.replace(path)
    return path


def md5_file(path: Path) -> str:
    """Return the MD5 of a file as 32 hexadecimal digits; shows its progress."""
    digest = hashlib.md5(usedforsecurity=False)
    megabytes = -(-path.stat().st_size // CHUNK_BYTES)
    with open(path, "rb") as file:
        for chunk in progress(_chunks(file), total=megabytes, desc="checking", unit="MB"):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch_rest(remote: RemoteFile, part: Path) -> bool:
    """Append what is missing to `part`; return whether it is whole now."""
    have = _size(part)
    request = urllib.request.Request(remote.url)
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing lies behind what we have: it is whole
            return True
        raise
    with response:
        resumed = response.status == 206
        missing = int(response.headers.get("Content-Length") or 0)
        _expect_space(part, missing)
        with open(part, "ab" if resumed else "wb") as file:
            for chunk in progress(
                _chunks(response),
                total=-(-missing // CHUNK_BYTES) or None,
                desc=f"downloading {remote.what}",
                unit="MB",
            ):
                file.write(chunk)
    return _size(part) >= missing + (have if resumed else 0)


def _chunks(file: BinaryIO | http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _expect_space(part: Path, missing: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < missing:
        raise Failure(
            f"the disk of {part.parent} is too full: {missing / 1e9:.1f} GB are still to be "
            f"downloaded, {free / 1e9:.1f} GB are free",
            "free some space, or choose another folder with --target_dir",
        )


def _expect_md5(remote: RemoteFile, part: Path, path: Path) -> None:
    found = md5_file(part)
    if found == remote.md5:
        return
    # Kept under another name: it is ours, but a person may want to look at it.
    bad = path.with_name(path.name + ".bad")
    part.replace(bad)
    raise Failure(
        f"{remote.url} arrived damaged: its MD5 is {found}, expected {remote.md5}",
        f"it lies in {bad}; run the command again to download it anew",
    )


def _by_hand(remote: RemoteFile, path: Path, problem: str) -> Failure:
    part = path.with_name(path.name + ".part")
    kept = f"\n{_size(part) / 1e6:.0f} MB are kept in {part}; the next run goes on from there"
    return Failure(
        f"{remote.what} cannot be downloaded: {problem}",
        f"fetch {remote.url} on a machine with a network and put it at {path},\n"
        f"or give the archive that you have with --filepath" + (kept if _size(part) else ""),
    )
