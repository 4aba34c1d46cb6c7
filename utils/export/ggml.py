"""A Whisper as the one file that whisper.cpp reads.

Head, mel filters, the bytes of each token, then the tensors, each with its name and type. Matrices
have the form that was asked for; convolutions have 16 bits where that is fewer; biases, norms and
positions have 32. Added words take the places of bytes that occur in no UTF-8 text, since the
program prints no token from end-of-text on; Cantonese goes where large-v3 has it.

M mel bins, V vocabulary.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import torch

from utils.cli.console import say
from utils.cli.errors import Failure, UserError
from utils.cli.extras import expect_installed
from utils.cli.files import atomic_write
from utils.export.checked import export_checked
from utils.export.ggml_blocks import BLOCK, BLOCK_TYPES
from utils.export.ggml_file import logits_along, model_of_file
from utils.export.layout import (
    MULTILINGUAL,
    WITH_CANTONESE,
    Vocabulary,
    dimensions,
    official_tensors,
    order_vocabulary,
)
from utils.export.parity import MOST_TOKENS, Answer, Parity, Question, Reader, room_after
from utils.export.words import token_bytes
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel
from utils.transcription.engines.whisper_cpp import WhisperCpp

FILE = "ggml-model.bin"
MAGIC = 0x67676D6C  # "ggml"
QUANTIZATION_VERSION = 2_000  # version 2, times ggml's factor
FIRST_QUANTIZED = 2  # file types before it are plain floats
KEPT = ("encoder.positional_embedding", "decoder.positional_embedding")
SILENT_BYTES = (*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xC0, 0xC1, *range(0xF5, 0x100))
"""Bytes that no text holds: control characters, and those that are none in UTF-8."""
SECONDS_PER_CLIP = 600.0
TRY_ANOTHER = "Nothing was written. Try another --quantization."
LOGIT_CLIPS = 3


def export(
    source: str,
    target: Path,
    quantization: str,
    clips: Sequence[Utterance],
    local_files_only: bool = False,
    program: str | None = None,
) -> Parity:
    """Convert a model and let whisper.cpp transcribe clips with it; see `export_checked`.

    Args:
        source: as there.
        target: as there.
        quantization: a key of `BLOCK_TYPES`.
        clips: as there.
        local_files_only: as there.
        program: "const-me", where its program is to open the file as well.
    """
    expect_installed("pywhispercpp", "--format=ggml")

    def write_for_program(loaded: LoadedModel, folder: Path, quantization: str) -> None:
        if program == "const-me":
            expect_const_me(loaded, quantization)
        write(loaded, folder, quantization)

    return export_checked(
        source, target, quantization, clips, write_for_program, read, local_files_only
    )


def expect_const_me(loaded: LoadedModel, quantization: str) -> None:
    """See that Const-me's program for Windows can open the model.

    Raises:
        UserError: it cannot: too many mel bins, another vocabulary, or fewer bits than 16.
    """
    if quantization not in ("f16", "f32"):
        raise UserError(
            f"Const-me's program takes f16 and f32 only, and --quantization is {quantization}",
            "Leave --quantization out.",
        )
    bins, tokens = loaded.whisper.config.num_mel_bins, len(order_vocabulary(loaded).rows)
    if (bins, tokens) != (80, MULTILINGUAL):
        raise UserError(
            f"the model has {bins} mel bins and {tokens} tokens; Const-me's program takes 80 and "
            f"{MULTILINGUAL}",
            "large-v3, turbo and English-only models need whisper.cpp or Buzz: leave --program "
            "out.",
        )


def write(loaded: LoadedModel, folder: Path, quantization: str) -> None:
    """Write the file.

    Args:
        loaded: a whole Whisper.
        folder: an existing one.
        quantization: a key of `BLOCK_TYPES`.

    Raises:
        UserError: the format cannot hold the model.
    """
    vocabulary = order_vocabulary(loaded)
    words, rows = place_words(loaded, vocabulary)
    dims = dimensions(loaded, len(rows))
    kind = BLOCK_TYPES[quantization]
    if kind.file_type >= FIRST_QUANTIZED and dims["n_text_state"] % BLOCK:
        raise UserError(
            f"the model's width is {dims['n_text_state']}; {quantization} holds multiples of "
            f"{BLOCK} only",
            "Use --quantization=f16.",
        )
    if dims["n_text_layer"] == 2 and len(rows) != WITH_CANTONESE:
        say("whisper.cpp takes models with 2 decoder layers for distil-whisper: no timestamps")
    version = QUANTIZATION_VERSION if kind.file_type >= FIRST_QUANTIZED else 0
    head = [dims[name] for name in _HEAD]
    filters = np.asarray(loaded.processor.feature_extractor.mel_filters, np.float32).T
    with atomic_write(folder / FILE, "wb") as file:
        file.write(struct.pack("<12i", MAGIC, *head, version + kind.file_type))
        file.write(struct.pack("<2i", *filters.shape))
        file.write(np.ascontiguousarray(filters).tobytes())
        file.write(struct.pack("<i", len(words)))
        for word in words:
            file.write(struct.pack("<i", len(word)) + word)
        for name, weights in official_tensors(loaded, rows).items():
            _write_tensor(file, name, weights.numpy(), quantization)


_HEAD = (
    *("n_vocab", "n_audio_ctx", "n_audio_state", "n_audio_head", "n_audio_layer"),
    *("n_text_ctx", "n_text_state", "n_text_head", "n_text_layer", "n_mels"),
)


def place_words(loaded: LoadedModel, vocabulary: Vocabulary) -> tuple[list[bytes], tuple[int, ...]]:
    """The bytes of the tokens before end-of-text, and the model's row of each id.

    Args:
        loaded: the model.
        vocabulary: its tokens in OpenAI's order.

    Raises:
        UserError: more words were added than there are places.
    """
    words = token_bytes(loaded.processor.tokenizer, loaded.label_encoder().end)
    rows = list(vocabulary.rows)
    free = [n for n, word in enumerate(words) if len(word) == 1 and word[0] in SILENT_BYTES]
    if len(vocabulary.words) > len(free):
        raise UserError(
            f"{loaded.path} has {len(vocabulary.words)} added words; a GGML file has room for "
            f"{len(free)}",
            "Use --format=ct2 or --format=onnx.",
        )
    for place, (row, word) in zip(free, vocabulary.words.items(), strict=False):
        rows[place], words[place] = row, word.encode()
    return words, tuple(rows)


def _write_tensor(file: IO[bytes], name: str, values: np.ndarray, quantization: str) -> None:
    if name in ("encoder.conv1.bias", "encoder.conv2.bias"):
        values = values[:, None]  # added to each frame
        form = "f32"
    elif values.ndim == 1 or name in KEPT:
        form = "f32"
    elif values.ndim == 3:
        form = "f32" if quantization == "f32" else "f16"
    else:
        form = quantization
    kind = BLOCK_TYPES[form]
    label = name.encode()
    file.write(struct.pack("<3i", values.ndim, len(label), kind.tensor_type))
    file.write(struct.pack(f"<{values.ndim}i", *reversed(values.shape)) + label)
    file.write(kind.pack(values.reshape(-1)))


def read(loaded: LoadedModel, folder: Path, quantization: str) -> Reader:
    """Open what `write` wrote in the program that it is for."""
    return WhisperCppReader(loaded, folder, quantization)


class WhisperCppReader:
    """The file in whisper.cpp, in a process of its own that it may end; a `Reader`.

    The program shows no logits; those of the first clips are computed from the file's weights.

    Args:
        loaded: the original.
        folder: holds the file.
        quantization: of no meaning here: it stands in the file.

    Raises:
        Failure: the program ends at the sight of the file.
    """

    suppressed: Sequence[int]
    suppressed_first: Sequence[int]
    rows: Sequence[int] | None

    def __init__(self, loaded: LoadedModel, folder: Path, quantization: str) -> None:
        del quantization
        self.loaded, self.file = loaded, folder / FILE
        try:
            self.model = WhisperCpp(str(self.file), torch.get_num_threads())
        except UserError as error:
            raise Failure(error.message, TRY_ANOTHER) from error
        encoder = loaded.label_encoder()
        self.end = encoder.end
        words, rows = place_words(loaded, order_vocabulary(loaded))
        self.rows = self.places = rows
        # It says no special token, and without timestamps none of these; at first no blank.
        self.suppressed = rows[encoder.end + 1 :]
        self.suppressed_first = (words.index(b" "), encoder.end)
        self.max_length = loaded.whisper.generation_config.max_length or MOST_TOKENS
        self.logit_clips = LOGIT_CLIPS

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """See `Reader`."""
        found = [self._answer(question) for question in questions]
        self.model.close()
        logits = self._logits(questions, found)
        for number, answer in enumerate(found):
            yield replace(answer, logits=logits[number] if number < len(logits) else None)

    def _answer(self, question: Question) -> Answer:
        """Greedy tokens, without fallback and timestamps."""
        try:
            found = self.model.transcribe(
                question.samples,
                limit=SECONDS_PER_CLIP,
                language=question.language if self.model.multilingual else "en",
                greedy={"best_of": 1},
                no_timestamps=True,
                single_segment=True,
                temperature_inc=0.0,
                no_speech_thold=2.0,  # a probability never passes it
            )
        except UserError as error:
            raise Failure(error.message, TRY_ANOTHER) from error
        ids = [token for segment in found["segments"] for token in segment["ids"]]
        return Answer(tuple(ids[: room_after(question.prompt, self.max_length)]), found["seconds"])

    def _logits(self, questions: Sequence[Question], answers: Sequence[Answer]) -> list[np.ndarray]:
        """Of the first clips, in the order of the file's tokens."""
        if not self.logit_clips:
            return []
        rows = list(self.places)
        whisper = model_of_file(self.loaded, self.file, rows)
        found = []
        for question, answer in zip(questions[: self.logit_clips], answers, strict=False):
            features = self.loaded.log_mel(torch.from_numpy(question.samples)[None])
            ids = [rows[token] for token in answer.ids]
            found.append(logits_along(whisper, features, question.prompt, ids)[:, rows])
        return found
