"""What this project overrides or touches inside its libraries, by name.

Everything here may change with any release within the ranges of requirements.txt. A test that fails
names the library's part that changed and the file that depends on it; `make test-oldest` and
`make test-newest` run them at both ends of the ranges.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import WhisperForConditionalGeneration

import utils
from utils.model.audio_context.encoder import CACHE, FlexibleWhisper
from utils.model.audio_context.token_merging import weigh_keys
from utils.model.load import load_model

LIBRARIES = ("transformers", "peft", "accelerate", "deepspeed")
TOUCHED = {
    # torch: one compilation for all lengths (utils/model/compilation.py)
    "torch._dynamo:maybe_mark_dynamic": "utils/model/compilation.py",
    "torch._dynamo.config:recompile_limit": "utils/model/compilation.py",
    "torch._dynamo.config:accumulated_recompile_limit": "utils/model/compilation.py",
    # Whisper: the encoder computed part by part, and no padding to 30 s
    "transformers.models.whisper.modeling_whisper:sinusoids": (
        "utils/model/audio_context/encoder.py"
    ),
    "transformers.generation:GenerationMixin.generate": "utils/model/audio_context/encoder.py",
    # peft: a merged model is a plain one (utils/model/adapters/merging.py)
    "transformers:PreTrainedModel._hf_peft_config_loaded": "utils/model/adapters/merging.py",
    # Decoding (utils/transcription/engines)
    "transformers.cache_utils:EncoderDecoderCache.batch_select_indices": (
        "utils/transcription/engines/greedy.py"
    ),
    "transformers.generation.logits_process:WhisperTimeStampLogitsProcessor": (
        "utils/transcription/engines/transformers.py"
    ),
}
"""Private or unpublished names of the libraries -> the one file that uses each. Those of training
are in tests/training/test_library_hooks.py."""


@pytest.mark.parametrize("name", TOUCHED)
def test_the_library_still_has(name: str) -> None:
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for part in path.split("."):
        assert hasattr(found, part), f"{name} is gone; {TOUCHED[name]} depends on it"
        found = getattr(found, part)


@pytest.mark.parametrize("name", TOUCHED)
def test_the_file_still_uses(name: str) -> None:
    last = name.rpartition(":")[2].rpartition(".")[2]
    assert last in Path(TOUCHED[name]).read_text(encoding="utf-8")


def overrides() -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """Our methods that stand in the place of a library's: name, ours, the library's."""
    for info in pkgutil.walk_packages(utils.__path__, "utils."):
        try:
            module = importlib.import_module(info.name)
        except ImportError:  # an extra that is not installed
            continue
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == info.name:
                yield from overrides_of(cls)


def overrides_of(cls: type) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    for name, ours in vars(cls).items():
        # The library tells processors of logits apart by what their `__call__` names.
        if not inspect.isfunction(ours) or name in ("__init__", "__call__"):
            continue
        for base in cls.__mro__[1:]:
            theirs = vars(base).get(name)
            if inspect.isfunction(theirs) and base.__module__.split(".")[0] in LIBRARIES:
                yield f"{cls.__module__}.{cls.__qualname__}.{name}", ours, theirs
                break


def test_overrides_take_what_they_do_not_use() -> None:
    """By position and by name, all that the library's method takes, and names still to come."""
    refused, seen = [], 0
    for name, ours, theirs in overrides():
        seen += 1
        mine = inspect.signature(ours, follow_wrapped=False)
        known = list(inspect.signature(theirs).parameters.values())
        plain = [p.name for p in known if p.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
        try:
            mine.bind(*plain)
            more = {"a_name_to_come": None} if len(plain) > 1 else {}
            mine.bind("self", **dict.fromkeys(plain[1:]), **more)
        except TypeError as error:
            refused.append(f"{name}: {error}")
        # A name of the library's that came before another is in the same place here.
        order = [p for p in mine.parameters if p in plain]
        if order != [p for p in plain if p in order]:
            refused.append(f"{name}: other order {order}")
    assert seen >= 20
    assert not refused, "\n".join(refused)


def test_no_class_of_the_library_is_replaced(tiny_model: Path) -> None:
    """But for the parts that are ours: encoder, model, projection; the rest is as it is loaded."""
    stock = WhisperForConditionalGeneration.from_pretrained(tiny_model)
    ours = load_model(str(tiny_model)).model
    other = {
        name
        for (name, mine), theirs in zip(ours.named_modules(), stock.modules(), strict=True)
        if type(mine) is not type(theirs)
    }
    assert other == {"", "model", "model.encoder", "proj_out"}


def test_constructors_leave_nothing_out(tiny_model: Path) -> None:
    """Ours build the parts themselves: what the library's constructors set is there too."""
    stock = WhisperForConditionalGeneration.from_pretrained(tiny_model)
    ours = FlexibleWhisper.from_pretrained(tiny_model)
    for part in ("", "model", "model.encoder"):
        mine, theirs = ours.get_submodule(part), stock.get_submodule(part)
        missing = set(vars(theirs)) - set(vars(mine))
        assert not missing, f"{type(mine).__name__} lacks {missing} of the library's constructor"


def test_attention_is_given_its_states_by_name(tiny_model: Path) -> None:
    """`weigh_keys` reads `key_value_states` and `attention_mask` by their names."""
    whisper = load_model(str(tiny_model)).whisper
    attention, seen = whisper.model.decoder.layers[0].encoder_attn, []

    def look(_: Any, args: Any, kwargs: dict[str, Any]) -> None:
        seen.append(set(kwargs))

    attention.register_forward_pre_hook(look, with_kwargs=True, prepend=True)
    ids = torch.tensor([[50258]])
    with torch.no_grad():
        whisper(torch.zeros(1, 80, 100), decoder_input_ids=ids, merge_stride=4)
    assert {"key_value_states", "attention_mask", "merge_stride"} <= seen[0]


def test_without_a_stride_attention_is_handed_what_it_was_given() -> None:
    given = {"key_value_states": torch.zeros(1, 5, 2), "anything": 3}
    assert weigh_keys(None, (1, 2), dict(given)) == ((1, 2), given)


def test_the_decoder_takes_its_cache_by_the_name_that_is_given(tiny_model: Path) -> None:
    whisper = load_model(str(tiny_model)).whisper
    assert CACHE in inspect.signature(whisper.model.decoder.forward).parameters
