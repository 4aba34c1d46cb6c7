"""One base in memory, an adapter for each request: texts are those of each adapter merged."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from utils.audio.load import load_audio
from utils.cli.errors import UserError
from utils.manifest.read import read_manifest
from utils.model.load import load_model
from utils.transcription.clips import Clip
from utils.transcription.decoding import Decoding
from utils.transcription.engines.adapters import AdapterDecoder, open_adapters
from utils.transcription.engines.transformers import TransformersEngine
from utils.transcription.windows import WindowDecoder


def write_adapter(base: Path, folder: Path, seed: int, **options: Any) -> Path:
    """An adapter as peft saves it, with random weights strong enough to change the text."""
    torch.manual_seed(seed)
    config = LoraConfig(**{"r": 4, "target_modules": ["q_proj", "v_proj", "fc1"], **options})
    model = get_peft_model(load_model(str(base)).model, config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.15)
    model.peft_config["default"].base_model_name_or_path = str(base)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(demo_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("adapters")
    dora = {"r": 2, "target_modules": ["k_proj", "out_proj"], "use_dora": True}
    return {
        "news": str(write_adapter(demo_model, folder / "news", 1)),
        "medical": str(write_adapter(demo_model, folder / "medical", 2, **dora)),
    }


@pytest.fixture(scope="module")
def clips(demo_model: Path) -> list[Clip]:
    sets = [list(read_manifest(demo_model.parent / name / "test.jsonl")) for name in ("zh", "en")]
    return [Clip(each, load_audio(each.audio)) for found in sets for each in found[:3]]


def texts(found: Any) -> list[str]:
    return [each.text for each in found]


def merged_texts(base: Path, path: str | None, clips: list[Clip], decoding: Decoding) -> list[str]:
    loaded = load_model(str(base))
    if path is not None:
        loaded = load_model(path)
        assert isinstance(loaded.model, PeftModel)
        loaded.model.merge_and_unload()
    return texts(WindowDecoder(TransformersEngine(loaded), decoding).transcripts(clips))


def test_a_mixed_batch_says_what_each_merged_adapter_says(demo_model, adapters, clips):
    decoding = Decoding(language="zh", max_new_tokens=30)
    decoder = AdapterDecoder(open_adapters(str(demo_model), adapters), decoding)
    wanted: list[str | None] = ["news", None, "medical", "medical", "news", None]
    found = texts(decoder.transcripts(clips, wanted))
    for name in (None, *adapters):
        places = [place for place, each in enumerate(wanted) if each == name]
        path = adapters[name] if name else None
        expected = merged_texts(demo_model, path, [clips[i] for i in places], decoding)
        assert [found[i] for i in places] == expected
    # Again, in another order: nothing is left of the adapter before.
    assert texts(decoder.transcripts(clips[::-1], wanted[::-1])) == found[::-1]
    assert len(set(found)) > 3
    with pytest.raises(UserError, match="there is no adapter law") as caught:
        decoder.transcripts(clips[:1], ["law"])
    assert caught.value.hint == "There are: medical, news."


def test_threads_that_want_different_adapters_do_not_mix_them(demo_model, adapters, clips):
    decoding = Decoding(language="en", max_new_tokens=20)
    engines = open_adapters(str(demo_model), adapters)
    alone = {n: texts(WindowDecoder(e, decoding).transcripts(clips)) for n, e in engines.items()}
    found: dict[str | None, list[list[str]]] = {name: [] for name in engines}

    def work(name: str | None) -> None:
        decoder = WindowDecoder(engines[name], decoding)
        found[name].extend(texts(decoder.transcripts(clips)) for _ in range(2))

    threads = [threading.Thread(target=work, args=(name,)) for name in engines]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == {name: [said, said] for name, said in alone.items()}


def test_the_base_is_in_memory_once(demo_model, adapters):
    engines = open_adapters(str(demo_model), adapters)
    weights = {id(each.whisper.model.encoder.conv1.weight) for each in engines.values()}
    assert len(weights) == 1
    assert engines["news"].path == adapters["news"]


def test_an_adapter_of_another_base_is_refused(demo_model, tiny_model, adapters, tmp_path):
    other = write_adapter(tiny_model, tmp_path / "other", 3)
    with pytest.raises(UserError, match="is of the base model"):
        open_adapters(str(demo_model), {**adapters, "other": str(other)})
    with pytest.raises(UserError, match="holds no adapter"):
        open_adapters(str(demo_model), {"plain": str(demo_model)})
