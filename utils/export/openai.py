"""A Whisper as the `.pt` file of OpenAI's own program: dimensions and a dictionary of tensors.

That program has its tokenizer built in, so a model with another one is refused: it would be read,
and print other words.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from utils.cli.errors import UserError
from utils.cli.extras import expect_installed
from utils.cli.files import atomic_write
from utils.export.checked import export_checked
from utils.export.layout import dimensions, official_tensors, order_vocabulary
from utils.export.parity import (
    MOST_TOKENS,
    Answer,
    Parity,
    Question,
    Reader,
    room_after,
    start_of_sequence_ids,
    suppressed_by,
)
from utils.export.words import token_bytes
from utils.manifest.utterance import Utterance
from utils.model.loaded import LoadedModel

FILE = "model.pt"


def export(
    source: str,
    target: Path,
    quantization: str,
    clips: Sequence[Utterance],
    local_files_only: bool = False,
) -> Parity:
    """Convert a model and let openai-whisper transcribe clips with it; see `export_checked`."""
    expect_installed("whisper", "--format=openai")
    return export_checked(source, target, quantization, clips, write, read, local_files_only)


def write(loaded: LoadedModel, folder: Path, quantization: str) -> None:
    """Write the file into an empty folder.

    Raises:
        UserError: openai-whisper would not read it as it is meant.
    """
    vocabulary = order_vocabulary(loaded)
    if vocabulary.words:
        raise UserError(
            f"{loaded.path} has the added words {', '.join(list(vocabulary.words.values())[:5])}; "
            "openai-whisper has its vocabulary built in",
            "Use --format=ct2, onnx or ggml.",
        )
    _expect_official_words(loaded)
    dims = dimensions(loaded, len(vocabulary.rows))
    dtype = torch.float16 if quantization == "float16" else torch.float32
    tensors = official_tensors(loaded, vocabulary.rows)
    content = {"dims": dims, "model_state_dict": {k: v.to(dtype) for k, v in tensors.items()}}
    with atomic_write(folder / FILE, "wb") as handle:
        torch.save(content, handle)


def _expect_official_words(loaded: LoadedModel) -> None:
    from whisper.tokenizer import get_encoding

    encoding = get_encoding("multilingual" if loaded.multilingual else "gpt2")
    own = token_bytes(loaded.processor.tokenizer, loaded.label_encoder().end)
    for number, word in enumerate(own):
        known = encoding.decode_single_token_bytes(number) if number < encoding.n_vocab else None
        if word != known and word:
            raise UserError(
                f"the tokenizer of {loaded.path} is not OpenAI's: token {number} is {word!r}, "
                f"expected {known!r}; openai-whisper has its vocabulary built in",
                "Use --format=ct2, onnx or ggml, which bring the model's own words.",
            )


def read(loaded: LoadedModel, folder: Path, quantization: str) -> Reader:
    """Open what `write` wrote in the program that it is for."""
    return OpenAIReader(loaded, folder, quantization)


class OpenAIReader:
    """The file in openai-whisper; a `Reader`.

    Args:
        loaded: the original.
        folder: holds the file.
        quantization: of no meaning here: the program computes in float32 on a CPU.
    """

    suppressed: Sequence[int]
    suppressed_first: Sequence[int]
    rows: Sequence[int] | None

    def __init__(self, loaded: LoadedModel, folder: Path, quantization: str) -> None:
        del quantization
        import whisper

        self.model = whisper.load_model(str(folder / FILE), device="cpu")
        rows = order_vocabulary(loaded).rows
        self.rows = rows
        self.own = {old: new for new, old in enumerate(rows)}
        self.encoder = loaded.label_encoder()
        suppressed, _ = suppressed_by(loaded)
        self.suppressed = (*suppressed, *start_of_sequence_ids(self.encoder))
        # What the program suppresses at first of its own accord: a blank, and the end.
        self.suppressed_first = (220, self.encoder.end)
        self.max_length = loaded.whisper.generation_config.max_length or MOST_TOKENS

    @torch.no_grad()
    def answers(self, questions: Sequence[Question]) -> Iterator[Answer]:
        """See `Reader`."""
        import whisper

        own = self.own
        for question in questions:
            began = time.perf_counter()
            mel = whisper.log_mel_spectrogram(question.samples, self.model.dims.n_mels)
            options = whisper.DecodingOptions(
                language=question.language if self.model.is_multilingual else "en",
                without_timestamps=True,
                fp16=False,
                suppress_tokens=[own[token] for token in self.suppressed],
                sample_len=room_after(question.prompt, self.max_length),
            )
            states = self.model.embed_audio(mel[None])
            ids = tuple(whisper.decode(self.model, states, options)[0].tokens)
            seconds = time.perf_counter() - began
            tokens = torch.tensor([[*(own[token] for token in question.prompt), *ids]])
            logits = self.model.logits(tokens, states)[0, len(question.prompt) - 1 :]
            yield Answer(ids, seconds, logits.numpy())
