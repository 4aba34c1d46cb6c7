"""Alternatives in a text: {a | b}, or as sclite writes them {a / b / @}, where @ is nothing.

A text with alternatives is a lattice of tokens. Two lattices are aligned as wholes, by the dynamic
program of the Levenshtein distance over nodes in place of positions: its time is the product of the
tokens of both sides, however many texts they spell. What the best pair of paths says is then
normalised and counted as any other text is.

sclite's documentation (SCTK, doc/infmts.htm) has the grammar: alternatives may hold others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from utils.cli.errors import UserError

Tokenize = Callable[[str], Sequence[str]]
NULL = "@"
_SIGN = re.compile(r"[{}|]|(?<![^\s{}|])/(?![^\s{}|])")
_FAR = 10**9


@dataclass(frozen=True, slots=True)
class Edge:
    """A token between two nodes, or nothing; `piece` is the part of the text it is from."""

    source: int
    token: str | None
    piece: int


@dataclass
class Lattice:
    """Nodes in topological order, from 0, and the edges that end at each."""

    pieces: list[str] = field(default_factory=list)
    into: list[list[Edge]] = field(default_factory=lambda: [[]])

    @property
    def is_plain(self) -> bool:
        """Whether it spells one text alone, a token from each node to the next."""
        return all(
            len(edges) == 1 and edges[0].source == node and edges[0].token is not None
            for node, edges in enumerate(self.into[1:])
        )

    def spell(self, edges: Sequence[Edge]) -> str:
        """Return the text along a path."""
        return "".join(self.pieces[piece] for piece in sorted({edge.piece for edge in edges}))


def has_alternatives(text: str) -> bool:
    """Tell whether a text holds a brace."""
    return "{" in text or "}" in text


def read_lattice(text: str, tokenize: Tokenize) -> Lattice:
    """Read a text with alternatives.

    Args:
        text: As a person wrote it.
        tokenize: Normalises a part of it and splits it into tokens.

    Raises:
        UserError: Braces do not pair.

    Example:
        >>> len(read_lattice("i have { um / uh / @ } seen", str.split).into)
        5
    """
    lattice = Lattice()
    end = _Reader(lattice, text, tokenize).sequence(0, inside=False)
    assert end == len(lattice.into) - 1
    return lattice


class _Reader:
    """Reads a text from left to right into a lattice."""

    def __init__(self, lattice: Lattice, text: str, tokenize: Tokenize) -> None:
        self.lattice, self.text, self.tokenize = lattice, text, tokenize
        self.signs = [*_SIGN.finditer(text)]
        self.next_sign, self.place = 0, 0

    def sequence(self, node: int, *, inside: bool) -> int:
        """Read up to the sign that ends it; return the node where it ends."""
        while self.next_sign < len(self.signs):
            sign = self.signs[self.next_sign]
            if sign[0] == "}" or (sign[0] != "{" and inside):
                if not inside:
                    raise self._unpaired("}")
                return self.words(node, self.text[self.place : sign.start()], inside)
            self.next_sign += 1
            if sign[0] == "{":
                node = self.words(node, self.text[self.place : sign.start()], False)
                self.place = sign.end()
                node = self.group(node)
        if inside:
            raise self._unpaired("{")
        return self.words(node, self.text[self.place :], False)

    def group(self, node: int) -> int:
        """Read alternatives behind their brace, up to the one that closes them."""
        ends = []
        while True:
            ends.append(self.sequence(node, inside=True))
            sign = self.signs[self.next_sign]
            self.next_sign += 1
            self.place = sign.end()
            if sign[0] == "}":
                return self._node([Edge(end, None, self._piece("")) for end in ends])

    def words(self, node: int, text: str, inside: bool) -> int:
        """Add the tokens of a plain piece; nothing in an alternative is a way through as well."""
        if not text and not inside:
            return node
        text = "" if text.strip() == NULL and inside else text
        piece = self._piece(text)
        tokens = self.tokenize(text) if text.strip() else ()
        if not tokens:
            return self._node([Edge(node, None, piece)])
        for token in tokens:
            node = self._node([Edge(node, token, piece)])
        return node

    def _node(self, edges: list[Edge]) -> int:
        self.lattice.into.append(edges)
        return len(self.lattice.into) - 1

    def _piece(self, text: str) -> int:
        self.lattice.pieces.append(text)
        return len(self.lattice.pieces) - 1

    def _unpaired(self, sign: str) -> UserError:
        return UserError(
            f"{self.text!r:.200} has a {sign} without its other half",
            "Write alternatives as {a | b} or { a / b / @ }.",
        )


def choose(reference: Lattice, hypothesis: Lattice) -> tuple[str, str]:
    """Return the texts of the two paths with the fewest errors; of equals the first listed.

    Args:
        reference: Of the reference.
        hypothesis: Of the hypothesis.
    """
    if not hypothesis.is_plain and reference.is_plain:
        return choose(hypothesis, reference)[::-1]
    rows: Sequence[Sequence[int] | NDArray[np.int64]]
    if hypothesis.is_plain:
        rows = _rows_over_text(reference, [edges[0].token or "" for edges in hypothesis.into[1:]])
    else:
        rows = _rows_over_lattice(reference, hypothesis)
    return _spell_back(rows, reference, hypothesis)


def _rows_over_text(lattice: Lattice, tokens: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return errors from the beginning to each node and each place of a text."""
    numbers: dict[str | None, int] = {}
    text = np.array([numbers.setdefault(token, len(numbers)) for token in tokens], dtype=np.int64)
    places = np.arange(len(text) + 1)
    rows = [places.copy()]
    for edges in lattice.into[1:]:
        row = np.full(len(places), _FAR)
        for edge in edges:
            before = rows[edge.source]
            if edge.token is None:
                np.minimum(row, before, out=row)
                continue
            np.minimum(row, before + 1, out=row)
            wrong = text != numbers.get(edge.token, -1)
            np.minimum(row[1:], before[:-1] + wrong, out=row[1:])
        # Insertions: each place may be reached from any before it.
        rows.append(np.minimum.accumulate(row - places) + places)
    return rows


