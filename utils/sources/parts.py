"""Parts that a corpus comes in: train, dev and test, as its folders and files call them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from utils.manifest.split import PARTS
from utils.manifest.utterance import Utterance
from utils.sources.source_data import SourceData

_NAMES = {
    "train": ("train", "training", "tr"),
    "dev": ("dev", "devel", "development", "valid", "validation", "val", "cv"),
    "test": ("test", "testing", "tst", "tt", "eval", "evaluation"),
}
_PART_OF = {name: part for part, names in _NAMES.items() for name in names}


def part_named(name: str) -> str | None:
    """Return the part that a folder's or file's name means, None where it means none.

    >>> [part_named(name) for name in ("Validation", "train-clean-100", "clips")]
    ['dev', 'train', None]
    """
    words = name.casefold().replace("_", "-").split("-")
    return _PART_OF.get(words[0])


def parts_of_paths(names: Mapping[str, str]) -> dict[str, str]:
    """Return the part of each utterance whose path begins with the folder of one.

    Args:
        names: the path of each utterance, relative to the corpus, by its id.

    Returns:
        By id; empty unless all belong to a part, and there are several parts.
    """
    found = {}
    for utterance, name in names.items():
        parts = PurePosixPath(name).parts[:-1]
        part = next(filter(None, map(part_named, parts[:2])), None)
        if part is None:
            return {}
        found[utterance] = part
    return found if len(set(found.values())) > 1 else {}


def in_order(parts: Iterable[str]) -> list[str]:
    """Return parts in the order train, dev, test."""
    given = set(parts)
    return [part for part in PARTS if part in given]


def joined_parts(parts: Iterable[tuple[str, SourceData]]) -> SourceData:
    """Put the parts of a corpus together; each utterance remembers whose it is.

    An id that several parts have gets the part's name before it.

    Args:
        parts: names of folders or files, and what they hold.
    """
    named = list(parts)
    times = Counter(each.id for _, data in named for each in data.utterances)
    utterances: list[Utterance] = []
    part_of: dict[str, str] = {}
    for name, data in named:
        for each in data.utterances:
            utterance = replace(each, id=f"{name}/{each.id}") if times[each.id] > 1 else each
            utterances.append(utterance)
            part = part_named(name)
            if part is not None:
                part_of[utterance.id] = part
    left_out = [replace(each, id=f"{n}: {each.id}") for n, d in named for each in d.left_out]
    notes = [f"{name}: {note}" for name, data in named for note in data.notes]
    whole = part_of if len(part_of) == len(utterances) else {}
    is_part = any(data.is_part for _, data in named)
    return SourceData(utterances, left_out, is_part, whole, notes)
