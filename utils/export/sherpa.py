"""A Whisper as the files that sherpa-onnx reads: encoder, decoder, tokens.

The numbers of special tokens stand in the encoder's metadata, the bytes of the others in
`tokens.txt`, so that any vocabulary is read as it is.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.cli.files import atomic_write
from utils.data.labels import LabelEncoder
from utils.export.checked import export_checked
from utils.export.onnx import expect_gelu
from utils.export.parity import (
    MOST_TOKENS,
    Answer,
    Parity,
    Question,
    Reader,
    room_after,
    suppressed_by,
)
from utils.export.words import token_bytes
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel

ENDINGS = {"float32": "", "float16": ".fp16", "int8": ".int8"}
"""Of the files' names, by form of weights."""
TOKENS = "tokens.txt"
LONGEST = 471_800
"""Samples (29.49 s): of more the program leaves some out and says so."""
FULL_WINDOW = 3000
"""Frames of silence that it is to add, as far as they fit into 30 s."""
OWN_FEATURES = 8
"""The program makes the log-mel itself, from windows that begin 12.5 ms later than Whisper's, and
fills up with zeros in place of silence. A model that is unsure says something else then."""


def export(
    source: str,
    target: Path,
    quantization: str,
    clips: Sequence[Utterance],
    local_files_only: bool = False,
) -> Parity:
    """Convert a model and let sherpa-onnx transcribe clips with it; see `export_checked`."""
    expect_installed("onnx", "--format=sherpa")
    expect_installed("sherpa_onnx", "--format=sherpa")
    return export_checked(
        *(source, target, quantization, clips, write, read, local_files_only),
        at_most_bits=OWN_FEATURES,
    )


def write(loaded: LoadedModel, folder: Path, quantization: str) -> None:
    """Write both graphs and the table of tokens.

    Args:
        loaded: a whole Whisper.
        folder: an existing one.
        quantization: a key of `ENDINGS`.

    Raises:
        UserError: the model computes something that the graphs do not, or its language tokens are
            not known.
    """
    from utils.export.sherpa_graph import decoder_graph, encoder_graph

    expect_gelu(loaded)
    encoder, decoder = files_of(folder, quantization)
    graph = encoder_graph(loaded.whisper, quantization)
    graph.metadata = metadata(loaded)
    graph.save(encoder)
    decoder_graph(loaded.whisper, quantization, *suppressed_by(loaded)).save(decoder)
    write_tokens(folder / TOKENS, words_of(loaded))


def files_of(folder: Path, quantization: str) -> tuple[Path, Path]:
    """Encoder and decoder."""
    ending = ENDINGS[quantization]
    return folder / f"encoder{ending}.onnx", folder / f"decoder{ending}.onnx"


def metadata(loaded: LoadedModel) -> dict[str, str]:
    """What the program reads of the encoder: dimensions and the numbers of special tokens.

    Raises:
        UserError: a multilingual model's settings do not name its language tokens.
    """
    config, encoder = loaded.whisper.config, loaded.label_encoder(language="en")
    languages = getattr(loaded.whisper.generation_config, "lang_to_id", None) or {}
    if loaded.multilingual and not languages:
        raise UserError(
            f"the generation_config.json of {loaded.path} has no lang_to_id",
            "Copy that of the model that it was made of.",
        )
    special = encoder.special_ids
    prompt = encoder.prompt()
    assert prompt[-1] == encoder.no_timestamps
    values: dict[str, Any] = {
        "model_type": "whisper",
        "version": 1,
        "n_mels": config.num_mel_bins,
        "n_audio_ctx": config.max_source_positions,
        "n_audio_state": config.d_model,
        "n_audio_head": config.encoder_attention_heads,
        "n_audio_layer": config.encoder_layers,
        "n_vocab": config.vocab_size,
        "n_text_ctx": config.max_target_positions,
        "n_text_state": config.d_model,
        "n_text_head": config.decoder_attention_heads,
        "n_text_layer": config.decoder_layers,
        "sot_sequence": _joined(prompt[:-1]),
        "all_language_tokens": _joined(languages.values()),
        "all_language_codes": _joined(name.strip("<|>") for name in languages),
        "sot": encoder.start,
        "eot": encoder.end,
        "blank_id": _blank(encoder),
        "is_multilingual": int(loaded.multilingual),
        "no_speech": special.get("<|nospeech|>", special.get("<|nocaptions|>", encoder.end)),
        "transcribe": special.get("<|transcribe|>", encoder.start),
        "translate": special.get("<|translate|>", encoder.start),
        "no_timestamps": encoder.no_timestamps,
    }
    return {name: str(value) for name, value in values.items()}


