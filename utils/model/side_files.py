"""Everything a Whisper folder must hold beside its weights so that every other program loads it.

transformers 5 writes fewer files than the programs of the field read: without
`preprocessor_config.json` faster-whisper assumes 80 mel bins, without `vocab.json` the usual GGML
converters stop, without `normalizer.json` the English normalizer is lost on reload.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from transformers import GenerationConfig, WhisperProcessor

SIDE_FILES = (
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "normalizer.json",
)


def save_side_files(
    processor: WhisperProcessor, generation_config: GenerationConfig, folder: Path
) -> None:
    """Write the tokenizer, feature extractor and generation settings in all the usual forms.

    Args:
        processor: of the model.
        generation_config: of the model; what is missing for language detection is filled in.
        folder: an existing model or adapter folder.

    Raises:
        OSError: if the disk is full or the folder cannot be written.
    """
    processor.save_pretrained(folder)
    processor.feature_extractor.save_pretrained(folder)
    processor.tokenizer.backend_tokenizer.model.save(str(folder))
    # A tokenizer without spelling rules gets an empty table: the file itself must be there.
    rules = processor.tokenizer.english_spelling_normalizer or {}
    text = json.dumps(rules, indent=2, ensure_ascii=False) + "\n"
    (folder / "normalizer.json").write_text(text, encoding="utf-8")
    complete_generation_config(generation_config, processor.tokenizer).save_pretrained(folder)


def complete_generation_config(config: GenerationConfig, tokenizer: Any) -> GenerationConfig:
    """A copy that knows the tokenizer's languages, tasks and timestamps.

    CTranslate2 detects no language without `lang_to_id`; fields that are set stay as they are.

    Args:
        config: of the model.
        tokenizer: of the model.
    """
    from utils.manifest.languages import LANGUAGES

    config = copy.deepcopy(config)
    ids = tokenizer.get_vocab()
    if getattr(config, "is_multilingual", None) is None:
        config.is_multilingual = "<|zh|>" in ids and "<|transcribe|>" in ids
    if config.is_multilingual and not getattr(config, "lang_to_id", None):
        names = (f"<|{code}|>" for code in LANGUAGES)
        config.lang_to_id = {name: ids[name] for name in names if name in ids}
    if config.is_multilingual and not getattr(config, "task_to_id", None):
        tasks = ("transcribe", "translate")
        config.task_to_id = {task: ids[f"<|{task}|>"] for task in tasks}
    if getattr(config, "no_timestamps_token_id", None) is None:
        config.no_timestamps_token_id = ids["<|notimestamps|>"]
    return config
