"""The languages that Whisper knows, and how people write them.

Whisper's own table has 100 languages, each with a code of two or three letters and an English name.
`LANGUAGES` is that table; `language_code` turns any usual spelling into a code.
"""

from __future__ import annotations

import difflib
from functools import lru_cache

from utils.cli.errors import UserError

LANGUAGES: dict[str, str] = {
    "en": "english",
    "zh": "chinese",
    "de": "german",
    "es": "spanish",
    "ru": "russian",
    "ko": "korean",
    "fr": "french",
    "ja": "japanese",
    "pt": "portuguese",
    "tr": "turkish",
    "pl": "polish",
    "ca": "catalan",
    "nl": "dutch",
    "ar": "arabic",
    "sv": "swedish",
    "it": "italian",
    "id": "indonesian",
    "hi": "hindi",
    "fi": "finnish",
    "vi": "vietnamese",
    "he": "hebrew",
    "uk": "ukrainian",
    "el": "greek",
    "ms": "malay",
    "cs": "czech",
    "ro": "romanian",
    "da": "danish",
    "hu": "hungarian",
    "ta": "tamil",
    "no": "norwegian",
    "th": "thai",
    "ur": "urdu",
    "hr": "croatian",
    "bg": "bulgarian",
    "lt": "lithuanian",
    "la": "latin",
    "mi": "maori",
    "ml": "malayalam",
    "cy": "welsh",
    "sk": "slovak",
    "te": "telugu",
    "fa": "persian",
    "lv": "latvian",
    "bn": "bengali",
    "sr": "serbian",
    "az": "azerbaijani",
    "sl": "slovenian",
    "kn": "kannada",
    "et": "estonian",
    "mk": "macedonian",
    "br": "breton",
    "eu": "basque",
    "is": "icelandic",
    "hy": "armenian",
    "ne": "nepali",
    "mn": "mongolian",
    "bs": "bosnian",
    "kk": "kazakh",
    "sq": "albanian",
    "sw": "swahili",
    "gl": "galician",
    "mr": "marathi",
    "pa": "punjabi",
    "si": "sinhala",
    "km": "khmer",
    "sn": "shona",
    "yo": "yoruba",
    "so": "somali",
    "af": "afrikaans",
    "oc": "occitan",
    "ka": "georgian",
    "be": "belarusian",
    "tg": "tajik",
    "sd": "sindhi",
    "gu": "gujarati",
    "am": "amharic",
    "yi": "yiddish",
    "lo": "lao",
    "uz": "uzbek",
    "fo": "faroese",
    "ht": "haitian creole",
    "ps": "pashto",
    "tk": "turkmen",
    "nn": "nynorsk",
    "mt": "maltese",
    "sa": "sanskrit",
    "lb": "luxembourgish",
    "my": "myanmar",
    "bo": "tibetan",
    "tl": "tagalog",
    "mg": "malagasy",
    "as": "assamese",
    "tt": "tatar",
    "haw": "hawaiian",
    "ln": "lingala",
    "ha": "hausa",
    "ba": "bashkir",
    "jw": "javanese",
    "su": "sundanese",
    "yue": "cantonese",
}

ALIASES: dict[str, str] = {
    # Whisper's own second names.
    "burmese": "my",
    "valencian": "ca",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "pushto": "ps",
    "panjabi": "pa",
    "moldavian": "ro",
    "moldovan": "ro",
    "sinhalese": "si",
    "castilian": "es",
    "mandarin": "zh",
    # What other corpora write.
    "cmn": "zh",
    "zh-yue": "yue",
    "jv": "jw",
    "iw": "he",
    "nb": "no",
    "bokmål": "no",
    "fil": "tl",
    "filipino": "tl",
    "farsi": "fa",
}

_CODE_OF: dict[str, str] = {
    **{code: code for code in LANGUAGES},
    **{name: code for code, name in LANGUAGES.items()},
    **ALIASES,
}


def language_code(name_or_code: str) -> str:
    """Return Whisper's code of a language.

    Args:
        name_or_code: a code (`zh`), a name (`Chinese`), another usual name (`Mandarin`) or a code
            with a region (`en-US`, `pt_BR`); the case does not matter.

    Returns:
        The code in lower case, a key of `LANGUAGES`.

    Raises:
        UserError: Whisper does not know the language; the nearest names are given.
    """
    code = _find(name_or_code)
    if code is None:
        raise UserError(
            f"{name_or_code!r} is no language that Whisper knows",
            _nearest_hint(name_or_code),
        )
    return code


def text_language(language: str | None, task: str | None) -> str | None:
    """Return the code of the language that a text is in: Whisper translates into English.

    Args:
        language: code of what is spoken, None where it is not known.
        task: "transcribe" or "translate".
    """
    return "en" if task == "translate" else language


@lru_cache(maxsize=512)
def _find(name_or_code: str) -> str | None:
    spelling = " ".join(name_or_code.replace("_", "-").lower().split())
    if spelling in _CODE_OF:
        return _CODE_OF[spelling]
    code, _, region = spelling.partition("-")
    # Only a code carries a region: "english-us" is a guess that we leave to the user.
    return _CODE_OF[code] if region and (code in LANGUAGES or code == "cmn") else None


def _nearest_hint(spelling: str) -> str:
    """Say which known names are written most like `spelling`."""
    names = [name for name in _CODE_OF if len(name) > 3]
    nearest = difflib.get_close_matches(spelling.strip().lower(), names, n=3, cutoff=0.6)
    if nearest:
        close = " or ".join(f"{name.title()} ({_CODE_OF[name]})" for name in nearest)
        return f"did you mean {close}?"
    return "give a name such as Chinese or a code such as zh; utils/manifest/languages.py has all"
