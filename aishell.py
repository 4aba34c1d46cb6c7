"""Turn AISHELL-1 into manifests: 178 hours of read Mandarin, split into train, dev and test.

Download it (15.6 GB) and prepare it: python aishell.py
The archive is here already:          python aishell.py --filepath=/data/data_aishell.tgz
It is unpacked already:               python aishell.py --filepath=/data/data_aishell/

Writes dataset/train.json, dataset/dev.json and dataset/test.json, and names what is in none of
them. What --filepath names is only read. A run that was cut off goes on where it was. Go on with
check_data.py, then finetune.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.cli.errors import UserError, run_script
from utils.cli.settings import parse_settings


@dataclass(frozen=True)
class Settings:
    """Where AISHELL-1 is and where its audio and manifests go."""

    filepath: str | None = None
    """data_aishell.tgz, or the folder unpacked from it; None downloads it."""
    target_dir: str = "dataset/audio/"
    """Folder for what is downloaded and unpacked."""
    annotation_text: str = "dataset/"
    """Folder for train.json, dev.json and test.json."""
    add_pun: bool = False
    """Add punctuation to the transcripts; not available yet."""


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, download and unpack what is missing, write the manifests."""
    settings = parse_settings(Settings, argv, prog="aishell.py", description=__doc__ or "")
    if settings.add_pun:
        raise UserError(
            "--add_pun=True cannot be done: it takes a local punctuation model, "
            "which this version cannot load yet",
            "leave it out; the transcripts then have no punctuation, as they were published",
        )
    from utils.manifest.sources.aishell import download_aishell, prepare_aishell
    from utils.manifest.sources.prepare import tell

    target_dir = Path(settings.target_dir)
    source = Path(settings.filepath) if settings.filepath else download_aishell(target_dir)
    tell(prepare_aishell(source, target_dir, Path(settings.annotation_text)))


if __name__ == "__main__":
    sys.exit(run_script(main))
