"""Which part of a live text will not change: what two transcripts in a row agree on.

Local agreement, as in Macháček, Dabre & Bojar, "Turning Whisper into Real-Time Transcription
System" (2023), section 3.
"""

from __future__ import annotations

import re

_PIECES = re.compile(r"\s*[㐀-鿿豈-﫿぀-ヿ]|\s*[^\s㐀-鿿豈-﫿぀-ヿ]+")


class Agreement:
    """The text of one turn while it grows.

    Attributes:
        shown: what was told so far; it only grows.
    """

    def __init__(self) -> None:
        self.shown = ""
        self._before: list[str] = []

    def grown(self, text: str) -> str:
        """What is new in the agreed text.

        Args:
            text: of all that was said in the turn so far.

        >>> turn = Agreement()
        >>> turn.grown("good"), turn.grown("good mourning"), turn.grown("good morning all")
        ('', 'good', '')
        >>> turn.grown("good morning all of you")
        ' morning all'
        """
        pieces = _PIECES.findall(text)
        agreed = ""
        for now, before in zip(pieces, self._before):  # noqa: B905 (one is longer)
            if now != before:
                break
            agreed += now
        self._before = pieces
        return self._tell(agreed)

    def ended(self, text: str) -> str:
        """What is new in the final text; nothing where it differs from what was told."""
        return self._tell(text)

    def _tell(self, text: str) -> str:
        if not text.startswith(self.shown):
            return ""
        new, self.shown = text[len(self.shown) :], text
        return new
