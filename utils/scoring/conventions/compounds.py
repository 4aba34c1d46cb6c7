"""Compounds written together or apart: ice cream, ice-cream, icecream (kaldialign's way)."""

from __future__ import annotations

from utils.cli.extras import expect_installed

NAME = "compounds@1"
_GAP = "\0"


def expect_kaldialign() -> None:
    """Refuse to go on without the library.

    Raises:
        UserError: kaldialign is not installed.
    """
    expect_installed("kaldialign", "--merge_compounds=True")


def merge_compounds(reference: str, hypothesis: str) -> str:
    """Write a hypothesis's compounds as the reference does, wherever their letters are the same.

    Args:
        reference: Normalised, hyphens as spaces.
        hypothesis: The same.

    Example:
        "an icecream or two" beside "an ice cream or two" -> "an ice cream or two"
    """
    if reference == hypothesis:
        return hypothesis
    import kaldialign

    pairs = kaldialign.align(reference.split(), hypothesis.split(), _GAP, merge_compounds=True)
    words = []
    for expected, found in pairs:
        is_compound = expected != found and expected.replace(" ", "") == found.replace(" ", "")
        words.append(expected if is_compound else found)
    return " ".join(word for word in words if word != _GAP)
