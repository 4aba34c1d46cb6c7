"""ELAN's .eaf: tiers of annotations in XML, whose times stand in a table of their own.

https://www.mpi.nl/tools/elan/EAF_Annotation_Format_3.0_and_ELAN.pdf
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from utils.audio.clip import Seconds
from utils.sources.files import one_line
from utils.sources.text.cues import FOREVER, Cue

# A file of ELAN's declares no entities; what does would be made to unfold into gigabytes.
_DECLARATION = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def read_eaf(text: str, tier: str | None) -> Iterator[Cue]:
    """Yield the annotations of the tiers that depend on no other, or of the one that is named.

    Raises:
        ValueError: it is no such file, or has no such tier.
    """
    if _DECLARATION.search(text):
        raise ValueError("it declares entities, which no file of ELAN's does")
    try:
        root = ElementTree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text))
    except ElementTree.ParseError as error:
        raise ValueError(f"no XML: {error}") from None
    slots = _slots(root)
    tiers = list(root.iter("TIER"))
    if tier is None:
        wanted = [each for each in tiers if each.get("PARENT_REF") is None]
    else:
        wanted = [each for each in tiers if each.get("TIER_ID") == tier]
    wanted = [each for each in wanted if next(each.iter("ALIGNABLE_ANNOTATION"), None) is not None]
    if not wanted:
        names = ", ".join(str(each.get("TIER_ID")) for each in tiers) or "none"
        raise ValueError(f"no tier of annotations with times {tier or ''}; it has {names}")
    for number, each in enumerate(wanted):
        speaker = each.get("PARTICIPANT") or each.get("TIER_ID")
        for annotation in each.iter("ALIGNABLE_ANNOTATION"):
            yield _cue(annotation, slots, speaker, number)


def _slots(root: ElementTree.Element) -> dict[str | None, tuple[Seconds, Seconds]]:
    """Return between which times each slot lies; of one that has a time, both are that."""
    slots = list(root.iter("TIME_SLOT"))
    known = [each.get("TIME_VALUE", "") for each in slots]
    times = [int(value) / 1000 if value.isdigit() else None for value in known]
    bounds = {}
    for number, each in enumerate(slots):
        before = next((time for time in times[number::-1] if time is not None), 0.0)
        after = next((time for time in times[number:] if time is not None), FOREVER)
        bounds[each.get("TIME_SLOT_ID")] = (before, after)
    return bounds


def _cue(
    annotation: ElementTree.Element,
    slots: dict[str | None, tuple[Seconds, Seconds]],
    speaker: str | None,
    number: int,
) -> Cue:
    first, last = (
        slots.get(annotation.get(f"TIME_SLOT_REF{each}"), (0.0, FOREVER)) for each in (1, 2)
    )
    words = one_line(annotation.findtext("ANNOTATION_VALUE") or "")
    is_known = first[0] == first[1] and last[0] == last[1]
    problem = "" if is_known else "times that cannot be read: it has no time slot"
    return Cue(first[0], last[1], words, speaker, number, problem)
