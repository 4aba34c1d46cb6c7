"""A Whisper, or an adapter merged on the way, as a CTranslate2 folder.

Beside the weights the folder gets all that other programs ask for: without `tokenizer.json`
faster-whisper goes to the hub, without `preprocessor_config.json` it assumes 80 mel bins, and
without `lang_to_id` no language is detected.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from utils.audio.features import pad_samples
from utils.audio.load import load_audio
from utils.cli.errors import Failure, UserError
from utils.cli.files import atomic_write
from utils.export.formats import Parity
from utils.manifest.utterance import Utterance
from utils.model.adapters.merging import merge_adapter
from utils.model.folders import save_model, write_folder
from utils.model.load import load_model, weights_sha256
from utils.model.loaded import LoadedModel
from utils.model.side_files import SIDE_FILES
from utils.transcription.decoding import Decoding, Windows
from utils.transcription.engines.ctranslate2 import import_ctranslate2, open_engine
from utils.transcription.engines.registry import Engine, Search, windows_of
from utils.transcription.engines.transformers import TransformersEngine

BATCH = 8
EMPTY_TOKEN_ID = 50256  # in every official vocabulary
# The side files that CTranslate2 has no file of its own for.
COPIED = tuple(name for name in SIDE_FILES if name != "config.json")


def export(source: str, target: Path, quantization: str, clips: Sequence[Utterance]) -> Parity:
    """Convert a model and compare the two on clips.

    Args:
        source: a model's or adapter's folder, or a hub name.
        target: the folder to make or replace.
        quantization: form of the weights.
        clips: utterances of at most 30 s that both transcribe.

    Returns:
        How far they say the same.

    Raises:
        UserError: ctranslate2 is not installed, or the model cannot be loaded.
        Failure: float32 weights say something else than the original; nothing is written then.
    """
    import_ctranslate2()
    loaded = load_model(source)
    if loaded.is_adapter:
        loaded = merge_adapter(loaded)
    parity = Parity(0, 0)

    def fill(folder: Path) -> None:
        nonlocal parity
        _convert(loaded, folder, quantization)
        parity = _compare(TransformersEngine(loaded), open_engine(str(folder)), clips)
        if quantization == "float32" and parity.equal != parity.clips:
            name, said, now = parity.differing[0]
            raise Failure(
                f"the converted model says something else on {parity.clips - parity.equal} of "
                f"{parity.clips} clips; on {name}: {now!r} instead of {said!r}",
                "Nothing was written. Please report this with the model's config.json.",
            )
        conversion = {
            "source": source,
            "source_sha256": weights_sha256(source),
            "quantization": quantization,
            "parity": parity.to_json(),
        }
        with atomic_write(folder / "conversion.json") as handle:
            json.dump(conversion, handle, ensure_ascii=False, indent=2)

    if target.exists() and not (target / "conversion.json").is_file():
        raise UserError(
            f"{target} stands already and was not written by convert.py",
            "Give another --output_dir, or move it away.",
        )
    write_folder(target, fill)
    return parity


def _convert(loaded: LoadedModel, folder: Path, quantization: str) -> None:
    """Write weights, vocabulary and side files into an empty folder."""
    from ctranslate2.converters import TransformersConverter

    with TemporaryDirectory() as plain:
        # Through a folder of its own: the model may be merged, or lack side files.
        save_model(loaded.model, loaded.processor, Path(plain), loaded.audio_context)
        copied = [name for name in COPIED if Path(plain, name).is_file()]
        converter = TransformersConverter(plain, copy_files=copied)
        converter.convert(str(folder), quantization=quantization, force=True)
    _name_the_empty_token(folder / "vocabulary.json")


def _name_the_empty_token(vocabulary: Path) -> None:
    """Give an unused word of a home-made vocabulary the name "".

    The official vocabularies hold an empty word. Where it is missing, CTranslate2 takes the model
    for an English one and detects no language. Names in this file decode no text.
    """
    words = json.loads(vocabulary.read_text(encoding="utf-8"))
    if "" not in words:
        words[EMPTY_TOKEN_ID] = ""
        with atomic_write(vocabulary) as handle:
            json.dump(words, handle, ensure_ascii=False, indent=0)


def _compare(original: Engine, converted: Engine, clips: Sequence[Utterance]) -> Parity:
    """Transcribe clips with both, greedily."""
    differing: list[tuple[str, str, str]] = []
    windows = windows_of(converted, Decoding())  # it may not hear all that the original does
    for begin in range(0, len(clips), BATCH):
        batch = clips[begin : begin + BATCH]
        said, now = (_ids(engine, batch, windows) for engine in (original, converted))
        decode = original.label_encoder(None, "transcribe").decode
        differing += [
            (utterance.id, decode(a), decode(b))
            for utterance, a, b in zip(batch, said, now, strict=True)
            if a != b
        ]
    return Parity(len(clips), len(clips) - len(differing), tuple(differing))


def _ids(engine: Engine, batch: Sequence[Utterance], windows: Windows) -> list[tuple[int, ...]]:
    import torch

    samples = [load_audio(utterance.audio) for utterance in batch]
    frames = windows.frames(max(map(len, samples)))
    features = engine.log_mel(pad_samples(samples, frames))
    states: Any = engine.encode(features, windows.merge_stride)
    encoder = engine.label_encoder("en", "transcribe")
    prompts = torch.tensor([encoder.prompt(utterance.language) for utterance in batch])
    room = min(engine.max_length, engine.max_positions) - prompts.shape[1]
    return [found.ids for found in engine.generate(states, prompts, Search(room))]
