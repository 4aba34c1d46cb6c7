"""The card of an uploaded model: data, settings, score, limits, and its relation to its base."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from utils.cli.console import printable

CHOSEN = """\
- The dev set chose this checkpoint among several, so its error rate is a little too low. Score a
  test set with `evaluation.py` before you rely on it.
"""
LIMITS = """\
- The rate holds for speech like that of the dev set. It says nothing of other languages, rooms or
  speakers, and fine-tuning can make these worse.
- Whisper can hallucinate fluent text where there is no speech."""
UNSCORED = "These weights were not scored. Score a test set with `evaluation.py`."
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_DIGEST = "(SHA-256)"


@dataclass(frozen=True)
class ModelOrigin:
    """What a card says.

    Attributes:
        title: of the card.
        base: the base model's hub name or folder; a folder is not named.
        relation: "adapter" or "finetune", as the hub's `base_model_relation` has it.
        licence: as the hub spells it.
        best: `best.json` of the checkpoint; empty where it has none.
        is_scored: whether the score in `best` is that of these weights.
        changes: sentences on what was done after training.
    """

    title: str
    base: str
    relation: str
    licence: str
    best: Mapping[str, Any] = field(default_factory=dict)
    is_scored: bool = True
    changes: tuple[str, ...] = ()

    @property
    def has_score(self) -> bool:
        """Whether the card can state an error rate."""
        return self.is_scored and type(self.best.get("error")) in (int, float)


def is_hub_name(base: str) -> bool:
    """Whether a base model is named as on the hub, `openai/whisper-tiny`, and is no folder."""
    return bool(_HUB_NAME.fullmatch(base)) and not Path(base).exists()


def format_card(origin: ModelOrigin) -> str:
    """Return the card, Markdown with a YAML head that the hub reads."""
    base = origin.base if is_hub_name(origin.base) else None
    head = {
        "license": origin.licence,
        "language": origin.best.get("languages"),
        "library_name": "peft" if origin.relation == "adapter" else "transformers",
        "pipeline_tag": "automatic-speech-recognition",
        "tags": ["whisper"],
        "base_model": base,
        "base_model_relation": base and origin.relation,
        "metrics": [origin.best["metric"]] if origin.has_score else None,
    }
    given = {key: value for key, value in head.items() if value}
    what = "An adapter for" if origin.relation == "adapter" else "Fine-tuned from"
    lines = [f"{what} {base or 'a Whisper model that is not on the hub'}.", *origin.changes]
    identity = origin.best.get("identity") or {}
    parts = [
        f"---\n{yaml.safe_dump(given, sort_keys=False, allow_unicode=True)}---",
        f"# {origin.title}",
        " ".join(lines),
        f"## Score\n\n{_score(origin)}",
        f"## Limits\n\n{CHOSEN if origin.has_score else ''}{LIMITS}",
    ]
    if identity:
        parts += [
            f"## Data\n\n{_data(origin.best, identity)}",
            f"## Settings\n\n{_settings(identity)}",
        ]
    return printable("\n\n".join(parts) + "\n")


def _score(origin: ModelOrigin) -> str:
    if not origin.has_score:
        return UNSCORED
    best = origin.best
    interval = best.get("interval")
    between = f"{interval[0]:.2%} to {interval[1]:.2%}" if interval else "too few utterances"
    count = (best.get("identity") or {}).get("dev utterances", "")
    return (
        "| set | utterances | rate | 95 % interval |\n|---|---|---|---|\n"
        f"| dev | {count} | {best['metric'].upper()} {best['error']:.2%} | {between} |\n\n"
        f"Scored after step {best['step']}, on text without punctuation, Chinese in simplified "
        "characters."
    )


def _data(best: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """How much was learned from, and digests that tell whether two runs had the same data."""
    lines = []
    for name in ("train", "dev"):
        hours = best.get(f"{name}_hours")
        size = f"{identity.get(f'{name} utterances')} utterances"
        size += f", {hours:.2f} h" if hours is not None else ""
        digest = identity.get(f"{name} manifest {_DIGEST}")
        lines.append(f"- {name}: {size}; manifest `sha256:{digest}`")
    return "\n".join(lines)


def _settings(identity: Mapping[str, Any]) -> str:
    """The settings that were set, without digests and without what may be a path."""
    rows = [
        f"| {name} | {value} |"
        for name, value in identity.items()
        if type(value) in (bool, int, float, str)
        and not name.endswith((_DIGEST, " utterances"))
        and not (type(value) is str and re.search(r"[/\\\\|\n]", value))
    ]
    return "\n".join(["| setting | value |", "|---|---|", *rows])
