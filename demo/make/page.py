"""`demo/ASSETS.md`: how the demo's assets were made, and how good the base model is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from demo.make.base_corpus import BaseCorpus
from demo.make.voices import BASE_VARIANTS, DEMO_SPEAKERS, espeak_version
from utils.cli.files import atomic_write
from utils.manifest.utterance import Utterance


@dataclass(frozen=True)
class AssetFacts:
    """What the page tells."""

    plan: Mapping[str, int]
    manifests: Mapping[str, Sequence[Utterance]]
    corpus: BaseCorpus
    used_tokens: int
    rates: Mapping[str, float]


def write_page(path: Path, facts: AssetFacts) -> None:
    """Write the page."""
    sections = [_HEAD, _corpora(facts), _speakers(), _base(facts), _rates(facts)]
    with atomic_write(path) as file:
        file.write("\n\n".join(sections) + "\n")


_HEAD = """# The demo's assets

Made by `make demo-assets` (`python demo/make`) from nothing but the sentence templates in
`demo/make/` and the speech synthesiser espeak-ng. Nothing was recorded, nothing downloaded.
Run again, it makes the same sentences, speech and batches; weights may differ in their last
digits from one machine to the next."""


def _minutes(utterances: Sequence[Utterance]) -> float:
    return sum(utterance.duration or 0.0 for utterance in utterances) / 60


def _corpora(facts: AssetFacts) -> str:
    lines = [
        "## Corpora",
        "",
        "`zh` is a clinic's reception in Mandarin, `en` a machine workshop in English: words and",
        "voices that the base model has hardly heard. No speaker and no sentence is in two parts.",
        "16 kHz, mono, 16 bit FLAC.",
        "",
        "| manifest | utterances | minutes | speakers |",
        "|---|---|---|---|",
    ]
    for name, utterances in facts.manifests.items():
        speakers = len({utterance.speaker for utterance in utterances})
        lines.append(f"| `{name}` | {len(utterances)} | {_minutes(utterances):.1f} | {speakers} |")
    return "\n".join(lines)


def _speakers() -> str:
    lines = [
        "## Speakers",
        "",
        f"Synthesiser: {espeak_version()}",
        "",
        "| speaker | part | espeak-ng voice | pitch | speed |",
        "|---|---|---|---|---|",
    ]
    for parts in DEMO_SPEAKERS.values():
        for part, speakers in parts.items():
            for one in speakers:
                row = f"| {one.name} | {part} | `{one.voice}` | {one.pitch} | {one.speed} |"
                lines.append(row)
    return "\n".join(lines)


def _base(facts: AssetFacts) -> str:
    corpus = facts.corpus
    sentence_hours = sum(clip.seconds for clip in corpus.train) / 3600
    word_hours = sum(clip.seconds for clip in corpus.words.clips) / 3600
    variants = ", ".join(f"`{variant or 'plain'}`" for variant in BASE_VARIANTS)
    plan = facts.plan
    return f"""## Base model

`demo/base/` is a `WhisperForConditionalGeneration`: 128 wide, 2 heads of 64, 3 + 3 layers, 80 mel
bins, 1,500 encoder positions. Its tokenizer is a byte-level BPE of {facts.used_tokens} tokens, laid
out like Whisper's multilingual one (51,865 ids); unused ids hold placeholders that match no text,
and all their embedding rows are equal.

- Speech: {len(corpus.train)} general sentences, {sentence_hours:.1f} hours, half Mandarin, half
  English; {len(corpus.words.clips)} single words, {word_hours:.1f} hours, by {plan["speakers"]}
  speakers in each language. Plain accents, espeak-ng variants {variants}; seed {plan["seed"]}.
- Training: {plan["steps"]} steps of 32 examples. Half of them are sentences; the other half are
  random strings of words, made anew each time, in which no grammar helps to guess: they teach the
  model to listen. Beside the cross-entropy, CTC trains the encoder, and where the words' times are
  known two decoder heads learn to look there: the `alignment_heads`. Each clip stands at a random
  place in a window as long as its batch needs; 4 % of the batches fill 30 s windows, so that the
  model serves both ways. 20 % with timestamps, a few without speech. Seed {plan["seed"]}."""


def _rates(facts: AssetFacts) -> str:
    lines = [
        "## Errors of the base model",
        "",
        "General: held-out sentences, errors a text token. Demo: before any fine-tuning.",
        "",
        "| set | error |",
        "|---|---|",
        *(f"| {name} | {100 * rate:.1f} % |" for name, rate in facts.rates.items()),
    ]
    return "\n".join(lines)
