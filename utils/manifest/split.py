"""Train, dev and test parts that share no speaker.

Speakers are drawn at random, language by language, until a part has its share of the seconds; what
is left over trains. So each part has every language in about the proportion of the whole, and the
same seed draws the same speakers.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from utils.audio.clip import Seconds
from utils.cli.errors import UserError
from utils.manifest.utterance import Utterance

PARTS = ("train", "dev", "test")


def parse_shares(text: str) -> dict[str, float]:
    """Read "0.9/0.05/0.05" (train, dev, test) or "0.9/0.1" (train, dev) as shares that sum to 1.

    Raises:
        UserError: they are no numbers above 0, too many, or do not sum to 1.
    """
    try:
        shares = [float(each) for each in text.split("/")]
    except ValueError:
        shares = []
    is_whole = bool(shares) and min(shares) > 0 and abs(sum(shares) - 1) < 1e-6
    if not is_whole or not 2 <= len(shares) <= len(PARTS):
        raise UserError(
            f"--split={text}: expected two or three shares above 0 that sum to 1",
            "0.9/0.05/0.05 gives 90 % to train and 5 % each to dev and test",
        )
    return dict(zip(PARTS, shares, strict=False))


def split_utterances(
    utterances: Sequence[Utterance], shares: Mapping[str, float], by: str, seed: int
) -> dict[str, list[Utterance]]:
    """Deal utterances out to parts.

    Args:
        utterances: with durations; the result does not depend on their order.
        shares: how much of the seconds each part gets; the first part takes the rest.
        by: what stays together: "speaker" (a recording where none is known), "recording" or
            "utterance".
        seed: of the draw.

    Returns:
        The utterances of each part, in the given order.

    Raises:
        UserError: there are fewer speakers (or recordings) than parts.
    """
    groups: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        groups[_group(utterance, by)].append(utterance)
    if len(groups) < len(shares):
        finer = {"speaker": "recording", "recording": "utterance"}.get(by)
        raise UserError(
            f"{len(groups)} {by}{'s' * (len(groups) != 1)} cannot make {len(shares)} parts "
            f"that share none",
            f"take fewer parts, or --split_by={finer}" if finer else "take fewer parts",
        )
    seconds = {name: sum(each.duration or 0.0 for each in one) for name, one in groups.items()}
    part_of = _draw(_strata(groups), seconds, shares, random.Random(seed))
    parts: dict[str, list[Utterance]] = {part: [] for part in shares}
    for utterance in utterances:
        parts[part_of[_group(utterance, by)]].append(utterance)
    return parts


def _group(utterance: Utterance, by: str) -> str:
    if by == "utterance":
        return utterance.id
    if by == "speaker" and utterance.speaker is not None:
        return f"speaker {utterance.speaker}"
    return f"recording {utterance.audio.path} {utterance.audio.offset or 0}"


def _strata(groups: Mapping[str, Sequence[Utterance]]) -> list[list[str]]:
    """Return the groups of each language, that of most of a group's utterances."""
    strata: dict[str, list[str]] = defaultdict(list)
    for name in sorted(groups):
        languages = [each.language or "" for each in groups[name]]
        strata[max(sorted(set(languages)), key=languages.count)].append(name)
    return [strata[language] for language in sorted(strata)]


def _draw(
    strata: Sequence[Sequence[str]],
    seconds: Mapping[str, Seconds],
    shares: Mapping[str, float],
    draw: random.Random,
) -> dict[str, str]:
    """Return the part of each group."""
    train, *others = shares
    part_of: dict[str, str] = {}
    # What a part lacks is carried over, so that many small languages fill it together.
    wanted = dict.fromkeys(others, 0.0)
    for stratum in strata:
        total = sum(seconds[name] for name in stratum)
        for part in others:
            wanted[part] += shares[part] * total
        for name in draw.sample(stratum, len(stratum)):
            # Taken where it brings the part nearer to its share.
            taker = next((part for part in others if seconds[name] < 2 * wanted[part]), train)
            part_of[name] = taker
            if taker != train:
                wanted[taker] -= seconds[name]
    _fill_empty_parts(part_of, seconds, shares)
    return part_of


def _fill_empty_parts(
    part_of: dict[str, str], seconds: Mapping[str, Seconds], shares: Mapping[str, float]
) -> None:
    """Give each part that got nothing the smallest group of the part with most groups."""
    for part in shares:
        if part in part_of.values():
            continue
        taken = list(part_of.values())
        richest = max(shares, key=taken.count)
        smallest = min((n for n in part_of if part_of[n] == richest), key=lambda n: (seconds[n], n))
        part_of[smallest] = part
