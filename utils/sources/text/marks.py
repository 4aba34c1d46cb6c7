"""What stands in subtitles and is not said: sound tags, music signs, speakers' names, dashes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from utils.sources.text.cues import Cue

# A note in brackets, which has a letter: a number in brackets is text.
_TAG = re.compile(
    r"\[[^\[\]\n]{0,80}?[^\W\d_][^\[\]\n]{0,80}\]|【[^【】\n]{1,80}】|〔[^〔〕\n]{1,80}〕"
)
# In round brackets only what fills a line, or stands in capitals: other brackets are punctuation.
_ROUND = re.compile(r"^\s*[-–—]?\s*[(（][^()（）\n]{1,80}[)）]\s*$|\([A-Z][A-Z '’,-]{2,60}\)", re.M)
# What is a sound wherever it stands in round brackets.
_SOUNDS = re.compile(
    r"[(（]\s*(?:"
    r"laugh(?:s|ing|ter)?|chuckl\w*|giggl\w*|applause|clap\w*|cheer\w*|music(?: \w+)?|cough\w*|"
    r"sigh\w*|gasp\w*|sob\w*|cry(?:ing)?|snee\w*|sniff\w*|nois\w*|silence|inaudible|"
    r"unintelligible|indistinct|unclear|crosstalk|笑\w?|笑声|掌声|鼓掌|音乐|音樂|音楽|拍手|咳嗽|叹气|哭|"
    r"听不清|聽不清|聞き取れ\w*)\s*[)）]",
    re.IGNORECASE,
)
_STARS = re.compile(r"\*[^*\n]{2,60}\*")
_MUSIC = re.compile(r"[♪♫♬♩🎵🎶]+")
_CHEVRONS = re.compile(r"^\s*(?:>|&gt;){2,3}\s*", re.M)
_CAPITALS = re.compile(r"^\s*[-–—]?\s*([A-Z][A-Z0-9 .'’#-]{1,30}):(?=\s)\s*", re.M)
_NAME = re.compile(r"^\s*[-–—]?\s*((?:[A-Z][\w.'’-]*)(?: [A-Z][\w.'’-]*){0,2}):(?=\s)\s*", re.M)
_DASH = re.compile(r"^\s*[-–—‐−]\s*(?=[^\W\d_]|[¿¡\"“'‘]|\s\S)", re.M)
# A tag that says that somebody speaks, but not what.
_NOT_TRANSCRIBED = re.compile(
    r"inaudible|unintelligible|indistinct|unclear|cross ?talk|foreign|speak|talking over|"
    r"overlapping|untranslated|\?\?|听不清|聽不清|聞き取れ",
    re.IGNORECASE,
)
# Capitalised words before a colon are names where they come again and again.
_TIMES_A_NAME = 3

TAGS, MUSIC, NAMES, DASHES = "sound tags", "music signs", "speaker names", "dialogue dashes"


@dataclass
class Marks:
    """What was recognised, and what becomes of it."""

    remove: bool
    counts: Counter[str] = field(default_factory=Counter)

    def apply(self, cues: Iterable[Cue]) -> list[Cue]:
        """Return the cues with marks taken out, or counted only; one of marks alone has no text."""
        cues = list(cues)
        names = Counter(name for cue in cues for name in _NAME.findall(cue.text))
        known = {name for name, times in names.items() if times >= _TIMES_A_NAME}
        return [self._one(cue, known) for cue in cues]

    def _one(self, cue: Cue, known: set[str]) -> Cue:
        text, speaker = cue.text, cue.speaker
        tags: list[str] = []
        for sign in (_TAG, _SOUNDS, _ROUND, _STARS):
            while found := sign.findall(text):  # again: tags may stand in tags
                tags += found
                text = self._taken(TAGS, sign, text)
        text = self._taken(MUSIC, _MUSIC, text)
        text = self._taken(NAMES, _CHEVRONS, text)
        said_by = [*_CAPITALS.findall(text), *(n for n in _NAME.findall(text) if n in known)]
        names = list(dict.fromkeys(said_by))
        for name in names:
            sign = re.compile(rf"^\s*[-–—]?\s*{re.escape(name)}:(?=\s)\s*", re.M)
            text = self._taken(NAMES, sign, text)
        text = self._taken(DASHES, _DASH, text)
        if len(names) == 1 and speaker is None:
            speaker = names[0]
        hidden = next((tag for tag in tags if _NOT_TRANSCRIBED.search(tag)), None)
        if hidden and not cue.problem:
            return replace(cue, problem=f"not transcribed: {hidden.strip()}")
        return replace(cue, text=text if self.remove else cue.text, speaker=speaker)

    def _taken(self, kind: str, sign: re.Pattern[str], text: str) -> str:
        text, times = sign.subn(" ", text)
        self.counts[kind] += times
        return text

    def told(self) -> list[str]:
        """Say what was recognised, in a sentence; nothing where there was nothing."""
        found = [f"{many} {kind}" for kind, many in self.counts.items() if many]
        if not found:
            return []
        deed = "removed; --marks=keep keeps" if self.remove else "kept; --marks=remove removes"
        return [f"{', '.join(found)} in subtitles: {deed} them"]
