"""Han characters that sound alike, by pypinyin's readings."""

from __future__ import annotations

from functools import cache

SAME_SOUND = "same sound"
OTHER_TONE = "other tone"
NEAR = "near sound"
# Pairs that many speakers of Mandarin do not tell apart.
_MERGED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("l", "n"), ("ng", "n"))


@cache
def sound_relation(reference: str, hypothesis: str) -> str:
    """Say how alike two characters sound.

    Args:
        reference: A token of the reference.
        hypothesis: The token of the hypothesis in its place.

    Returns:
        "same sound" (a reading is equal, with its tone), "other tone", "near sound" (zh and z, ch
        and c, sh and s, l and n, -ng and -n taken as one), or "" for all else.

    Example:
        >>> sound_relation("在", "再"), sound_relation("买", "卖"), sound_relation("山", "三")
        ('same sound', 'other tone', 'near sound')
    """
    ours, theirs = _readings(reference), _readings(hypothesis)
    if not ours or not theirs:
        return ""
    if ours & theirs:
        return SAME_SOUND
    if _toneless(reference) & _toneless(hypothesis):
        return OTHER_TONE
    return NEAR if _merged(reference) & _merged(hypothesis) else ""


@cache
def _readings(token: str) -> frozenset[str]:
    """Return the readings of one Han character, such as {"zai4"}; none for anything else."""
    if len(token) != 1 or not "\u3400" <= token <= "\U0003ffff":
        return frozenset()
    # Imported here: it loads a dictionary, which only Chinese needs.
    from pypinyin import Style, pinyin

    found = pinyin(token, style=Style.TONE3, heteronym=True, neutral_tone_with_five=True)[0]
    return frozenset(reading for reading in found if reading != token)


@cache
def _toneless(token: str) -> frozenset[str]:
    return frozenset(each.rstrip("012345") for each in _readings(token))


@cache
def _merged(token: str) -> frozenset[str]:
    return frozenset(map(_merge, _toneless(token)))


def _merge(syllable: str) -> str:
    for apart, one in _MERGED:
        if syllable.startswith(apart):
            syllable = one + syllable[len(apart) :]
        elif apart == "ng" and syllable.endswith(apart):
            syllable = syllable[:-1]
    return syllable
