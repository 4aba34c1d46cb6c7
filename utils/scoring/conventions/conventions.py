"""Which conventions a score keeps to, and what they make of a reference and a hypothesis."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from utils.cli.errors import UserError
from utils.scoring.conventions.alternatives import choose, has_alternatives, read_lattice
from utils.scoring.conventions.compounds import NAME as COMPOUNDS
from utils.scoring.conventions.compounds import expect_kaldialign, merge_compounds
from utils.scoring.conventions.glm import HYPOTHESIS, REFERENCE, Glm, read_glm

ALTERNATIVES = "alternatives@1"
GLM_FILE = "rules.glm"
Normalize = Callable[[str], str]
_STATED = re.compile(r"/[^+]*")


@dataclass(frozen=True)
class Conventions:
    """What is taken as equal, beside what the normalizer makes equal.

    Attributes:
        alternatives: Whether references hold alternatives in braces.
        compounds: Whether words written together or apart are equal.
        glm: Rules of a GLM file; they bring alternatives.
    """

    alternatives: bool = False
    compounds: bool = False
    glm: Glm | None = None

    @property
    def suffix(self) -> str:
        """What the normalizer's name ends with; "" where nothing is applied."""
        names = [self.glm.name] if self.glm else []
        names += [ALTERNATIVES] if self.alternatives else []
        names += [COMPOUNDS] if self.compounds else []
        return "".join(f"/{name}" for name in names)

    @property
    def chooses(self) -> bool:
        """Whether two hypotheses may have different references."""
        return self.alternatives or self.glm is not None

    def settle(self, reference: str, hypothesis: str, normalize: Normalize) -> tuple[str, str]:
        """Return the texts that count, as a person would write them.

        Args:
            reference: As it came, with alternatives perhaps.
            hypothesis: As it came.
            normalize: The normalizer of the utterance, for parts of a text as well.

        Raises:
            UserError: Braces of the reference do not pair.
        """
        if self.glm is not None:
            reference = self.glm.apply(reference, REFERENCE)
            hypothesis = self.glm.apply(hypothesis, HYPOTHESIS)
        if not self.chooses or not (has_alternatives(reference) or has_alternatives(hypothesis)):
            return reference, hypothesis
        if self.glm is None and has_alternatives(hypothesis):
            # The model's own braces mean nothing.
            return self._choose(reference, re.sub("[{}|]", " ", hypothesis), normalize)
        return self._choose(reference, hypothesis, normalize)

    def _choose(self, reference: str, hypothesis: str, normalize: Normalize) -> tuple[str, str]:
        # Words, or characters where a language has no spaces: the errors of either are fewest
        # along the same path but for odd cases.
        def tokens(text: str) -> list[str]:
            normal = normalize(text)
            return normal.split() if " " in normal or normal.isascii() else list(normal)

        sides = (read_lattice(text, tokens) for text in (reference, hypothesis))
        return choose(*sides)

    def merged(self, reference: str, hypothesis: str) -> str:
        """Return a normalised hypothesis with its compounds as its reference has them."""
        return merge_compounds(reference, hypothesis) if self.compounds else hypothesis


def read_conventions(alternatives: bool, compounds: bool, glm: str | None) -> Conventions | None:
    """Read what the flags ask for; None where that is nothing.

    Raises:
        UserError: The GLM file cannot be used, or kaldialign is not installed.
    """
    if compounds:
        expect_kaldialign()
    rules = None if glm is None else read_glm(glm)
    return Conventions(alternatives, compounds, rules) if alternatives or compounds or glm else None


def chooses_references(normalizer: str) -> bool:
    """Tell by a stated normalizer whether two models may have different references."""
    return f"/{ALTERNATIVES}" in normalizer or "/glm@" in normalizer


def without_conventions(normalizer: str) -> str:
    """Return a stated normalizer without the conventions behind it."""
    return _STATED.sub("", normalizer)


def stated_conventions(normalizer: str, folder: Path) -> tuple[str, Conventions | None]:
    """Return a stated normalizer without its conventions, and these.

    Args:
        normalizer: As a score states it, such as "english@2/compounds@1".
        folder: Of the results, where the GLM file was kept.

    Raises:
        UserError: The GLM file is gone or another one, or the conventions are of another version.
    """
    found = _STATED.search(normalizer)
    if found is None:
        return normalizer, None
    names = found[0].strip("/").split("/")
    glm = next((name for name in names if name.startswith("glm@1-")), None)
    path = str(folder / GLM_FILE) if glm else None
    conventions = read_conventions(ALTERNATIVES in names, COMPOUNDS in names, path)
    if conventions is None or conventions.suffix != found[0]:
        raise UserError(
            f"{folder}: scored by {normalizer}, which these files and this version do not give",
            f"Keep {GLM_FILE} with its results.json, or run evaluation.py again.",
        )
    return without_conventions(normalizer), conventions
