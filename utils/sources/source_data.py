"""What every source of speech data gives, and the settings that all of them share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from utils.manifest.languages import language_code
from utils.manifest.utterance import Utterance


@dataclass(frozen=True, order=True)
class LeftOut:
    """Something that is in no manifest, and why."""

    id: str
    reason: str


@dataclass(frozen=True)
class SourceData:
    """What a source holds.

    Audio paths are absolute or relative to the current folder. Nothing was listened to yet:
    durations may be missing, and pieces may lie outside of their files. `is_part` where only what
    belongs to `--shard` was read. `part_of` has the part (train, dev, test) of every utterance by
    its id where the corpus comes in parts, and is empty where it does not. `notes` are sentences
    for the user: what was decided for him, or changed in texts.
    """

    utterances: Sequence[Utterance]
    left_out: Sequence[LeftOut] = field(default=())
    is_part: bool = False
    part_of: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True, kw_only=True)
class SourceSettings:
    """Settings of every source."""

    output_dir: str = "dataset/"
    """Folder for the manifests: train.json; also dev.json and test.json with --split, or if the
    data comes in parts."""
    name: str = "train"
    """Name of the manifest if the data is one part: dev writes dev.json."""
    parts: Literal["keep", "join"] = "keep"
    """keep: data that comes as train, dev and test stays so. join: all of it goes into one part."""
    split: str | None = None
    """Shares of train, dev and test, such as 0.9/0.05/0.05; None puts everything into train."""
    split_by: Literal["speaker", "recording", "utterance"] = "speaker"
    """What --split keeps in one part. If no speaker is known, a recording counts as one."""
    seed: int = 0
    """Seed of --split; another number gives another split."""
    language: str | None = None
    """Language of utterances for which the source states none, such as Chinese or zh."""
    source: str | None = None
    """Name of the data, written into each line; None takes the command's name."""
    format: Literal["manifest", "nemo", "lhotse", "stm", "ctm"] = "manifest"
    """Format to write: the manifest of this repository, NeMo's, Lhotse's cuts, or sclite's STM or
    CTM. CTM spreads the words evenly over each sentence."""
    shard: str | None = None
    """Prepare only this part of the files, such as 2/8; `custom.py manifest` joins the parts, and
    splits them."""
    overwrite: bool = False
    """Replace existing manifests even if lines of them would be lost."""

    @property
    def language_code(self) -> str | None:
        """Code of --language.

        Raises:
            UserError: Whisper does not know it.
        """
        return language_code(self.language) if self.language else None
