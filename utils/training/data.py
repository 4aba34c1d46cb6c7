"""What a run trains on and what it is scored by: manifests, tables, augmentation."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from utils.audio.clip import Seconds
from utils.cli.console import process_count, process_rank, say, warn
from utils.cli.errors import Failure, UserError
from utils.data.dataset import TrainingTable
from utils.data.labels import LabelEncoder
from utils.data.make_table import open_table, write_rows
from utils.data.sampling import balance, join_clips, replay
from utils.data.table import open_rows
from utils.manifest.read import Dropped, Manifest, read_manifest
from utils.manifest.text_language import with_languages
from utils.model.distributed import gather_all
from utils.model.loaded import LoadedModel
from utils.parallel.shards import Shard
from utils.sources.direct import is_direct, manifest_of
from utils.training.settings.common import TrainSettings

if TYPE_CHECKING:
    from utils.audio.augmentation.pipeline import Augmenter


@dataclass(frozen=True)
class RunData:
    """What a run is trained on and scored by.

    Attributes:
        manifest: all utterances that were given to train on.
        dev_manifest: all that were given to choose the best checkpoint.
        train: what is trained on.
        dev: what is scored.
        augmenter: changes the training's sound, if given.
    """

    manifest: Manifest
    dev_manifest: Manifest
    train: TrainingTable
    dev: TrainingTable
    augmenter: Augmenter | None = None


def read_manifests(settings: TrainSettings) -> tuple[Manifest, Manifest]:
    """The training manifest and the one that chooses the best checkpoint."""
    train = _read(settings.train_data, settings, "train")
    if settings.dev_data is not None:
        return train, _read(settings.dev_data, settings, "validation")
    if not (Path(settings.test_data).is_file() or is_direct(settings.test_data)):
        raise UserError(
            f"there is no dev set: --dev_data is not given and {settings.test_data} does not exist",
            "Give --dev_data=manifest.json, a set apart from training and test data.",
        )
    warn(
        f"{settings.test_data} chooses the best checkpoint, so a score on it will flatter the "
        "model; give a set of its own with --dev_data"
    )
    return train, _read(settings.test_data, settings, "test")


def _read(path: str, settings: TrainSettings, part: str) -> Manifest:
    """Read a manifest and say in which languages it is, and how that is known."""
    manifest = read_manifest(manifest_of(path, part))
    utterances, shares = with_languages(manifest.utterances, settings.language, settings.task)
    if process_rank() == 0:
        say(f"language     {path}: {shares.told()}")
        if shares.clashes:
            warn(
                f"{path}: about {shares.clashes} of {len(manifest)} texts are not written in the "
                f"script of their language; the first, {shares.first}"
            )
    return replace(manifest, utterances=utterances)


def read_augmenter(path: str | None) -> Augmenter | None:
    """The augmentation that was asked for, if any."""
    if path is None:
        return None
    from utils.audio.augmentation.pipeline import Augmenter

    return Augmenter.from_file(path)


def read_data(
    settings: TrainSettings,
    loaded: LoadedModel,
    manifests: tuple[Manifest, Manifest],
    augmenter: Augmenter | None = None,
) -> RunData:
    """What of the manifests will be trained on and scored; everything else is named.

    Args:
        settings: of the run.
        loaded: the model, whose tokenizer counts.
        manifests: of `read_manifests`.
        augmenter: of `read_augmenter`.
    """
    manifest, dev_manifest = manifests
    encoder = loaded.label_encoder(
        language=settings.language, task=settings.task, timestamps=settings.timestamps
    )
    limits = settings.min_audio_len, settings.max_audio_len
    train = shared_table(manifest, encoder, limits)
    dev = shared_table(dev_manifest, encoder, limits)
    for source, table in ((manifest, train), (dev_manifest, dev)):
        warn_of_dropped(source.path, len(source), table.dropped)
    train = arranged(settings, encoder, train)
    if settings.keep_data is not None:
        train = with_replay(settings, encoder, manifest, train)
    return RunData(manifest, dev_manifest, train, dev, augmenter)


def shared_table(
    manifest: Manifest, encoder: LabelEncoder, limits: tuple[Seconds, Seconds]
) -> TrainingTable:
    """What of a manifest can be trained on: made once on each machine, and kept between runs.

    Args:
        manifest: of any size.
        encoder: counts the tokens.
        limits: seconds of the shortest and the longest utterance.

    Raises:
        UserError: as of `training_table`, in every process.
    """
    folders = in_shares(lambda share: write_rows(manifest, encoder, limits, share))
    return open_table(folders, manifest)


def in_shares(write: Callable[[Shard], Path]) -> list[Path]:
    """Let each of a machine's processes write its share of something; return where all of them did.

    Raises:
        UserError: in every process, if one of them raised it.
        Failure: likewise.
    """
    rank, count = 0, 1
    if process_count() > 1 and "LOCAL_WORLD_SIZE" in os.environ:
        rank, count = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    folder: Path | None = None
    told: UserError | Failure | None = None
    try:
        folder = write(Shard(rank + 1, count))
    except (UserError, Failure) as error:
        told = error
    made = gather_all([(folder, told)])
    for _, complaint in made:
        if complaint is not None:
            raise complaint
    # The processes of a machine have neighbouring ranks.
    first = process_rank() - rank
    return [each for each, _ in made[first : first + count] if each]


def warn_of_dropped(path: Path, total: int, dropped: list[Dropped]) -> None:
    """Say which utterances of a manifest are not used, and why."""
    if dropped:
        shown = "\n".join(f"  {d.id}: {d.reason}" for d in dropped[:5])
        more = f"\n  ... and {len(dropped) - 5} more" if len(dropped) > 5 else ""
        warn(f"{path}: {len(dropped)} of {total} utterances are left out:\n{shown}{more}")


def arranged(settings: TrainSettings, encoder: LabelEncoder, table: TrainingTable) -> TrainingTable:
    """The training table with clips joined and groups balanced, where that is asked for."""
    if settings.concat:
        clips = len(table)
        limits = settings.max_audio_len, settings.seed
        folders = in_shares(partial(join_clips, table, encoder, *limits))
        table = replace(table, rows=open_rows(folders))
        say(f"joined       {clips} clips to {len(table)} examples")
    if settings.sampling_temperature > 1:
        by = settings.sampling_by
        table, sizes = balance(
            table, settings.sampling_temperature, by, settings.language, settings.seed
        )
        shown = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in sizes.items())
        say(f"sampling     examples a pass by {by}: {shown}")
    return table


def with_replay(
    settings: TrainSettings, encoder: LabelEncoder, manifest: Manifest, table: TrainingTable
) -> TrainingTable:
    """The training table with a share of other utterances, against forgetting.

    Raises:
        UserError: if the replayed manifest holds nothing but what is trained on anyway.
    """
    replayed = _read(str(settings.keep_data), settings, "train")
    # The set of what is replayed is the smaller one.
    others_than_trained = {utterance.audio for utterance in replayed}
    others_than_trained.difference_update(utterance.audio for utterance in manifest)
    if not others_than_trained:
        raise UserError(
            f"--keep_data={settings.keep_data} holds nothing but utterances of {manifest.path}",
            "It is for what must not be forgotten: other languages, other domains, no speech.",
        )
    limits = settings.min_audio_len, settings.max_audio_len
    others = shared_table(replayed, encoder, limits)
    warn_of_dropped(replayed.path, len(replayed), others.dropped)
    joined = replay(table, others, settings.keep_share, settings.seed)
    say(
        f"replay       {settings.keep_data}: {len(joined) - len(table)} examples a pass, "
        f"{settings.keep_share:.0%} of all"
    )
    return joined
