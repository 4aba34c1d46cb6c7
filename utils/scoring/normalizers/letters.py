"""What single languages write in two ways that a reader calls one: letters, marks, apostrophes.

Each rule is of the writing practice of the languages that are named; none of them spells a word
anew. Rules of Chinese, Japanese, Thai, Arabic and Indian scripts stand in files of their own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import partial

from utils.scoring.normalizers.steps import Step, unify_forms

# The modifier letter, which counts as a letter; ' and ’ are punctuation.
APOSTROPHE = "\u02bc"
_APOSTROPHES = "'\u2018\u2019\u201b\u02bb\u02bc\u02bd\u02be\u02bf\u02b9\u2032\uff07`\u00b4\ua78c"
_STRAIGHT = str.maketrans(dict.fromkeys(_APOSTROPHES, "'"))
_LETTER = r"[^\W\d_]"
_INSIDE = re.compile(rf"(?<={_LETTER})(?:['\u02bc]\s?)+(?={_LETTER})")
_BEFORE = re.compile(rf"(?<![\w\u0300-\u036f])['\u02bc](?={_LETTER})")

# Selectors of a glyph or an emoji's colour, enclosing marks of key caps, joiners of graphemes: all
# of them are marks (M) to Unicode, and none is heard.
_UNHEARD = re.compile("[\u034f\u20dd-\u20e4\ufe00-\ufe0f\U000e0100-\U000e01ef\u180b-\u180d]")


def drop_selectors(text: str) -> str:
    """Drop marks that choose a glyph, such as those behind an emoji."""
    return _UNHEARD.sub("", text)


def straight_quotes(text: str) -> str:
    """Write every apostrophe and single quotation mark as '.

    Example:
        >>> straight_quotes("don’t ʻaina")
        "don't 'aina"
    """
    return text.translate(_STRAIGHT)


def apostrophe_letters(text: str, *, initial: bool = False) -> str:
    """Keep the apostrophe inside a word as a letter, where the language spells with it.

    Ukrainian м'ята, Uzbek oʻzbek, Breton c'h, Swahili ng'ombe, Hausa 'ya.

    Args:
        text: In any typography of the apostrophe.
        initial: Whether words begin with it, as Hawaiian ʻaina does.
    """
    text = _INSIDE.sub(APOSTROPHE, straight_quotes(text))
    return _BEFORE.sub(APOSTROPHE, text) if initial else text


def dotless_case(text: str) -> str:
    """Fold case as Turkish and Azerbaijani do: I is ı, İ is i.

    Example:
        >>> dotless_case("ISPARTA İzmir")
        'ısparta izmir'
    """
    text = unicodedata.normalize("NFKC", text).replace("\u0130", "i").replace("I", "\u0131")
    return unify_forms(text).replace("i\u0307", "i")


def without_circumflex(text: str) -> str:
    """Drop the circumflex that Turkish may leave out: kâğıt, hâlâ."""
    return text.translate(_CIRCUMFLEX)


def perso_arabic(text: str, *, letters: dict[int, str]) -> str:
    """Write one letter where keyboards have two, without short vowels and tatweel.

    Args:
        text: In Arabic script.
        letters: Which letters are another one in this language.
    """
    return _VOWEL_MARKS.sub("", text).translate(letters)


def comma_below(text: str) -> str:
    """Write Romanian ș and ț with the comma, not the cedilla of old fonts."""
    return text.translate(_COMMA_BELOW)


def tone_on_first(text: str) -> str:
    """Put the Vietnamese tone on the first vowel of oa, oe and uy that end a syllable.

    Both hoà and hòa are taught. After q the u belongs to the consonant: quý, not qúy.

    Example:
        >>> tone_on_first("hoà khoẻ thuý qúy hoàn")
        'hòa khỏe thúy quý hoàn'
    """
    apart = unicodedata.normalize("NFD", text)
    apart = _TONE_AFTER_Q.sub(r"\1\3\2", apart)
    return unicodedata.normalize("NFC", _TONE_LATE.sub(r"\1\3\2", apart))


def without_points(text: str) -> str:
    """Drop Hebrew vowel points and accents, and gershayim inside an abbreviation."""
    return _GERSHAYIM.sub("", _POINTS.sub("", text))


def without_stress(text: str) -> str:
    """Drop the stress marks of dictionaries and textbooks from Cyrillic: за́мок."""
    return _STRESS.sub("", text)


def plain_yo(text: str) -> str:
    """Write ё as е, as most Russian does."""
    return text.replace("ё", "е")


def serbian_latin(text: str) -> str:
    """Write Serbian Cyrillic in Latin letters, one for one."""
    return text.translate(_SERBIAN)


def monotonic(text: str) -> str:
    """Write Greek with the one accent in use since 1982, without breathings."""
    apart = unicodedata.normalize("NFD", text)
    apart = _BREATHINGS.sub("", apart)
    return unicodedata.normalize("NFC", _OLD_ACCENTS.sub("\u0301", apart))


def whole_armenian_words(text: str) -> str:
    """Drop the Armenian signs of stress, question and call, which stand inside a word."""
    return _INSIDE_ARMENIAN.sub("", text)


def one_amharic_sound(text: str) -> str:
    """Write each Amharic sound with one letter: ሐ ኀ as ሀ, ሠ as ሰ, ዐ as አ, ፀ as ጸ."""
    return text.translate(_AMHARIC)


def catalan_l(text: str) -> str:
    """Join the Catalan ela geminada, whatever dot is typed: col·legi, col.legi."""
    return _ELA_GEMINADA.sub("ll", text)


def open_ligatures(text: str) -> str:
    """Write French œ and æ as two letters, as keyboards do."""
    return text.replace("œ", "oe").replace("æ", "ae")


def without_trema(text: str) -> str:
    """Drop the Portuguese trema, abolished in 2009: lingüiça."""
    return text.replace("ü", "u")


def dots_below(text: str) -> str:
    """Write the Yoruba mark below as a dot, not a stroke, whichever was typed."""
    apart = unicodedata.normalize("NFD", text).replace("\u0329", "\u0323")
    return unicodedata.normalize("NFC", apart)


def hooked_y(text: str) -> str:
    """Write Hausa ƴ as it is spelt in Nigeria, 'y."""
    return text.replace("\u01b4", "'y")


