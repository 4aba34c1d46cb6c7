"""Convert a model for another program, and check that it transcribes the same.

CTranslate2:    python convert.py --model_path=models/whisper-tiny-finetune --format=ct2
In 8 bits:      python convert.py --model_path=models/whisper-tiny-finetune --quantization=int8

An adapter is merged on the way. The original and the converted model transcribe the same clips
(--data, or bundled ones). With float32 weights every token must be equal, or nothing is written.
With fewer bits, the clips that differ are counted and listed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.cli.console import say_result
from utils.cli.errors import UserError, run_script
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused

BUNDLED = Path(__file__).resolve().parent / "demo" / "en" / "test.jsonl"
NAMED_CLIPS = 5


@dataclass(frozen=True)
class ConvertSettings:
    """What is converted, into which format, and where it is written."""

    model_path: str = "models/whisper-tiny-finetune"
    """Model or adapter: a folder, or a name on the hub."""
    format: str = "ct2"
    """Format to write: ct2 (CTranslate2, for faster-whisper and evaluation.py)."""
    quantization: str | None = None
    """Type of the weights, such as float16, int8 or int8_float16; None is float32."""
    output_dir: str = "models/"
    """The model is written to <output_dir>/<name of the model>-<format>/. The name of the
    quantization is appended if one is given."""
    data: str | None = None
    """Manifest with clips for the check; None takes the bundled ones."""
    clips: int = 16
    """Number of clips on which the original and the converted model are compared."""

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise UserError(f"--clips is {self.clips}, expected at least 1")


def main(argv: Sequence[str] | None = None) -> None:
    """Find the format, convert, compare, say how far both say the same."""
    settings = parse_settings(ConvertSettings, argv, prog="convert.py", description=__doc__ or "")
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.audio.features import WINDOW_SECONDS
        from utils.export.formats import export, find_format
        from utils.manifest.read import filter_by_duration, read_manifest
        from utils.model.folders import model_name

    find_format(settings.format, settings.quantization)
    utterances = read_manifest(settings.data or BUNDLED).utterances
    clips, _ = filter_by_duration(utterances, 0.0, WINDOW_SECONDS)
    if not clips:
        raise UserError(f"{settings.data}: no clip of at most 30 s to compare with")
    parts = [model_name(settings.model_path), settings.format, settings.quantization]
    if str(parts[0]).startswith("checkpoint-"):  # alone it would say too little
        parts.insert(0, Path(settings.model_path).resolve().parent.name)
    target = Path(settings.output_dir, "-".join(part for part in parts if part))
    parity = export(
        settings.model_path,
        target,
        settings.format,
        settings.quantization,
        clips[: settings.clips],
    )
    say_result(f"says the same on {parity.equal} of {parity.clips} clips")
    for clip, said, now in parity.differing[:NAMED_CLIPS]:
        say_result(f"  {clip}: {said!r} became {now!r}")
    say_result(f"wrote {target}")


if __name__ == "__main__":
    sys.exit(run_script(main))
