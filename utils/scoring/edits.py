"""Edit operations between a reference and a hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from rapidfuzz.distance import Levenshtein

from utils.scoring.counts import ErrorCounts

Operations = tuple[int, int, int]
"""Substitutions, deletions, insertions."""


class Vocabulary(dict[str, str]):
    """Token -> the one code point that it is written as: such texts are compared many times faster.

    One vocabulary may serve many utterances; it has room for a million different tokens.
    """

    def __missing__(self, token: str) -> str:
        self[token] = chr(len(self))
        return self[token]

    def write(self, tokens: Sequence[str]) -> str:
        """Return tokens as a text of as many code points.

        Example:
            >>> len(Vocabulary().write(["turn", "it", "off"]))
            3
        """
        return "".join(map(self.__getitem__, tokens))


def count_operations(reference: Sequence[str], hypothesis: Sequence[str]) -> Operations:
    """Count the edit operations along one shortest alignment.

    Their total is unique; how it splits into the three kinds need not be.

    Args:
        reference: Tokens of the reference: characters of a text, or a list of words.
        hypothesis: Tokens of the hypothesis.

    Example:
        >>> count_operations("abcd", "axd")
        (1, 1, 0)
    """
    if reference == hypothesis:
        return 0, 0, 0
    if not reference or not hypothesis:
        return 0, len(reference), len(hypothesis)
    reference, hypothesis = _interned(reference, hypothesis)
    operations = Levenshtein.editops(reference, hypothesis).as_list()
    deletions = [tag for tag, _, _ in operations].count("delete")
    insertions = deletions + len(hypothesis) - len(reference)
    return len(operations) - deletions - insertions, deletions, insertions


def count_errors(
    reference: Sequence[str], hypothesis: Sequence[str], *, failed: bool = False
) -> ErrorCounts:
    """Count the errors of one utterance.

    Args:
        reference: Tokens of the reference.
        hypothesis: Tokens of the hypothesis.
        failed: Whether the utterance could not be transcribed; the hypothesis is then empty.

    Example:
        >>> count_errors("abcd", "axd").errors
        2
    """
    operations = count_operations(reference, hypothesis)
    return ErrorCounts(*operations, len(reference), utterances=1, failed=int(failed))


def operation_places(reference: Sequence[str], hypothesis: Sequence[str]) -> list[int]:
    """Return where the errors are: 2i + 1 for an error at token i, 2i for an insertion before it.

    Args:
        reference: Tokens of the reference.
        hypothesis: Tokens of the hypothesis.

    Example:
        >>> operation_places("abd", "xbcd")
        [1, 4]
    """
    operations = Levenshtein.editops(*_interned(reference, hypothesis))
    return [2 * each.src_pos + (each.tag != "insert") for each in operations]


def operations(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return the errors along one shortest alignment.

    Returns:
        ("replace", "delete" or "insert", place in the reference, place in the hypothesis).

    Example:
        >>> operations("abd", "xbcd")
        [('replace', 0, 0), ('insert', 2, 2)]
    """
    found = Levenshtein.editops(*_interned(reference, hypothesis))
    return [(each.tag, each.src_pos, each.dest_pos) for each in found]


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the tokens along one shortest alignment.

    Returns:
        (reference, hypothesis) pairs in order; "" stands where a token was inserted or deleted.

    Example:
        >>> align("abd", "axbd")
        [('a', 'a'), ('', 'x'), ('b', 'b'), ('d', 'd')]
    """
    pairs: list[tuple[str, str]] = []
    for block in Levenshtein.opcodes(*_interned(reference, hypothesis)):
        expected = reference[block.src_start : block.src_end]
        found = hypothesis[block.dest_start : block.dest_end]
        pairs += zip_longest(expected, found, fillvalue="")
    return pairs


def align_places(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[int, int]]:
    """Return the places of the tokens that are equal along one shortest alignment.

    Example:
        >>> align_places("abd", "axbd")
        [(0, 0), (1, 2), (2, 3)]
    """
    pairs: list[tuple[int, int]] = []
    for block in Levenshtein.opcodes(*_interned(reference, hypothesis)):
        if block.tag == "equal":
            pairs += zip(
                range(block.src_start, block.src_end),
                range(block.dest_start, block.dest_end),
                strict=True,
            )
    return pairs


def _interned(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[str, str]:
    """Write each different token as one code point; characters of a text are such already."""
    if isinstance(reference, str) and isinstance(hypothesis, str):
        return reference, hypothesis
    vocabulary = Vocabulary()
    return vocabulary.write(reference), vocabulary.write(hypothesis)
