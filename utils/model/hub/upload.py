"""A model's folder to the Hugging Face Hub.

The hub stores weights by their SHA-256 (LFS) or in pieces by their hash (Xet), and a commit names
them afterwards. An upload that broke off is given again as a whole, and what is stored already is
not sent a second time.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, HfApi, constants
from huggingface_hub.errors import HfHubHTTPError

from utils.cli.console import say, warn
from utils.cli.errors import Failure, UserError
from utils.model.checksums import CHECKSUMS
from utils.model.hub.settings import HubSettings

CARD = "README.md"
LEFT_OUT = frozenset({CARD, "best.json", "settings.yaml"})
"""Stay on this machine: another card, and files that can name its paths."""
TRIES = 3
FIRST_WAIT = 2.0  # seconds; each next one is four times as long
# The HTTP client differs between versions of huggingface_hub; its errors are what this one is.
_HTTP_ERROR: Any = HfHubHTTPError.__mro__[1]
_NETWORK_ERRORS: tuple[type[Exception], ...] = (OSError, _HTTP_ERROR)
# hf_xet tells of a broken connection by a RuntimeError, a refused card is a ValueError.
_UPLOAD_ERRORS: tuple[type[Exception], ...] = (*_NETWORK_ERRORS, RuntimeError, ValueError)


def expect_hub(settings: HubSettings, environment: Mapping[str, str] = os.environ) -> str | None:
    """See, before anything is computed, that the upload at the end can succeed.

    Args:
        settings: checked.
        environment: holds `HF_TOKEN`.

    Returns:
        The repository with its owner, `me/whisper-x`; None where no upload is asked for.

    Raises:
        UserError: if the hub is switched off or cannot be reached, or the token is missing, is
            refused, can only read, or belongs to nobody who owns the repository.
    """
    if not settings.push_to_hub:
        return None
    if constants.HF_HUB_OFFLINE:
        raise UserError(
            "--push_to_hub=True, and HF_HUB_OFFLINE=1 (or TRANSFORMERS_OFFLINE=1) forbids the "
            "network",
            "Unset it, or leave --push_to_hub out.",
        )
    try:
        known = HfApi(token=_token(environment)).whoami()
    except _NETWORK_ERRORS as error:
        status = _status(error)
        if status in (401, 403):
            raise UserError(
                f"the hub refuses the token in HF_TOKEN (HTTP {status})",
                "Make a token that may write in the settings of your account, and export it.",
            ) from error
        raise UserError(
            f"--push_to_hub=True: {constants.ENDPOINT} cannot be reached: {_reason(error)}",
            "On machines without a network leave --push_to_hub out, and upload the folder from "
            "another one.",
        ) from error
    return _writable(str(settings.hub_model_id), known)


def _token(environment: Mapping[str, str]) -> str:
    token = environment.get("HF_TOKEN", "").strip()
    if not token:
        raise UserError(
            "--push_to_hub=True needs a token in the environment variable HF_TOKEN",
            "Make one that may write in the settings of your account: export HF_TOKEN=hf_...",
        )
    return token


def _writable(repository: str, known: Mapping[str, Any]) -> str:
    """The repository with its owner, if the token's owner may write there."""
    name = str(known.get("name", ""))
    role = ((known.get("auth") or {}).get("accessToken") or {}).get("role")
    if role == "read":
        raise UserError(
            f"the token in HF_TOKEN, of {name}, can only read",
            "Make one with the role `write`, or one that may write to this repository.",
        )
    owner, _, model = repository.rpartition("/")
    owners = [name, *(str(each.get("name")) for each in known.get("orgs") or ())]
    if owner and owner not in owners:
        raise UserError(
            f"--hub_model_id={repository}: the token in HF_TOKEN is of {name}, "
            f"who is not in {owner}",
            f"It may write to {', '.join(owners)}: --hub_model_id={owners[0]}/{model}",
        )
    return f"{owner or name}/{model}"


def upload_model(
    folder: Path,
    card: str,
    repository: str,
    settings: HubSettings,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Upload a finished model or adapter in one commit, with its card.

    Args:
        folder: of the model; files of `LEFT_OUT` stay here.
        card: Markdown, uploaded as README.md.
        repository: of `expect_hub`.
        settings: of the upload.
        environment: holds `HF_TOKEN`.

    Returns:
        The address of the repository.

    Raises:
        Failure: if the hub could not be reached, or refused the upload; the folder stays.
    """
    api = HfApi(token=_token(environment))
    for attempt in range(TRIES):
        try:
            api.create_repo(repository, private=settings.hub_private or None, exist_ok=True)
            api.create_commit(repository, _files(folder, card), commit_message="Upload the model")
            return f"{constants.ENDPOINT}/{repository}"
        except _UPLOAD_ERRORS as error:
            if attempt == TRIES - 1 or not _may_pass(error):
                raise Failure(
                    f"{folder} could not be uploaded to {repository}: {_reason(error)}",
                    "Give the same command again (to finetune.py with "
                    "--resume_from_checkpoint=auto): what the hub has already is not sent again.",
                ) from error
            wait = FIRST_WAIT * 4**attempt
            warn(f"uploading to {repository} broke off ({_reason(error)}); again in {wait:g} s")
            time.sleep(wait)
    raise AssertionError("unreachable: the last try returns or raises")


def _files(folder: Path, card: str) -> list[CommitOperationAdd]:
    """What is committed: new objects each time, since the library keeps their state in them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    kept = {name: path for name, path in named.items() if name not in {*LEFT_OUT, CHECKSUMS}}
    operations = [CommitOperationAdd(name, path) for name, path in kept.items()]
    operations.append(CommitOperationAdd(CARD, card.encode()))
    if CHECKSUMS in named:
        listed = json.loads(named[CHECKSUMS].read_text(encoding="utf-8"))
        files = {name: each for name, each in listed["files"].items() if name in kept}
        text = json.dumps({**listed, "files": files}, indent=1)
        operations.append(CommitOperationAdd(CHECKSUMS, text.encode()))
    say(f"uploading    {len(operations)} files of {folder}")
    return operations


def _may_pass(error: Exception) -> bool:
    """Whether an error may go away by itself: no answer, or one that says that it may."""
    if isinstance(error, ValueError):
        return False
    status = _status(error)
    return status is None or status >= 500 or status in (408, 409, 412, 429)


def _status(error: Exception) -> int | None:
    """The status code of the hub's answer; None where there was none."""
    code = getattr(getattr(error, "response", None), "status_code", None)
    return code if type(code) is int else None


def _reason(error: Exception) -> str:
    """One line without the request's identifiers."""
    server = getattr(error, "server_message", None)
    status = _status(error)
    if status is not None and server:
        return f"HTTP {status}, {server}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
