"""The engine for CTranslate2 folders, as `convert.py --format=ct2` writes them.

It calls the library that faster-whisper is built on, and adds what that leaves out: batches of
clips, and windows cut to the speech for models that were trained for it.

B batch, M mel bins, F frames, T tokens.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast, WhisperFeatureExtractor

from utils.audio.features import LogMel
from utils.cli.data_files import read_json_object
from utils.cli.errors import UserError
from utils.data.labels import LabelEncoder
from utils.transcription.engines.registry import (
    DEFAULT_COMPUTE,
    ROW_BY_ROW_FRAMES,
    Alignment,
    Compute,
    DecodingResult,
    Search,
)
from utils.transcription.words import alignment_of

INSTALL = "pip install -r requirements/ct2.txt -c constraints.txt"
LAST_TIMESTAMP = 1500  # 30 s in steps of 20 ms: no limit on the first one
DEFAULT_POSITIONS = 448


def open_engine(
    path: str, local_files_only: bool = False, compute: Compute = DEFAULT_COMPUTE
) -> CTranslate2Engine:
    """Load a converted model, on this process's GPU if there is one.

    Raises:
        UserError: ctranslate2 is not installed, or the folder is damaged.
    """
    del local_files_only  # a converted model is always a folder
    return CTranslate2Engine(path, _load(path, compute), compute)


def _load(path: str, compute: Compute) -> Any:
    """Load the library's model; raises as `open_engine`."""
    ctranslate2 = import_ctranslate2()
    has_gpu = ctranslate2.get_cuda_device_count() > 0 and compute.device != "cpu"
    number = (compute.device or "").partition(":")[2] or os.environ.get("LOCAL_RANK", "0")
    precision = ("int8_" if compute.int8 else "") + ("float16" if compute.fp16 else "float32")
    try:
        return ctranslate2.models.Whisper(
            path,
            device="cuda" if has_gpu else "cpu",
            device_index=int(number) if has_gpu else 0,
            compute_type=precision if compute.int8 or compute.fp16 else "default",
            # As torch has it: the library's own default takes four cores on its own account.
            intra_threads=torch.get_num_threads(),
        )
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"{path} could not be loaded as a CTranslate2 model: {str(error).splitlines()[0]}",
            "Convert the model again: python convert.py --format=ct2 --model_path=<model>",
        ) from error


def import_ctranslate2() -> Any:
    """Import the library.

    Raises:
        UserError: it is not installed; says how to.
    """
    try:
        import ctranslate2
    except ImportError as error:
        raise UserError("CTranslate2 is not installed", INSTALL) from error
    return ctranslate2


