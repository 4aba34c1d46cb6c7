r"""Turn long recordings without text into training data: cut, label, measure, filter.

A folder of recordings: python pseudo_label.py --audio=recordings/ --language=Chinese
A playlist, in windows: python pseudo_label.py --audio=https://... --window=10 --overlap=2
Only what two agree on: python pseudo_label.py --audio=talk.mp3 --second_num_beams=5 \
                            --max_disagreement=0.1 --min_confidence=0.6

Writes train.json, the audio and pseudo_label.log into --output_dir, and lists what was left out. An
interrupted run continues when it is started again. Other thresholds need no new labelling. The
labels come from a model: read some of them before you train.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from utils.cli.config import save_settings
from utils.cli.errors import exit_script, run_script
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused
from utils.transcription.pseudo.settings import PseudoLabelSettings


def main(argv: Sequence[str] | None = None) -> None:
    """Parse the flags, collect, cut, label, filter, write."""
    settings = parse_settings(
        PseudoLabelSettings, argv, prog="pseudo_label.py", description=__doc__ or ""
    )
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.cli.log import Log
        from utils.manifest.write import path_from_manifest, write_manifest
        from utils.parallel.journal import Journal
        from utils.parallel.shards import parse_shard
        from utils.sources.prepare import (
            language_notes,
            nothing_left,
            summarise,
            tell,
            write_left_out,
        )
        from utils.transcription.pseudo.labels import label, sift
        from utils.transcription.pseudo.recordings import collect, cut

    folder, shard = Path(settings.output_dir), parse_shard(settings.shard)
    log = Log(shard.named(folder / "pseudo_label.log"))
    journal = Journal(shard.named(folder / "done.jsonl"), fresh=not settings.resume)
    save_settings(settings, shard.named(folder / "settings.yaml"))
    recordings, dead = collect(settings, journal, log)
    pieces, uncut = cut(recordings, settings, journal, log)
    kept, distrusted = sift(label(pieces, settings, journal, log), settings)
    left_out = sorted([*dead, *uncut, *distrusted])
    left_out_file = shard.named(folder / "left_out.jsonl")
    write_left_out(left_out_file, left_out)
    manifest = shard.named(folder / "train.json")
    if not kept and shard.count > 1:  # the other parts may hold more
        tell(summarise({}, {}, left_out, left_out_file), log.result)
        return
    if not kept:
        raise nothing_left(left_out)
    seen = [
        replace(each, audio=replace(each.audio, path=path_from_manifest(each.audio.path, manifest)))
        for each in kept
    ]
    write_manifest(manifest, seen)
    written = summarise({"train": manifest}, {"train": kept}, left_out, left_out_file)
    tell(written, log.result)
    for note in language_notes(kept, None):
        log.result(note)


if __name__ == "__main__":
    exit_script(run_script(main))