def _rows_over_lattice(first: Lattice, second: Lattice) -> list[list[int]]:
    """Return errors from the beginning to each pair of nodes."""
    rows: list[list[int]] = []
    for node, edges in enumerate(first.into):
        row = [_FAR] * len(second.into)
        row[0] = 0 if not node else _FAR
        for edge in edges:
            before = rows[edge.source]
            costs = before if edge.token is None else [cost + 1 for cost in before]
            row = list(map(min, row, costs))
            if edge.token is not None:
                for end, others in enumerate(second.into):
                    for other in others:
                        if other.token is not None:
                            cost = before[other.source] + (other.token != edge.token)
                            row[end] = min(row[end], cost)
        for end, others in enumerate(second.into):
            for other in others:
                row[end] = min(row[end], row[other.source] + (other.token is not None))
        rows.append(row)
    return rows


def _spell_back(
    rows: Sequence[Sequence[int] | NDArray[np.int64]], first: Lattice, second: Lattice
) -> tuple[str, str]:
    """Follow the best pair of paths from the end."""
    paths: tuple[list[Edge], list[Edge]] = ([], [])
    node, other = len(first.into) - 1, len(second.into) - 1
    while node or other:
        step = _step_back(rows, first.into[node], second.into[other], node, other)
        for path, edge in zip(paths, step, strict=True):
            if edge is not None:
                path.append(edge)
        node = step[0].source if step[0] else node
        other = step[1].source if step[1] else other
    return first.spell(paths[0]), second.spell(paths[1])


def _step_back(
    rows: Sequence[Sequence[int] | NDArray[np.int64]],
    edges: Sequence[Edge],
    others: Sequence[Edge],
    node: int,
    end: int,
) -> tuple[Edge | None, Edge | None]:
    """Return the edges of the last step to a pair of nodes, a match before anything else."""
    here = rows[node][end]
    for edge in edges:
        if edge.token is None and rows[edge.source][end] == here:
            return edge, None
    for other in others:
        if other.token is None and rows[node][other.source] == here:
            return None, other
    for edge in edges:
        for other in others:
            if None not in (edge.token, other.token):
                cost = rows[edge.source][other.source] + (edge.token != other.token)
                if cost == here:
                    return edge, other
    for edge in edges:
        if edge.token is not None and rows[edge.source][end] + 1 == here:
            return edge, None
    return None, next(o for o in others if rows[node][o.source] + (o.token is not None) == here)