class CTranslate2Engine:
    """An `Engine` over a converted model.

    Args:
        path: its folder.
        model: the loaded `ctranslate2.models.Whisper`.
        compute: how it was loaded.
    """

    has_patience = True
    thins = False  # the library's attention takes no weights for its keys

    def __init__(self, path: str, model: Any, compute: Compute = DEFAULT_COMPUTE) -> None:
        self.path = path
        self.compute = compute
        self.model = model
        self.num_mel_bins = int(model.n_mels)
        settings = _read_json(Path(path, "generation_config.json"))
        self.max_positions = DEFAULT_POSITIONS
        self.max_length = int(settings.get("max_length") or self.max_positions)
        self.trained_context = settings.get("audio_context") or "full"
        self.context_margin = float(settings.get("context_margin") or 0.0)
        latest = settings.get("max_initial_timestamp_index")
        self.latest_first_timestamp = LAST_TIMESTAMP if latest is None else int(latest)
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(path, "tokenizer.json")))
        known = settings.get("is_multilingual")
        self.multilingual = bool(model.is_multilingual if known is None else known)
        features = _read_json(Path(path, "preprocessor_config.json"))
        bins = int(features.get("feature_size") or self.num_mel_bins)
        self.log_mel = LogMel(WhisperFeatureExtractor(feature_size=bins).mel_filters)

    def label_encoder(self, language: str | None, task: str) -> LabelEncoder:
        """See `Engine`."""
        return LabelEncoder(
            self.tokenizer,
            language=language,
            task=task,
            multilingual=self.multilingual,
            max_tokens=self.max_positions,
        )

    def encode(self, features: torch.Tensor, merge_stride: int = 0) -> Any:
        """The encoder's output, held by the library; see `Engine`."""
        if merge_stride:
            raise ValueError(f"CTranslate2 cannot thin windows; merge_stride is {merge_stride}")
        library = import_ctranslate2()
        storage = library.StorageView
        array = np.ascontiguousarray(features.numpy(), dtype=np.float32)
        if self.model.device == "cuda" or array.shape[-1] < ROW_BY_ROW_FRAMES:
            return self.model.encode(storage.from_array(array), to_cpu=True)
        rows = [self.model.encode(storage.from_array(row[None])) for row in array]
        plain = [np.array(row.to(library.DataType.float32)) for row in rows]
        return storage.from_array(np.concatenate(plain)).to(rows[0].dtype)

    def select(self, states: Any, rows: Sequence[int]) -> Any:
        """See `Engine`."""
        ctranslate2 = import_ctranslate2()
        chosen = np.ascontiguousarray(np.array(states.to(ctranslate2.DataType.float32))[list(rows)])
        return ctranslate2.StorageView.from_array(chosen).to(states.dtype)

    def detect_languages(self, states: Any) -> list[str]:
        """See `Engine`.

        Raises:
            UserError: the library takes the vocabulary for that of an English model.
        """
        if not self.model.is_multilingual:
            raise UserError(
                f"{self.path}: CTranslate2 cannot detect a language with this vocabulary",
                "Give --language, or convert the model again with convert.py.",
            )
        return [str(row[0][0]).strip("<|>") for row in self.model.detect_language(states)]

    def generate(self, states: Any, prompts: torch.Tensor, search: Search) -> list[DecodingResult]:
        """See `Engine`; beams and sampling are the library's."""
        sampling = search.temperature > 0
        model = self._seeded(search.seed) if sampling else self.model
        beams = 1 if sampling else search.num_beams
        options: dict[str, Any] = {}
        if beams > 1:
            options["patience"] = search.patience or 1.0
        if search.length_penalty is not None:
            options["length_penalty"] = search.length_penalty
        if search.suppressed is not None:
            options["suppress_tokens"] = list(search.suppressed)
        if sampling and search.best_of > 1:
            options["num_hypotheses"] = search.best_of
        found = model.generate(
            states,
            prompts.tolist(),
            beam_size=beams,
            # The library keeps half of this for the answer and half for the prompt.
            max_length=2 * search.max_new_tokens,
            return_scores=search.confidence,
            return_no_speech_prob=search.confidence,
            max_initial_timestamp_index=self.latest_first_timestamp,
            sampling_topk=0 if sampling else 1,
            sampling_temperature=search.temperature if sampling else 1,
            **options,
        )
        return [_found(result, search) for result in found]

    def align(
        self, states: Any, prompt: Sequence[int], texts: Sequence[Sequence[int]], frames: int
    ) -> list[Alignment]:
        """See `Engine`."""
        found = self.model.align(states, list(prompt), [list(ids) for ids in texts], frames)
        return [
            alignment_of(each.alignments, each.text_token_probs, len(ids))
            for each, ids in zip(found, texts, strict=True)
        ]

    def _seeded(self, seed: int) -> Any:
        """The model in a thread of its own, which draws by the seed.

        The library seeds a thread's numbers once, when the thread first draws; after that they go
        on from call to call, and a text would depend on all that was sampled before it. A new
        thread comes only with the model loaded anew, from files that the system still holds.
        """
        import_ctranslate2().set_random_seed(seed)
        return _load(self.path, self.compute)

    def synchronize(self) -> None:
        """See `Engine`: the library's calls return when they are done."""

    def describe(self) -> dict[str, Any]:
        """See `Engine`."""
        library = import_ctranslate2()
        return {
            "engine": f"ctranslate2 {library.__version__}",
            "precision": str(self.model.compute_type),
        }


def _found(result: Any, search: Search) -> DecodingResult:
    answers = [tuple(ids) for ids in result.sequences_ids]
    if not search.confidence:
        return DecodingResult(answers[0], temperature=search.temperature)
    # The library's score is the mean over the ids; Whisper's counts end-of-text too.
    means = [
        score * len(ids) / (len(ids) + 1) for score, ids in zip(result.scores, answers, strict=True)
    ]
    mean, ids = max(zip(means, answers, strict=True))
    return DecodingResult(ids, mean, result.no_speech_prob, search.temperature)


def _read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    if not path.is_file():
        return {}
    return read_json_object(path, "Convert the model again.")
