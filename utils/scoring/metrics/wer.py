"""Word error rate: what stands between whitespace.

In scripts written without spaces that is a whole sentence, which is why `default_metric` gives
those languages the CER.
"""

from __future__ import annotations


def words(text: str) -> list[str]:
    """Return what stands between whitespace.

    Example:
        >>> words(" turn  it off")
        ['turn', 'it', 'off']
    """
    return text.split()
