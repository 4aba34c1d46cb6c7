"""The stages of `make demo-assets`, in order, each taken up where an earlier run left it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import soundfile
import torch

from demo.make.base_corpus import BaseCorpus, make_base_corpus
from demo.make.base_model import BaseTrainer, BaseTraining
from demo.make.compact import CompactVocabulary
from demo.make.corpora import LANGUAGES, CorpusSizes, make_corpora
from demo.make.export import save_base_model
from demo.make.page import AssetFacts, write_page
from demo.make.tokenizer import build_tokenizer, train_bpe, used_text_ids
from demo.make.voices import require_espeak
from utils.cli.console import say
from utils.cli.errors import UserError
from utils.cli.files import atomic_write
from utils.manifest.utterance import Utterance
from utils.scoring.predictions import Prediction
from utils.scoring.score import score_predictions

METRICS = {"zh": "cer", "en": "wer"}
# Held-out general text is scored by the character: a short window and Whisper's own of 30 s.
_WINDOWS = {"short": None, "30 s": 30.0}


@dataclass(frozen=True)
class Plan:
    """What decides the result; a work folder belongs to one plan."""

    utterances: int
    held_out: int
    speakers: int
    vocabulary: int
    steps: int
    seed: int
    corpora: CorpusSizes = field(default_factory=CorpusSizes)


def make_assets(demo_dir: Path, work_dir: Path, plan: Plan, threads: int) -> None:
    """Make corpora, tokenizer, base model and their page.

    Args:
        demo_dir: gets `zh/`, `en/`, `base/`, the joint manifests and `ASSETS.md`.
        work_dir: keeps the base corpus and the training's checkpoints.
        plan: sizes and seed.
        threads: for the training.

    Raises:
        UserError: espeak-ng is missing, or the work folder belongs to another plan.
    """
    require_espeak()
    _claim(work_dir, plan)
    torch.set_num_threads(threads)
    say("1/5 the demo corpora")
    manifests = make_corpora(demo_dir, plan.corpora, plan.seed)
    say("2/5 general speech for the base model")
    corpus = make_base_corpus(
        work_dir / "speech", plan.utterances, plan.held_out, plan.speakers, plan.seed
    )
    say("3/5 the tokenizer")
    bpe = train_bpe(_bpe_pieces(corpus), plan.vocabulary)
    say("4/5 the base model")
    trainer = _train(corpus, bpe, plan, work_dir / "training")
    save_base_model(trainer.model.state_dict(), trainer.vocabulary, bpe, demo_dir / "base")
    say("5/5 its errors")
    tests = {language: manifests[f"{language}/test.jsonl"] for language in LANGUAGES}
    rates = {**held_out_rates(trainer), **demo_rates(trainer, bpe, demo_dir, tests)}
    facts = AssetFacts(asdict(plan), manifests, corpus, trainer.vocabulary.used, rates)
    write_page(demo_dir / "ASSETS.md", facts)
    say(f"wrote {demo_dir / 'base'}, the corpora and {demo_dir / 'ASSETS.md'}")


def _claim(work_dir: Path, plan: Plan) -> None:
    path = work_dir / "plan.json"
    wanted = asdict(plan)
    if path.exists():
        found = json.loads(path.read_text("utf-8"))
        if found != wanted:
            raise UserError(
                f"{work_dir} holds the work of another plan: {found}, asked for: {wanted}",
                f"give another --work_dir, or remove {work_dir}",
            )
        return
    with atomic_write(path) as file:
        json.dump(wanted, file)


def _bpe_pieces(corpus: BaseCorpus) -> Iterator[str]:
    for clip in [*corpus.train, *corpus.words.clips]:
        if clip.language == "en":
            yield f" {clip.text}"  # as every English text begins in Whisper's transcripts
        else:
            yield from clip.text


def _train(
    corpus: BaseCorpus, bpe: tuple[dict[str, int], list[list[str]]], plan: Plan, folder: Path
) -> BaseTrainer:
    tokenizer = build_tokenizer(*bpe)

    def encode(text: str, language: str) -> list[int]:
        lead = " " if language == "en" else ""
        return list(tokenizer.encode(lead + text, add_special_tokens=False).ids)

    vocabulary = CompactVocabulary(used_text_ids(bpe[0]))
    settings = BaseTraining(steps=plan.steps, seed=plan.seed)
    trainer = BaseTrainer(corpus, encode, vocabulary, settings)
    trainer.run(folder, say)
    return trainer


def held_out_rates(trainer: BaseTrainer) -> dict[str, float]:
    """Return token error rates on held-out general speech by `language, window`."""
    return {
        f"general {language}, {name} window": trainer.token_errors(language, window=window)
        for language in LANGUAGES
        for name, window in _WINDOWS.items()
    }


def demo_rates(
    trainer: BaseTrainer,
    bpe: tuple[dict[str, int], list[list[str]]],
    demo_dir: Path,
    tests: dict[str, list[Utterance]],
) -> dict[str, float]:
    """Return the base model's rates on the demo test sets: CER in Mandarin, WER in English."""
    tokenizer = build_tokenizer(*bpe)
    rates = {}
    for language, utterances in tests.items():
        paths = [demo_dir / language / item.audio.path for item in utterances]
        audios = [soundfile.read(path, dtype="float32")[0] for path in paths]
        predictions = [
            Prediction(
                id=item.id,
                reference=item.sentence,
                hypothesis=tokenizer.decode(ids).strip(),
                language=language,
                status="ok",
                audio_seconds=len(audio) / 16000,
                work_seconds=0.0,
            )
            for item, audio, ids in zip(
                utterances, audios, trainer.transcribe(audios, language), strict=True
            )
        ]
        score = score_predictions(predictions, METRICS[language], "none")
        rates[f"demo {language} test, {METRICS[language].upper()}"] = score.rate or 0.0
    return rates
