"""The demo corpora: FLAC files and manifests of a clinic in Mandarin and a workshop in English."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soundfile

from demo.make.domains import CLINIC, WORKSHOP
from demo.make.general import GENERAL_EN, GENERAL_ZH
from demo.make.templates import Grammar, distinct_sentences
from demo.make.voices import DEMO_SPEAKERS, SAMPLE_RATE, speak
from utils.audio.clip import AudioRef, TimedSentence
from utils.cli.progress import progress
from utils.manifest.utterance import Utterance
from utils.manifest.write import write_manifest

LANGUAGES = ("zh", "en")
PARTS = ("train", "dev", "test")
PEAK = 0.15  # of full scale: an ordinary recording's level, and a quarter less FLAC than at 1.0


# Domain words among everyday ones: with them the base model is wrong, but not lost.
_MIXED = {
    "zh": (
        "{day}{time}{who}去{department}",
        "{who}{day}要去{desk}",
        "{who}的{measure}{value}",
        "{who}的{paper}在哪里",
        "请把{paper}给{who}",
        "请问去{desk}怎么走",
        "{who}在{desk}{errand}",
        "{who}已经{errand}了",
        "因为{symptom}所以{who}没有去{place}",
        "{who}买了{medicine}",
        "桌子上有{number}张{paper}",
        "如果{symptom}我们就去{department}",
    ),
    "en": (
        "where is the {color} {tool}",
        "please bring me the {tool}",
        "please give the {tool} to {whom}",
        "the {machine} belongs to {whom}",
        "{who} wants to check the {machine} {when}",
        "{who} bought the {part}",
        "{who} said that the {part} was {fault}",
        "do not forget to grease the {machine}",
        "it takes {number} hours to replace the {part}",
        "the {color} {machine} is very heavy",
        "do not forget to tighten the {part} {when}",
        "can you clean the {tool} with {whom}",
    ),
}


def demo_grammar(language: str) -> Grammar:
    """Return the grammar of a demo corpus: its domain alone, and among everyday words."""
    domain, general = {"zh": (CLINIC, GENERAL_ZH), "en": (WORKSHOP, GENERAL_EN)}[language]
    templates = [*domain.templates, *_MIXED[language]]
    return Grammar(templates, {**general.words, **domain.words})


@dataclass(frozen=True)
class CorpusSizes:
    """Utterances in each part of each corpus."""

    train: int = 150
    dev: int = 20
    test: int = 50


def make_corpora(folder: Path, sizes: CorpusSizes, seed: int) -> dict[str, list[Utterance]]:
    """Write `<folder>/<language>/<part>.jsonl` with their audio, and both languages together.

    Args:
        folder: the demo folder; its earlier corpora are replaced.
        sizes: of the parts.
        seed: of the sentences.

    Returns:
        The utterances of each manifest by its path within `folder`.
    """
    manifests: dict[str, list[Utterance]] = {}
    for language in LANGUAGES:
        shutil.rmtree(folder / language, ignore_errors=True)
        rng, taken = random.Random(f"{seed} {language}"), set[str]()
        grammar = demo_grammar(language)
        for part in PARTS:
            sentences = distinct_sentences(grammar, getattr(sizes, part), rng, taken)
            spoken = _speak_part(folder / language, language, part, sentences)
            manifests[f"{language}/{part}.jsonl"] = spoken
    for part in ("train", "dev"):
        both = [(lang, item) for lang in LANGUAGES for item in manifests[f"{lang}/{part}.jsonl"]]
        manifests[f"{part}.jsonl"] = [_moved(item, lang) for lang, item in both]
    for name, utterances in manifests.items():
        write_manifest(folder / name, utterances)
    return manifests


def _speak_part(
    folder: Path, language: str, part: str, sentences: Sequence[str]
) -> list[Utterance]:
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    speakers = DEMO_SPEAKERS[language][part]
    spoken = []
    for index, text in enumerate(progress(sentences, desc=f"{language} {part}")):
        speaker = speakers[index % len(speakers)]
        name = f"{language}-{part}-{index:03d}"
        samples = _quiet(speak(text, speaker))
        path = folder / "audio" / f"{name}.flac"
        soundfile.write(path, samples, SAMPLE_RATE, "PCM_16", compression_level=1.0)
        seconds = round(len(samples) / SAMPLE_RATE, 3)
        spoken.append(
            Utterance(
                audio=AudioRef(f"audio/{name}.flac"),
                sentence=text,
                id=name,
                language=language,
                sentences=(TimedSentence(0.0, seconds, text),),
                duration=seconds,
                speaker=speaker.name,
                source="demo",
            )
        )
    return spoken


def _quiet(samples: np.ndarray) -> np.ndarray:
    """Return int16 samples at the demo's peak level."""
    gain = PEAK * 32767 / max(1, int(np.abs(samples.astype(np.int32)).max()))
    return np.round(samples * gain).astype(np.int16)


def _moved(utterance: Utterance, folder: str) -> Utterance:
    """Return the utterance as a manifest one folder further up names it."""
    return replace(
        utterance, audio=replace(utterance.audio, path=f"{folder}/{utterance.audio.path}")
    )
