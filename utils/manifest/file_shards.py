"""A share of a manifest for one of several machines, so that no file is read by two of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from utils.manifest.utterance import Utterance
from utils.parallel.shards import Shard


def files_of(utterances: Iterable[Utterance], shard: Shard) -> set[tuple[str, int | None]]:
    """Return the files of a part, by path and place in a tar."""
    return set(shard.of(list(dict.fromkeys(map(_file, utterances)))))


def share_of_files(utterances: Sequence[Utterance], shard: Shard) -> list[Utterance]:
    """Return a part of some lines in which no file of another part is."""
    mine = files_of(utterances, shard)
    return [each for each in utterances if _file(each) in mine]


def _file(utterance: Utterance) -> tuple[str, int | None]:
    return utterance.audio.path, utterance.audio.offset
