"""Several adapters on one base model in memory, each an `Engine` of its own.

The engines share the base's weights; whichever computes makes its adapter the active one. A batch
in which each recording wants another adapter is decoded adapter by adapter.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import GenerationConfig

from utils.cli.errors import UserError
from utils.model.adapters.base_digest import BASE_FILE, expect_base
from utils.model.distributed import device_of_this_process
from utils.model.folders import read_base_path
from utils.model.load import (
    TOKENIZER_FILES,
    check_model_path,
    load_model,
    load_processor,
    missing_files,
    with_digest,
)
from utils.model.loaded import LoadedModel
from utils.transcription.clips import Clip
from utils.transcription.decoding import Decoding
from utils.transcription.engines.registry import (
    DEFAULT_COMPUTE,
    Alignment,
    Compute,
    DecodingResult,
    Search,
)
from utils.transcription.engines.transformers import EncoderStates, TransformersEngine
from utils.transcription.transcript import ClipTranscript
from utils.transcription.windows import Listener, WindowDecoder


class _Switch:
    """Makes one adapter of a model active at a time; threads wait for each other.

    Args:
        model: the base, or a PeftModel around it.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.active: str | None = None
        self.lock = threading.RLock()

    @contextmanager
    def to(self, adapter: str | None) -> Iterator[None]:
        """Compute with an adapter, or with none."""
        with self.lock:
            if adapter != self.active:
                if adapter is None:
                    self.model.base_model.disable_adapter_layers()
                else:
                    self.model.base_model.enable_adapter_layers()
                    self.model.set_adapter(adapter)
                self.active = adapter
            yield


class AdapterEngine(TransformersEngine):
    """The base with one of its adapters, or without.

    Args:
        loaded: the model with all adapters, under the path of this one.
        adapter: its name in the model; None for the base alone.
        switch: of the model.
    """

    def __init__(self, loaded: LoadedModel, adapter: str | None, switch: _Switch) -> None:
        super().__init__(loaded)
        self.adapter = adapter
        self.switch = switch

    def encode(self, features: torch.Tensor, merge_stride: int = 0) -> EncoderStates:
        """See `Engine`."""
        with self.switch.to(self.adapter):
            return super().encode(features, merge_stride)

    def detect_languages(self, states: EncoderStates) -> list[str]:
        """See `Engine`."""
        with self.switch.to(self.adapter):
            return super().detect_languages(states)

    def generate(
        self, states: EncoderStates, prompts: torch.Tensor, search: Search
    ) -> list[DecodingResult]:
        """See `Engine`."""
        with self.switch.to(self.adapter):
            return super().generate(states, prompts, search)

    def align(
        self,
        states: EncoderStates,
        prompt: Sequence[int],
        texts: Sequence[Sequence[int]],
        frames: int,
    ) -> list[Alignment]:
        """See `Engine`."""
        with self.switch.to(self.adapter):
            return super().align(states, prompt, texts, frames)


def open_adapters(
    base: str,
    adapters: Mapping[str, str],
    *,
    local_files_only: bool = False,
    compute: Compute = DEFAULT_COMPUTE,
) -> dict[str | None, AdapterEngine]:
    """Load a base model once, and adapters of it.

    Args:
        base: the model's folder or its name on the hub.
        adapters: their folders, by the names that requests give.
        local_files_only: never ask the hub.
        compute: where and how.

    Returns:
        An engine for each name, and for None the base without an adapter.

    Raises:
        UserError: a model is missing or incomplete; an adapter is of another base, adds tokens to
            it, or is of another kind than the others.
    """
    loaded = load_model(base, local_files_only=local_files_only, use_8bit=compute.int8)
    loaded = with_digest(loaded, local_files_only=local_files_only)
    model = loaded.model
    names = {name: f"adapter{number}" for number, name in enumerate(adapters)}
    for name, path in adapters.items():
        _expect_fit(name, path, base, loaded)
        try:
            if isinstance(model, PeftModel):
                model.load_adapter(path, adapter_name=names[name])
            else:
                model = PeftModel.from_pretrained(model, path, adapter_name=names[name])
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise UserError(
                f"the adapter {path} cannot be put on {base} beside the others: "
                f"{str(error).strip().splitlines()[0]}",
                "adapters of one type share a base; merge it with merge_lora.py instead",
            ) from error
    device = torch.device(compute.device) if compute.device else device_of_this_process()
    model.eval().to(device)
    if compute.fp16 and not compute.int8:
        model.half()
    switch = _Switch(model)
    switch.active = names[next(iter(names))] if names else None
    whole = replace(loaded, model=model)
    engines: dict[str | None, AdapterEngine] = {None: AdapterEngine(whole, None, switch)}
    plain = whole.whisper.generation_config
    for name, path in adapters.items():
        known, context = plain, loaded.audio_context
        if Path(path, "generation_config.json").is_file():
            known = GenerationConfig.from_pretrained(path)
            context = getattr(known, "audio_context", None) or context
        # An engine reads the settings when it is made.
        whole.whisper.generation_config = known
        view = replace(whole, path=path, audio_context=context)
        engines[name] = AdapterEngine(view, names[name], switch)
    whole.whisper.generation_config = plain
    return engines


def _expect_fit(name: str, path: str, base_path: str, base: LoadedModel) -> None:
    """Refuse a folder that is no adapter of the base; raises as `open_adapters`."""
    folder = Path(check_model_path(path))
    own = read_base_path(folder)
    lacking = missing_files(folder)
    if lacking:
        raise UserError(f"the adapter {path} lacks {', '.join(lacking)}", "Copy it again.")
    is_same = own == base_path or Path(own).resolve() == Path(base_path).resolve()
    if not is_same and not (folder / BASE_FILE).is_file():
        raise UserError(
            f"the adapter {path} ({name}) is of the base model {own}, not of {base_path}",
            "Give adapters of one base.",
        )
    expect_base(folder, base_path, base.digest)
    if any((folder / each).is_file() for each in TOKENIZER_FILES):
        tokenizer = load_processor(str(folder)).tokenizer
        if len(tokenizer) > len(base.processor.tokenizer):
            raise UserError(
                f"the adapter {path} ({name}) adds tokens to its base, which others lack",
                "Merge it with merge_lora.py; the merged model is one of its own.",
            )


class AdapterDecoder:
    """Decodes batches in which each clip may want another adapter.

    Args:
        engines: from `open_adapters`.
        decoding: how.
    """

    def __init__(self, engines: Mapping[str | None, AdapterEngine], decoding: Decoding) -> None:
        self.decoders = {name: WindowDecoder(engine, decoding) for name, engine in engines.items()}

    def transcripts(
        self,
        clips: Sequence[Clip],
        adapters: Sequence[str | None],
        listen: Listener | None = None,
    ) -> list[ClipTranscript | None]:
        """Texts of a batch, in its order; None for clips without sound.

        Args:
            clips: to decode.
            adapters: of each clip; None for the base alone.
            listen: told of long recordings' windows as they come.

        Raises:
            UserError: there is no adapter of that name.
        """
        unknown = sorted({str(each) for each in adapters if each not in self.decoders})
        if unknown:
            known = ", ".join(sorted(str(each) for each in self.decoders if each is not None))
            raise UserError(f"there is no adapter {unknown[0]}", f"There are: {known or 'none'}.")
        found: list[ClipTranscript | None] = [None] * len(clips)
        for name in dict.fromkeys(adapters):
            places = [place for place, each in enumerate(adapters) if each == name]
            texts = self.decoders[name].transcripts([clips[place] for place in places], listen)
            for place, text in zip(places, texts, strict=True):
                found[place] = text
        return found
