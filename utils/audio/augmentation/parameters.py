"""How an augmentation says that one of its parameters is out of range."""

from __future__ import annotations


def expect(is_good: bool, name: str, expected: str) -> None:
    """See that a parameter is within its range.

    Raises:
        ValueError: naming the parameter and what it must be.
    """
    if not is_good:
        raise ValueError(f"{name} must be {expected}")
