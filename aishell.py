"""Turn AISHELL-1 into manifests: 178 hours of read Mandarin, split into train, dev and test.

Download it (15.6 GB) and prepare it: python aishell.py
The archive is here already:          python aishell.py --filepath=/data/data_aishell.tgz
It is unpacked already:               python aishell.py --filepath=/data/data_aishell/

Writes dataset/train.json, dataset/dev.json and dataset/test.json, and lists what was left out. The
files of --filepath are only read. An interrupted run continues when it is started again. Next:
check_data.py, then finetune.py.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from utils.cli.errors import UserError, exit_script, run_script
from utils.cli.flags import parse_settings

if TYPE_CHECKING:
    from utils.sources.text.punctuated import Punctuate

MOST_WORKERS = 8


@dataclass(frozen=True)
class Settings:
    """Where AISHELL-1 is, and where its audio and manifests go."""

    filepath: str | None = None
    """The archive data_aishell.tgz, or the folder unpacked from it. None downloads the archive."""
    target_dir: str = "dataset/audio/"
    """Folder for downloaded and unpacked audio."""
    annotation_text: str = "dataset/"
    """Folder for train.json, dev.json and test.json."""
    add_pun: bool | str = False
    """Folder of a local punctuation model (token classification, see docs/data.md), which adds
    punctuation to the transcripts. False leaves them as they were published."""
    num_workers: int | None = None
    """Speakers unpacked in parallel. None takes one for each core, at most 8."""
    shard: str | None = None
    """Prepare only this part of the speakers, such as 2/8. The archive must have been downloaded
    before. `custom.py manifest` joins the parts."""
    overwrite: bool = False
    """Replace existing manifests even if lines of them would be lost."""


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, download and unpack what is missing, write the manifests."""
    settings = parse_settings(Settings, argv, prog="aishell.py", description=__doc__ or "")
    # Loaded first: a model that does not load is told before gigabytes are fetched.
    punctuation = _load_punctuation(settings.add_pun)
    from utils.parallel.shards import parse_shard
    from utils.sources.aishell import prepare_aishell
    from utils.sources.fetch.aishell_archive import download_aishell
    from utils.sources.prepare import tell

    shard = parse_shard(settings.shard)
    target_dir = Path(settings.target_dir)
    source = Path(settings.filepath) if settings.filepath else download_aishell(target_dir)
    num_workers = settings.num_workers
    if num_workers is None:
        num_workers = min(MOST_WORKERS, os.cpu_count() or 1)
    prepared = prepare_aishell(
        source,
        target_dir,
        Path(settings.annotation_text),
        punctuation=punctuation,
        num_workers=max(1, num_workers),
        shard=shard,
        overwrite=settings.overwrite,
    )
    tell(prepared)


def _load_punctuation(model: bool | str) -> tuple[str, Punctuate] | None:
    """Load the model that --add_pun names, with the hash of its weights as its name."""
    if model is False:
        return None
    if model is True:
        raise UserError(
            "--add_pun=True names no model",
            "give the folder of a local punctuation model: --add_pun=models/punctuation/",
        )
    from utils.model.load import weights_sha256
    from utils.transcription.punctuation import Punctuator

    punctuator = Punctuator(model)
    return str(weights_sha256(model))[:12], punctuator


if __name__ == "__main__":
    exit_script(run_script(main))