def _letters(pairs: str) -> dict[int, str]:
    """Read "ab cd" as: a is b, c is d."""
    return str.maketrans({pair[0]: pair[1:] for pair in pairs.split()})


_CIRCUMFLEX = _letters("âa îi ûu")
_COMMA_BELOW = _letters("\u015f\u0219 \u0163\u021b")
_SERBIAN = _letters(
    "аa бb вv гg дd ђđ еe жž зz иi јj кk лl љlj мm нn њnj оo пp рr сs тt ћć уu фf хh цc чč џdž шš"
)
_VOWEL_MARKS = re.compile("[\u0610-\u061a\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06ed]")
_PERSIAN = _letters("يی ىی كک ةه ہه ۀه أا إا ٱا")
_URDU = _letters("يی ىی كک هہ ۃہ ةہ ۂہ أا إا ٱا")
_PASHTO = _letters("كک ګګ")
_SINDHI = _letters("ىي یي")
_TONES = "[\u0300\u0301\u0303\u0309\u0323]"
_END = r"(?![\w\u0300-\u036f])"
_TONE_LATE = re.compile(rf"((?<!q)o(?=[ae])|(?<!q)u(?=y))([aey])({_TONES}){_END}")
_TONE_AFTER_Q = re.compile(rf"(qu)({_TONES})(y){_END}")
_POINTS = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]")
_HEBREW = "[\u05d0-\u05ea]"
_GERSHAYIM = re.compile(rf"(?<={_HEBREW})[\"'\u2019\u201d\u05f3\u05f4]+(?={_HEBREW})")
_STRESS = re.compile("(?<=[\u0400-\u04ff])[\u0300\u0301]")
_BREATHINGS = re.compile("(?<=[\u0370-\u03ff\u0300-\u0345])[\u0313\u0314\u0345]")
_OLD_ACCENTS = re.compile("(?<=[\u0370-\u03ff\u0308])[\u0300\u0342]")
_INSIDE_ARMENIAN = re.compile("[\u055a-\u055c\u055e\u055f]")
_ELA_GEMINADA = re.compile("l[\u00b7.\u2022\u2027\u22c5\u30fb]l")
_AMHARIC = {
    ord(first) + vowel: chr(ord(second) + vowel)
    for first, second in ("ሐሀ", "ኀሀ", "ሠሰ", "ዐአ", "ፀጸ")
    for vowel in range(7)
}

hawaiian_letters: Step = partial(apostrophe_letters, initial=True)
persian_letters: Step = partial(perso_arabic, letters=_PERSIAN)
urdu_letters: Step = partial(perso_arabic, letters=_URDU)
pashto_letters: Step = partial(perso_arabic, letters=_PASHTO)
sindhi_letters: Step = partial(perso_arabic, letters=_SINDHI)
