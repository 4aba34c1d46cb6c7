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
    times = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "")) / 1000
        for slot in root.iter("TIME_SLOT")
        if slot.get("TIME_VALUE", "").isdigit()
    }
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
            yield _cue(annotation, times, speaker, number)


def _cue(
    annotation: ElementTree.Element,
    times: dict[str | None, Seconds],
    speaker: str | None,
    number: int,
) -> Cue:
    start = times.get(annotation.get("TIME_SLOT_REF1"))
    end = times.get(annotation.get("TIME_SLOT_REF2"))
    words = one_line(annotation.findtext("ANNOTATION_VALUE") or "")
    if start is None or end is None:
        bounds = (start or 0.0, FOREVER if end is None else end)
        return Cue(
            *bounds, words, speaker, number, "times that cannot be read: it has no time slot"
        )
    return Cue(start, end, words, speaker, number)
