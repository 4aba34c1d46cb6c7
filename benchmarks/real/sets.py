"""The two real data sets: where they are, and what is derived from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest


@dataclass(frozen=True)
class RealSet:
    """A set of recorded speech with train, dev and test parts.

    Attributes:
        folder: its name under the data folder.
        language: code.
        metrics: the first is the set's own, the others stand beside it.
    """

    folder: str
    language: str
    metrics: tuple[str, ...]


SETS = {
    "zh": RealSet("zh_aishell_S0150", "zh", ("cer",)),
    "en": RealSet("en_speechocean762", "en", ("wer", "cer")),
}


def require_data(data_dir: Path, names: Sequence[str]) -> None:
    """Check that the sets are there.

    Raises:
        UserError: one is not.
    """
    missing = [name for name in names if not (data_dir / name).is_dir()]
    if missing:
        raise UserError(
            f"there is no recorded speech in {data_dir}: {', '.join(missing)} not found",
            "this benchmark needs recordings that are not part of the repository; name the folder "
            "that holds them with --data_dir",
        )


def read_utterances(data_dir: Path, name: str) -> list[Utterance]:
    """Return the utterances of `<data_dir>/<name>.jsonl`, audio paths resolved."""
    return list(read_manifest(data_dir / f"{name}.jsonl").utterances)


def plain_text(text: str) -> str:
    """Return text as the base model writes it: lower case, and in English nothing but words."""
    kept = "".join(c if c.isalnum() or c in "' " else " " for c in text.lower())
    return " ".join(kept.split())


def write_plain_manifest(data_dir: Path, name: str, target: Path) -> None:
    """Write a manifest with the text as the base model writes it, the rest unchanged.

    Args:
        data_dir: folder of the sets; nothing in it is changed.
        name: such as `en_speechocean762/train`.
        target: the manifest to write; its audio paths are absolute.
    """
    utterances = [
        replace(
            item,
            sentence=plain_text(item.sentence),
            audio=replace(item.audio, path=str(Path(item.audio.path).resolve())),
        )
        for item in read_utterances(data_dir, name)
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(target, utterances)
