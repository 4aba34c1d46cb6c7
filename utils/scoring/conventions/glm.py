"""Global mapping files (GLM), which NIST's scoring rewrites references and hypotheses by.

Read and applied as csrfilt.sh and rfilter1 of SCTK do (doc/GLMRules.txt, src/rfilter1): a cursor
goes over the text, at each place the first rule that fits there is applied, and its own output is
not looked at again. Rules behind `;; INPUT_DEPENDENT_APPLICATION = "hyp"` are for hypotheses alone,
"ref" for references, "stm" and "trn" for references and "ctm" for hypotheses, as these formats are.
A word in brackets, (uh), may be left out. One thing is added for text that people write: marks at
the end of a word are left out before the rules, unless a rule itself names the word with its mark.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from utils.cli.errors import UserError
from utils.scoring.normalizers.letters import straight_quotes

REFERENCE, HYPOTHESIS = "ref", "hyp"
# The input formats whose text is a reference's or a hypothesis's.
_FORMATS = {REFERENCE: ("ref", "stm", "trn"), HYPOTHESIS: ("hyp", "ctm")}
_APPLIES = re.compile(r";;\s+INPUT_DEPENDENT_APPLICATION\s*=\s*\"([^\"]*)\"")
_OPTIONAL = re.compile(r"\(\s*([^()\s]+)\s*\)")
_MARKED = re.compile(r"(\S*?)([,.?!;:\"，。？！；：、]+)(?=\s|$)")
_BRACES = re.compile(r"[{}|]|(?<!\S)/(?!\S)")
_HINT = "A rule is written A => B / [left] __ [right]; see docs/evaluation.md."


@dataclass(frozen=True)
class Rule:
    """What is written for what, and between what."""

    source: str
    target: str
    left: str = ""
    right: str = ""


@dataclass
class Glm:
    """The rules of a file for each side."""

    path: str
    sha256: str
    rules: dict[str, list[Rule]]
    """Side -> its rules, in the order of the file."""
    _starts: dict[tuple[str, str], list[Rule]] = field(default_factory=dict)
    _marked: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the normalizer's name ends with."""
        return f"glm@1-{self.sha256[:8]}"

    def apply(self, text: str, side: str) -> str:
        """Rewrite a text; it may then hold alternatives.

        Args:
            text: Of an utterance. Braces of a hypothesis are nobody's alternatives, and go.
            side: `REFERENCE` or `HYPOTHESIS`.
        """
        text = straight_quotes(text)
        if side == HYPOTHESIS:
            text = _BRACES.sub(" ", text)
        text = f" {' '.join(self._without_marks(text, side).split())} "
        # csrfilt.sh puts all text in capitals: case is never minded.
        looked_at = text.upper()
        if len(looked_at) != len(text):  # ß: its upper case is longer
            looked_at = text
        written, place = [], 0
        while place < len(text):
            rule = self._rule_at(looked_at, place, side)
            written.append(text[place] if rule is None else rule.target)
            place += 1 if rule is None else len(rule.source)
        return _OPTIONAL.sub(r"{ \1 / @ }", "".join(written)).strip()

    def _rule_at(self, text: str, place: int, side: str) -> Rule | None:
        start = text[place]
        if (side, start) not in self._starts:
            self._starts[side, start] = [r for r in self.rules[side] if r.source[0] == start]
        for rule in self._starts[side, start]:
            if (
                text.startswith(rule.source, place)
                and text.startswith(rule.right, place + len(rule.source))
                and text.endswith(rule.left, 0, place)
            ):
                return rule
        return None

    def _without_marks(self, text: str, side: str) -> str:
        if side not in self._marked:
            words = {word for rule in self.rules[side] for word in rule.source.upper().split()}
            self._marked[side] = frozenset(words)
        named = self._marked[side]
        return _MARKED.sub(lambda f: f[0] if f[0].upper() in named else f[1] + " ", text)


def read_glm(path: str | Path) -> Glm:
    """Read a file of rules.

    Raises:
        UserError: It cannot be read, holds no rules, or a line is none (the first is named).
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}", "Check --glm_file.") from error
    text = _decoded(content)
    lines = text.splitlines()
    comment = (lines[0].split() or [";;"])[0] if lines else ";;"
    rules: dict[str, list[Rule]] = {REFERENCE: [], HYPOTHESIS: []}
    sides: Sequence[str] = (REFERENCE, HYPOTHESIS)
    for number, line in enumerate(lines, start=1):
        applies = _APPLIES.match(line)
        if applies:
            sides = _sides(applies[1], f"{path}, line {number}")
            continue
        line = line.split(comment, 1)[0].strip() if comment in line else line.strip()
        if line and not line.startswith("*"):
            rule = _rule(line, f"{path}, line {number}")
            for side in sides:
                rules[side].append(rule)
    if not any(rules.values()):
        raise UserError(f"{path}: holds no rules", _HINT)
    return Glm(str(path), hashlib.sha256(content).hexdigest(), rules)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")  # NIST's own, of before UTF-8


def _sides(pattern: str, place: str) -> list[str]:
    try:
        fits = re.compile(pattern, re.I)
    except re.error as error:
        raise UserError(f"{place}: {pattern!r} is no pattern: {error}", _HINT) from error
    return [side for side, names in _FORMATS.items() if any(map(fits.search, names))]


def _rule(line: str, place: str) -> Rule:
    """Read a rule; its context is behind the last slash that is not inside brackets."""
    source, arrow, rest = line.partition("=>")
    if not arrow:
        raise UserError(f"{place}: {line!r:.80} has no =>", _HINT)
    target, slash, context = rest.rpartition("/")
    left = right = ""
    if slash and "__" in context and not _is_inside(context):
        left, _, right = context.partition("__")
    else:
        target = rest
    texts = [_bare(part) for part in (source, target, left, right)]
    if not texts[0]:
        raise UserError(f"{place}: {line!r:.80} has nothing before =>", _HINT)
    upper = [texts[0].upper(), texts[1], texts[2].upper(), texts[3].upper()]
    return Rule(*upper)


def _is_inside(context: str) -> bool:
    """Tell whether a slash before this text stands inside brackets."""
    closed, opened = context.find("]"), context.find("[")
    return closed >= 0 and (opened < 0 or closed < opened)


def _bare(text: str) -> str:
    """Take off the brackets or quotation marks that hold spaces."""
    text = text.strip()
    held = len(text) > 1 and (text[0], text[-1]) in (("[", "]"), ('"', '"'), ("'", "'"))
    return text[1:-1] if held else text
