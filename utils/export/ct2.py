"""A Whisper, or an adapter merged on the way, as a CTranslate2 folder.

Beside the weights the folder gets all that other programs ask for: without `tokenizer.json`
faster-whisper goes to the hub, without `preprocessor_config.json` it assumes 80 mel bins, and
without `lang_to_id` no language is detected.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from utils.cli.files import atomic_write
from utils.cli.leftovers import unfinished
from utils.export.checked import export_checked
from utils.export.parity import Answer, Parity, Question, Reader, room_after, suppressed_by
from utils.manifest.utterance import Utterance
from utils.model.folders import save_model
from utils.model.loaded import LoadedModel
from utils.model.side_files import SIDE_FILES
from utils.transcription.engines.ctranslate2 import import_ctranslate2, open_engine

EMPTY_TOKEN_ID = 50256  # in every official vocabulary
# The side files that CTranslate2 has no file of its own for.
COPIED = tuple(name for name in SIDE_FILES if name != "config.json")


def export(
    source: str,
    target: Path,
    quantization: str,
    clips: Sequence[Utterance],
    local_files_only: bool = False,
) -> Parity:
    """Convert a model and let CTranslate2 transcribe clips with it; see `export_checked`."""
    import_ctranslate2()
    return export_checked(source, target, quantization, clips, write, read, local_files_only)


def write(loaded: LoadedModel, folder: Path, quantization: str) -> None:
    """Write weights, vocabulary and side files into an empty folder."""
    from ctranslate2.converters import TransformersConverter

    with unfinished(folder, folder=True) as plain:
        # Through a folder of its own: the model may be merged, or lack side files.
        save_model(loaded.model, loaded.processor, plain, loaded.audio_context)
        copied = [name for name in COPIED if (plain / name).is_file()]
        converter = TransformersConverter(str(plain), copy_files=copied)
        # It would make the folder anew, and with that let go of the lock on it.
        converter.convert(str(plain / "converted"), quantization=quantization)
        for file in (plain / "converted").iterdir():
            file.rename(folder / file.name)
    if loaded.multilingual:
        _name_the_empty_token(folder / "vocabulary.json")


def _name_the_empty_token(vocabulary: Path) -> None:
    """Give an unused word of a home-made vocabulary the name "".

    The official vocabularies hold an empty word. Where it is missing, CTranslate2 takes the model
    for an English one and detects no language. Names in this file decode no text. In `.en` models
    that number is end-of-text's, whose name the library goes by.
    """
    words = json.loads(vocabulary.read_text(encoding="utf-8"))
    if "" not in words:
        words[EMPTY_TOKEN_ID] = ""
        with atomic_write(vocabulary) as handle:
            json.dump(words, handle, ensure_ascii=False, indent=0)


def read(loaded: LoadedModel, folder: Path, quantization: str) -> Reader:
    """Open what `write` wrote in the program that it is for."""
    return CTranslate2Reader(loaded, folder, quantization)


class CTranslate2Reader:
    """The folder in CTranslate2, through the engine of evaluation.py; a `Reader`.

    Args:
        loaded: the original.
        folder: the converted model.
        quantization: of no meaning here: it stands in the folder.
    """

    suppressed: Sequence[int]
    suppressed_first: Sequence[int]
    rows: Sequence[int] | None = None

    def __init__(self, loaded: LoadedModel, folder: Path, quantization: str) -> None:
        del quantization
        self.engine = open_engine(str(folder))
        self.suppressed, self.suppressed_first = suppressed_by(loaded)

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """See `Reader`."""
        engine = self.engine
        for question in questions:
            began = time.perf_counter()
            states = engine.encode(engine.log_mel(torch.from_numpy(question.samples)[None]))
            found = engine.model.generate(
                states,
                [list(question.prompt)],
                beam_size=1,
                # The library keeps half of this for the answer and half for the prompt.
                max_length=2 * room_after(question.prompt, engine.max_length),
                return_logits_vocab=True,
            )[0]
            seconds = time.perf_counter() - began
            library = import_ctranslate2()
            rows = [np.array(row.to(library.DataType.float32)) for row in found.logits[0]]
            yield Answer(tuple(found.sequences_ids[0]), seconds, np.stack(rows).squeeze())
