"""Convert a model for another program, and check that it transcribes the same.

CTranslate2:    python convert.py --model_path=models/whisper-tiny-finetune --format=ct2
In 8 bits:      python convert.py --model_path=models/whisper-tiny-finetune --quantization=int8
whisper.cpp:    python convert.py --model_path=models/whisper-tiny-finetune --format=ggml
A web app:      python convert.py --model_path=models/whisper-tiny-finetune --format=webapp
Every form:     python convert.py --model_path=models/whisper-tiny-finetune --format=all

An adapter is merged on the way. The original and the program that reads the new form transcribe the
same clips (--data, or bundled ones). With float32 weights every token must be equal. With fewer
bits the texts may differ within a stated limit. Otherwise nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from utils.cli.console import say, say_result
from utils.cli.errors import Failure, UserError, exit_script, run_script
from utils.cli.flags import parse_settings
from utils.cli.garbage import garbage_collection_paused

BUNDLED = Path(__file__).resolve().parent / "demo" / "en" / "test.jsonl"


@dataclass(frozen=True)
class ConvertSettings:
    """What is converted, into which format, and where it is written."""

    model_path: str = "models/whisper-tiny-finetune"
    """Model or adapter: a folder, or a name on the hub."""
    format: str = "ct2"
    """Format to write: ct2 (CTranslate2, for faster-whisper and evaluation.py), openai (the .pt
    file of openai-whisper), ggml (whisper.cpp, Buzz), onnx (transformers.js), sherpa
    (sherpa-onnx), webapp (a page for any static host that runs the model on the device), or all of
    these but webapp."""
    quantization: str | None = None
    """Type of the weights, such as float16, int8 or q5_0; None is the format's usual one: float32
    for ct2, onnx and sherpa, float16 for openai, f16 for ggml, int8 for webapp."""
    output_dir: str = "models/"
    """The model is written to <output_dir>/<name of the model>-<format>/. The name of the
    quantization is appended if one is given."""
    data: str | None = None
    """Manifest with clips for the check; None takes the bundled ones."""
    clips: int = 16
    """Number of clips on which the original and the converted model are compared."""
    program: Literal["const-me"] | None = None
    """Program that is to open the model, where it takes less than others of its format: const-me
    (the Windows program of that name; with --format=ggml)."""
    web_runtime: str | None = None
    """With --format=webapp: folder node_modules that holds @huggingface/transformers. None fetches
    it with npm."""
    local_files_only: bool = False
    """Never ask the hub for the model."""

    def __post_init__(self) -> None:
        if self.clips < 1:
            raise UserError(f"--clips is {self.clips}, expected at least 1")


def main(argv: Sequence[str] | None = None) -> None:
    """Find the formats, convert, compare, say how far both say the same."""
    settings = parse_settings(ConvertSettings, argv, prog="convert.py", description=__doc__ or "")
    # Imported after the flags: --help and a mistyped flag answer at once.
    with garbage_collection_paused():
        from utils.audio.features import WINDOW_SECONDS
        from utils.export.formats import chosen_formats, export, target_folder
        from utils.export.parity import describe
        from utils.manifest.read import filter_by_duration, read_manifest

    chosen, lacking = chosen_formats(settings.format, settings.quantization)
    for name in lacking:
        say(f"{name} has no {settings.quantization} and is left out")
    utterances = read_manifest(settings.data or BUNDLED).utterances
    clips, _ = filter_by_duration(utterances, 0.0, WINDOW_SECONDS)
    if not clips:
        raise UserError(f"{settings.data}: no clip of at most 30 s to compare with")
    refused = {}
    for name, quantization in chosen.items():
        given = quantization if settings.quantization else None
        target = target_folder(settings.model_path, settings.output_dir, name, given)
        try:
            parity = export(
                settings.model_path,
                target,
                name,
                quantization,
                clips[: settings.clips],
                settings.program,
                settings.web_runtime,
                local_files_only=settings.local_files_only,
            )
        except (UserError, Failure) as error:
            if len(chosen) == 1:
                raise
            refused[name] = error.message
            say(f"{name}: {error.message}")
            continue
        for line in describe(parity):
            say_result(line)
        say_result(f"wrote {target}")
    if refused:
        raise Failure(
            f"{len(refused)} of {len(chosen)} formats were not written: {', '.join(refused)}",
            "The reasons stand above; the other folders are complete.",
        )


if __name__ == "__main__":
    exit_script(run_script(main))
