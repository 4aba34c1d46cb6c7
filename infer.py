r"""Transcribe anything: files, folders, video, web pages, the microphone.

A file:         python infer.py --audio_path=talk.mp3 --model_path=models/whisper-tiny-finetune
A folder:       python infer.py --audio_path=recordings/ --output_format=srt
With words:     python infer.py --audio_path=film.mkv --word_timestamps=True --max_line_width=42 \
                    --max_line_count=2
A microphone:   python infer.py --audio_path=microphone --stop_after_silence=2
Eight machines: python infer.py --audio_path='archive/**/*.opus' --shard=1/8

Writes <output_dir>/<name>.txt, .vtt, .srt, .tsv and .json, byte for byte as openai-whisper does.
An interrupted run continues when it is started again: what is finished is skipped. Exit code: 0 all
done, 1 some recordings failed (the last line says how many), 2 unusable input.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from utils.cli.console import say
from utils.cli.errors import EXIT_FAILURE, exit_script, run_script
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused
from utils.transcription.infer.settings import InferSettings


def main(argv: Sequence[str] | None = None) -> int:
    """Find the model and the recordings, transcribe, say what failed."""
    settings = parse_settings(InferSettings, argv, prog="infer.py", description=__doc__ or "")
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.parallel.journal import Journal
        from utils.parallel.shards import parse_shard
        from utils.transcription.infer.inputs import (
            KEPT_INPUT,
            find_sources,
            named_inputs,
            wants_microphone,
        )
        from utils.transcription.infer.microphone import record
        from utils.transcription.infer.model import check_model, decoding_of
        from utils.transcription.infer.run import Run

    folder, shard = Path(settings.output_dir), parse_shard(settings.shard)
    decoding = decoding_of(settings)
    check_model(settings)
    named = named_inputs(settings.audio_path)
    if wants_microphone(named):
        named = [str(record(folder, settings.record_seconds, settings.stop_after_silence))]
    journal = Journal(shard.named(folder / "infer.jsonl"))
    sources, missing = find_sources(named, folder, journal, shard)
    for each in missing:
        say(f"{each.id}: failed: {each.reason}")
    run = Run(settings, decoding, journal)
    try:
        run.transcribe(sources)
    finally:
        (folder / KEPT_INPUT).unlink(missing_ok=True)
    failed = len(run.failed) + len(missing)
    before = f", {run.skipped} were done before" if run.skipped else ""
    say(f"{run.done} transcribed, {failed} failed{before}; wrote {folder}")
    return EXIT_FAILURE if failed else 0


if __name__ == "__main__":
    exit_script(run_script(main))
