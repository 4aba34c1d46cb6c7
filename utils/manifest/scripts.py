"""Which scripts a language is written in, and whether a text can be in that language."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

# Every language that is not here is written in Latin letters alone. Names as in Unicode's names.
_HAN = frozenset({"CJK"})
_CYRILLIC, _ARABIC = frozenset({"CYRILLIC"}), frozenset({"ARABIC"})
_DEVANAGARI, _LATIN = frozenset({"DEVANAGARI"}), frozenset({"LATIN"})
SCRIPTS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("zh", "yue"), _HAN | {"BOPOMOFO"}),
    "ja": _HAN | {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH"},
    "ko": _HAN | {"HANGUL"},
    **dict.fromkeys(("ru", "uk", "bg", "mk", "be", "ba"), _CYRILLIC),
    **dict.fromkeys(("sr", "bs", "az", "uz", "tk", "tt"), _CYRILLIC | _LATIN | _ARABIC),
    **dict.fromkeys(("kk", "tg"), _CYRILLIC | _LATIN | _ARABIC),
    "mn": _CYRILLIC | {"MONGOLIAN"},
    **dict.fromkeys(("ar", "fa", "ur", "ps"), _ARABIC),
    "sd": _ARABIC | _DEVANAGARI,
    "pa": _ARABIC | {"GURMUKHI"},
    **dict.fromkeys(("ms", "jw", "su", "ha", "so"), _LATIN | _ARABIC),
    **dict.fromkeys(("he", "yi"), frozenset({"HEBREW"})),
    "el": frozenset({"GREEK"}),
    **dict.fromkeys(("hi", "ne", "mr", "sa"), _DEVANAGARI),
    **dict.fromkeys(("bn", "as"), frozenset({"BENGALI"})),
    "ta": frozenset({"TAMIL"}),
    "te": frozenset({"TELUGU"}),
    "ml": frozenset({"MALAYALAM"}),
    "kn": frozenset({"KANNADA"}),
    "gu": frozenset({"GUJARATI"}),
    "si": frozenset({"SINHALA"}),
    "th": frozenset({"THAI"}),
    "lo": frozenset({"LAO"}),
    "my": frozenset({"MYANMAR"}),
    "km": frozenset({"KHMER"}),
    "bo": frozenset({"TIBETAN"}),
    "hy": frozenset({"ARMENIAN"}),
    "ka": frozenset({"GEORGIAN"}),
    "am": frozenset({"ETHIOPIC"}),
}
# Foreign names and abbreviations are text in any language: of another script's letters, this
# many must stand there, and in scripts of syllables half as many, before the line is named.
_FEWEST_LETTERS = 6
# Guesses about shorter texts are guesses.
_FEWEST_TO_TELL_A_LANGUAGE = 40
_SURE = 0.999
# Enough where many other lines are in that language too.
_BEYOND_DOUBT = 0.9
# Neighbours that a guess confuses; and creoles and dialects beside their large relatives.
_ALIKE = (
    {"no", "nn", "da", "sv", "fo", "is"},
    {"hr", "bs", "sr", "sl", "mk", "bg"},
    {"cs", "sk", "pl"},
    {"ms", "id", "jw", "su", "tl"},
    {"es", "gl", "pt", "ca", "oc", "it", "la", "ro"},
    {"ru", "uk", "be", "bg", "mk", "sr"},
    {"hi", "ne", "mr", "sa"},
    {"bn", "as"},
    {"de", "lb", "yi", "nl", "af"},
    {"fr", "oc", "ht", "br", "ca"},
    {"ar", "fa", "ur", "ps", "sd"},
    {"fi", "et"},
    {"az", "tr", "tk", "uz", "kk", "tt", "ba"},
)


def another_script(text: str, language: str) -> str | None:
    """Return the script of a text in which no letter is of its language's scripts.

    >>> another_script("turn off the lights", "zh")
    'Latin'
    >>> another_script("我听 hip hop", "zh") is None
    True
    """
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    counts.pop("", None)
    expected = SCRIPTS.get(language, _LATIN)
    if not counts or any(script in expected for script in counts):
        return None
    script, count = counts.most_common(1)[0]
    fewest = _FEWEST_LETTERS if script in ("LATIN", "CYRILLIC", "GREEK") else _FEWEST_LETTERS // 2
    return {"CJK": "Han characters"}.get(script, script.title()) if count >= fewest else None


def another_language(text: str, language: str) -> str | None:
    """Return the language that a text is surely in where that is not the stated one.

    Only what has 40 letters or more is judged, and only between languages that are not alike.
    """
    if sum(map(str.isalpha, text)) < _FEWEST_TO_TELL_A_LANGUAGE:
        return None
    identifier = _identifier()
    labels = {str(label) for label in identifier.labels}
    if language not in labels:
        return None  # one that the identifier does not know it calls by a neighbour's name
    guess, certainty = identifier.classify(text)
    guess = str(guess)
    alike = any(guess in group and language in group for group in _ALIKE)
    if guess == language or alike or certainty < _SURE or guess not in _whisper_languages():
        return None
    return guess


# Languages that are alone in their script.
_OF_SCRIPT = {
    "CJK": "zh",
    "BOPOMOFO": "zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    **{
        next(iter(scripts)): code
        for code, scripts in SCRIPTS.items()
        if len(scripts) == 1
        and code not in ("yue", "as", "yi")
        and next(iter(scripts)) not in ("CYRILLIC", "ARABIC", "DEVANAGARI")
    },
    "HANGUL": "ko",
    "GURMUKHI": "pa",
}
_MOST_LETTERS = 20_000
_SIGNS, _SIGNS_WEIGH = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL"}), 4


def script_of(text: str) -> str | None:
    """Return the script of most letters of a text; kana anywhere make it Japanese.

    >>> script_of("今日は")
    'HIRAGANA'
    >>> script_of("12.5 %") is None
    True
    """
    counts = Counter(_script(letter) for letter in text if letter.isalpha())
    counts.pop("", None)
    if not counts:
        return None
    kana = counts["HIRAGANA"] + counts["KATAKANA"]
    if kana and counts["CJK"] + kana >= max(counts.values()):
        return "HIRAGANA"
    # Where a sign is a syllable or a word, a few of them are as much text as a name in letters.
    return max(counts, key=lambda each: counts[each] * (_SIGNS_WEIGH if each in _SIGNS else 1))


def likely_language(script: str, texts: Sequence[str]) -> str | None:
    """Return the likeliest language of texts that are all in one script."""
    if script in _OF_SCRIPT:
        return _OF_SCRIPT[script]
    together = " ".join(texts)[:_MOST_LETTERS].lower()
    ranked = (str(guess) for guess, _ in _identifier().rank(together))
    return next((guess for guess in ranked if _can_be(guess, script)), None)


def certain_language(text: str) -> str | None:
    """Return the language that a text is in beyond doubt, None where it is too short to tell."""
    if sum(map(str.isalpha, text)) < _FEWEST_TO_TELL_A_LANGUAGE:
        return None
    guess, certainty = _identifier().classify(text.lower())
    is_sure = certainty >= _BEYOND_DOUBT and str(guess) in _whisper_languages()
    return str(guess) if is_sure else None


def _can_be(code: str, script: str) -> bool:
    return code in _whisper_languages() and script in SCRIPTS.get(code, _LATIN)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@cache
def _whisper_languages() -> frozenset[str]:
    from utils.manifest.languages import LANGUAGES

    return frozenset(LANGUAGES)


@cache
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0]
