"""The language of lines that state none: as --language says, or else as their own text reads.

A language is never guessed in silence: whoever uses `with_languages` says what `told` returns.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import overload

from utils.manifest.languages import LANGUAGES
from utils.manifest.scripts import another_script, certain_language, likely_language, script_of
from utils.manifest.utterance import Utterance

# So many lines are looked at to tell which languages there are.
_SAMPLE = 2000
# A language that so few of the certain lines are in is a mistake of the detector.
_COMPONENT = 0.2
STATED, GIVEN, READ, UNKNOWN = "stated", "by --language", "as the text reads", "not known"


@dataclass(frozen=True)
class Detector:
    """Which language a text is in: by its script, and where several share it, by its letters.

    Attributes:
        by_script: the likeliest language of all texts in a script.
        components: languages that many of the texts are surely in.
    """

    by_script: dict[str, str] = field(default_factory=dict)
    components: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Sequence[str]) -> Detector:
        """Learn what there is from a sample of texts."""
        by_script: dict[str, list[str]] = defaultdict(list)
        for text in texts:
            script = script_of(text)
            if script is not None:
                by_script[script].append(text)
        likely = {script: likely_language(script, some) for script, some in by_script.items()}
        certain = Counter(
            found for some in by_script.values() for found in map(certain_language, some) if found
        )
        fewest = _COMPONENT * certain.total()
        components = frozenset(each for each, many in certain.items() if many >= fewest)
        return cls({each: code for each, code in likely.items() if code}, components)

    def __call__(self, text: str) -> str | None:
        """Return the code of a text's language, None for one without letters."""
        script = script_of(text)
        if script is None:
            return None
        likely = self.by_script.get(script) or likely_language(script, [text])
        if len(self.components) > 1:
            certain = certain_language(text)
            if certain in self.components:
                return certain
        return likely


@dataclass(frozen=True)
class LanguageShares:
    """How the languages of lines came about: in a sample where there are many.

    Attributes:
        counts: lines by code (None where not known) and by how it is known.
        clashes: lines whose text is written in no script of their language.
        first: the first of them, in words.
    """

    counts: Counter[tuple[str | None, str]]
    clashes: int = 0
    first: str = ""

    def told(self) -> str:
        """Say the languages with their shares, the commonest first.

        >>> LanguageShares(Counter({("en", READ): 3, ("zh", STATED): 1})).told()
        'English 75 % (as the text reads), Chinese 25 % (stated)'
        """
        total = max(1, self.counts.total())
        return ", ".join(
            f"{LANGUAGES.get(code or '', 'none').title()} {many / total:.0%} ({how})".replace(
                "%", " %"
            )
            for (code, how), many in self.counts.most_common()
        )


class _Completed(Sequence[Utterance]):
    """Utterances of a large manifest, each given its language when it is asked for."""

    def __init__(self, source: Sequence[Utterance], detector: Detector) -> None:
        self._source = source
        self._detector = detector

    def __len__(self) -> int:
        return len(self._source)

    @overload
    def __getitem__(self, index: int) -> Utterance: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Utterance]: ...
    def __getitem__(self, index: int | slice) -> Utterance | Sequence[Utterance]:
        if isinstance(index, slice):
            return _Completed(self._source[index], self._detector)
        return _completed(self._source[index], self._detector)

    def __iter__(self) -> Iterator[Utterance]:
        return (_completed(each, self._detector) for each in self._source)


def with_languages(
    utterances: Sequence[Utterance], given: str | None, task: str = "transcribe"
) -> tuple[Sequence[Utterance], LanguageShares]:
    """Give each utterance that states no language the one that its text is in.

    Args:
        utterances: of a manifest.
        given: code of --language, for all that state none; they are then left as they are.
        task: of utterances that state none. The text of a translation says nothing of the language
            that is spoken, which stays unknown.

    Returns:
        The utterances, and how their languages came about.
    """
    step = max(1, len(utterances) // _SAMPLE)
    sample = [utterances[index] for index in range(0, len(utterances), step)]
    readable = [each for each in sample if _is_read(each, given, task)]
    detector = Detector.of([each.sentence for each in readable])
    counts: Counter[tuple[str | None, str]] = Counter()
    clashes, first = 0, ""
    for each in sample:
        code, how = _language(each, given, task, detector)
        counts[code, how] += 1
        is_spoken = (each.task or task) != "translate"
        script = another_script(each.sentence, code) if code and is_spoken else None
        if script:
            first = first or f"{each.id}: {each.sentence[:40]!r} is written in {script}"
            clashes += step
    shares = LanguageShares(counts, clashes, first)
    if given is not None or not readable:
        return utterances, shares
    if isinstance(utterances, list | tuple):
        return [_completed(each, detector, task) for each in utterances], shares
    return _Completed(utterances, detector), shares


def _is_read(utterance: Utterance, given: str | None, task: str) -> bool:
    if utterance.language is not None or given is not None or not utterance.sentence:
        return False
    return (utterance.task or task) != "translate"


def _language(
    utterance: Utterance, given: str | None, task: str, detector: Detector
) -> tuple[str | None, str]:
    if utterance.language is not None:
        return utterance.language, STATED
    if given is not None:
        return given, GIVEN
    found = detector(utterance.sentence) if _is_read(utterance, given, task) else None
    return found, UNKNOWN if found is None else READ


def _completed(utterance: Utterance, detector: Detector, task: str = "transcribe") -> Utterance:
    code, how = _language(utterance, None, task, detector)
    if how == UNKNOWN and utterance.is_no_speech and len(set(detector.by_script.values())) == 1:
        code = next(iter(detector.by_script.values()))
    return utterance if code == utterance.language else replace(utterance, language=code)