def _blank(encoder: LabelEncoder) -> int:
    return int(encoder.tokenizer.get_vocab().get("Ġ", encoder.end))


def _joined(values: Any) -> str:
    return ",".join(map(str, values))


def words_of(loaded: LoadedModel) -> dict[int, bytes]:
    """The bytes of each token that stands for some: id to bytes."""
    encoder = loaded.label_encoder()
    words = dict(enumerate(token_bytes(loaded.processor.tokenizer, encoder.end)))
    added = loaded.processor.tokenizer.get_added_vocab()
    words |= {i: text.encode() for text, i in added.items() if i in encoder.added_words}
    return {i: word for i, word in words.items() if word}


def write_tokens(path: Path, words: dict[int, bytes]) -> None:
    """Write a line for each token: its bytes in base 64, and its number."""
    with atomic_write(path) as handle:
        for number, word in words.items():
            handle.write(f"{base64.b64encode(word).decode()} {number}\n")


def read(loaded: LoadedModel, folder: Path, quantization: str) -> Reader:
    """Open what `write` wrote in the program that it is for."""
    return SherpaReader(loaded, folder, quantization)


class SherpaReader:
    """The folder in sherpa-onnx; a `Reader`.

    The program gives text and no numbers. Here it is given a table in which each token's text is
    its number.

    Args:
        loaded: the original.
        folder: holds the files.
        quantization: which of them.
    """

    suppressed: Sequence[int]
    suppressed_first: Sequence[int]
    rows: Sequence[int] | None = None

    def __init__(self, loaded: LoadedModel, folder: Path, quantization: str) -> None:
        self.encoder, self.decoder = files_of(folder, quantization)
        self.multilingual = loaded.multilingual
        self.words = {n: f"{n} ".encode() for n in range(loaded.whisper.config.vocab_size)}
        self.suppressed, self.suppressed_first = suppressed_by(loaded)
        self.max_length = loaded.whisper.generation_config.max_length or MOST_TOKENS
        self.recognizers: dict[str, Any] = {}

    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """See `Reader`."""
        with TemporaryDirectory() as folder:
            table = Path(folder, TOKENS)
            write_tokens(table, self.words)
            for question in questions:
                yield self._answer(question, table)

    def _answer(self, question: Question, table: Path) -> Answer:
        recognizer = self._recognizer(question.language if self.multilingual else "en", table)
        began = time.perf_counter()
        stream = recognizer.create_stream()
        stream.accept_waveform(16_000, np.ascontiguousarray(question.samples[:LONGEST]))
        recognizer.decode_stream(stream)
        ids = tuple(int(each) for each in stream.result.text.split())
        seconds = time.perf_counter() - began
        return Answer(ids[: room_after(question.prompt, self.max_length)], seconds)

    def _recognizer(self, language: str, table: Path) -> Any:
        """One for each language: the program is told it when it loads."""
        import sherpa_onnx

        if language not in self.recognizers:
            self.recognizers[language] = sherpa_onnx.OfflineRecognizer.from_whisper(
                encoder=str(self.encoder),
                decoder=str(self.decoder),
                tokens=str(table),
                language=language,
                num_threads=torch.get_num_threads(),
                tail_paddings=FULL_WINDOW,
            )
        return self.recognizers[language]
