"""The stages of `real_base.py`, in order, each taken up where an earlier run left it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from transformers import GenerationConfig, WhisperProcessor
from transformers.utils import logging as transformers_logging

from benchmarks.real.decoder import (
    ALIGNMENT_HEADS,
    DecoderTrainer,
    DecoderTraining,
    decoder_config,
    initialise,
)
from benchmarks.real.sets import SETS, plain_text, read_utterances, require_data
from benchmarks.real.states import Encoded, encode_clips, restore, store
from benchmarks.real.texts import HSK, LJ, Amounts, make_clips
from benchmarks.real.vocabulary import UsedVocabulary
from demo.make.voices import require_espeak
from utils.audio.features import WINDOW_FRAMES, LogMel
from utils.cli.console import say
from utils.data.labels import LabelEncoder
from utils.model.audio_context.encoder import FlexibleWhisper
from utils.model.folders import save_model, write_folder
from utils.model.load import check_model_path

# It knows the words already: short batches, a lower rate, and no help for the attention.
FULL_TRAINING = DecoderTraining(
    batch_size=16, learning_rate=3e-4, warmup_steps=15, guided_steps=1, save_every=50
)


def make_base(
    *,
    encoder: str,
    data_dir: Path,
    work_dir: Path,
    share: float,
    steps: int,
    full_share: float,
    full_steps: int,
    seed: int,
    threads: int,
) -> None:
    """Make the base model in `<work_dir>/base`, and one for 30 s windows in `base-30s`.

    Args:
        encoder: folder of a Whisper whose encoder is taken over.
        data_dir: folder of the recorded speech.
        work_dir: keeps the encoder states and the training's checkpoint too.
        share: of the usual number of clips.
        steps: of the decoder's training.
        full_share: of the usual number of clips, for 30 s windows.
        full_steps: of the training on these.
        seed: of every choice.
        threads: of torch.

    Raises:
        UserError: espeak-ng or the data are missing.
    """
    began = time.monotonic()
    require_espeak()
    folders = [real.folder for real in SETS.values()]
    require_data(data_dir, [*folders, HSK.split("/")[0], LJ.split("/")[0]])
    check_model_path(encoder)
    torch.set_num_threads(threads)
    transformers_logging.set_verbosity_error()  # it would list the decoder's missing weights
    transformers_logging.disable_progress_bar()
    processor = WhisperProcessor.from_pretrained(encoder)
    donor = FlexibleWhisper.from_pretrained(encoder, dtype=torch.float32).eval()
    say("1/3 speech, and the encoder's states of it")
    clips = _encoded(donor, processor, data_dir, work_dir / "states", (share, seed, None))
    say(f"{len(clips)} clips, {sum(c.end - c.begin for c in clips) / 50 / 3600:.2f} h of speech")
    say("2/3 the decoder")
    labels = LabelEncoder(processor.tokenizer)
    vocabulary = _vocabulary(labels, clips, data_dir, donor.config.vocab_size)
    model = _new_model(donor, vocabulary, labels, seed)
    training = DecoderTraining(steps=steps, seed=seed)
    DecoderTrainer(model, clips, labels, vocabulary, training).run(work_dir / "training", say)
    _save(_whole(model, donor, vocabulary), processor, work_dir / "base", "dynamic")
    if full_steps:
        say("3/3 the decoder for 30 s windows")
        other = (full_share, seed + 1, WINDOW_FRAMES)
        clips = _encoded(donor, processor, data_dir, work_dir / "states-30s", other)
        training = replace(FULL_TRAINING, steps=full_steps, seed=seed)
        trainer = DecoderTrainer(model, clips, labels, vocabulary, training)
        trainer.run(work_dir / "training-30s", say)
        _save(_whole(model, donor, vocabulary), processor, work_dir / "base-30s", "full")
    say(f"{(time.monotonic() - began) / 60:.0f} minutes in this run")


def _save(model: FlexibleWhisper, processor: WhisperProcessor, target: Path, context: str) -> None:
    write_folder(target, lambda folder: save_model(model, processor, folder, context))
    say(f"wrote {target}")


def _encoded(
    donor: FlexibleWhisper,
    processor: WhisperProcessor,
    data_dir: Path,
    folder: Path,
    kind: tuple[float, int, int | None],
) -> list[Encoded]:
    """States of clips of a kind: share of the usual number, seed, frames of the window."""
    share, seed, window = kind
    stored = restore(folder)
    if stored is not None:
        return stored
    amounts = Amounts() if share == 1 else Amounts().scaled(share)
    clips = make_clips(data_dir, amounts, seed)
    log_mel = LogMel(processor.feature_extractor.mel_filters)
    encoded = encode_clips(donor, log_mel, clips, seed, window)
    store(folder, encoded)
    return encoded


def _vocabulary(
    labels: LabelEncoder, clips: Sequence[Encoded], data_dir: Path, full_size: int
) -> UsedVocabulary:
    """Return the tokens of all texts, of the train parts, and the prompt's."""
    used = {labels.end, *range(256)}  # every byte, of which unknown characters can be made
    for language, real in SETS.items():
        used.update(labels.prompt(language))
        for item in read_utterances(data_dir, f"{real.folder}/train"):
            used.update(labels.text_ids(plain_text(item.sentence), language))
    for clip in clips:
        used.update(labels.text_ids(clip.text, clip.language))
    return UsedVocabulary.of(used, full_size)


def _new_model(
    donor: FlexibleWhisper, vocabulary: UsedVocabulary, labels: LabelEncoder, seed: int
) -> FlexibleWhisper:
    """Return a model with the donor's encoder, frozen, and a new decoder."""
    torch.manual_seed(seed)
    start, end = (vocabulary.compact_id(token) for token in (labels.start, labels.end))
    config = decoder_config(donor.config, vocabulary.size, start, end)
    config._attn_implementation = "eager"  # the only one that tells where it attends
    config.dropout = DecoderTraining.dropout
    model = FlexibleWhisper(config)
    initialise(model)
    model.model.encoder.load_state_dict(donor.model.encoder.state_dict())
    model.model.encoder.requires_grad_(False)
    return model


def _whole(
    model: FlexibleWhisper, donor: FlexibleWhisper, vocabulary: UsedVocabulary
) -> FlexibleWhisper:
    """Return the stock model with the full vocabulary, float32."""
    state = {k: v for k, v in model.state_dict().items() if k != "proj_out.weight"}
    name = "model.decoder.embed_tokens.weight"
    state[name] = vocabulary.expand(state[name])
    stock = donor.config
    ends = stock.decoder_start_token_id, stock.eos_token_id
    full = FlexibleWhisper(decoder_config(stock, stock.vocab_size, *ends))
    full.load_state_dict(state, strict=False)
    full.tie_weights()
    generation = GenerationConfig.from_dict(donor.generation_config.to_dict())
    generation.alignment_heads = ALIGNMENT_HEADS
    full.generation_config = generation
    return full.eval()
