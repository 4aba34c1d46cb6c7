"""What is wrong with the text of one line: its pace, its signs, its script, its language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from utils.audio.clip import Seconds
from utils.manifest.languages import LANGUAGES, text_language
from utils.manifest.placeholders import is_placeholder
from utils.manifest.scripts import another_language, another_script
from utils.validation.findings import Finding, Line

# The fastest speakers reach 9 Chinese characters or 25 Latin letters a second.
HAN_A_SECOND = 12.0
LETTERS_A_SECOND = 35.0
# Text for less than this share of the time is suspicious in audio longer than SLOW_FROM.
SLOW_SHARE = 0.01
SLOW_FROM: Seconds = 5.0
# Whisper's decoder takes 448 tokens, of which a prompt and the end take 5.
MOST_TOKENS = 448
_OTHER_TOKENS = 5
# Characters that join or order what stands beside them, and belong to some languages' spelling.
_JOINERS = frozenset("\u200b\u200c\u200d\u200e\u200f")

_SYLLABLE_SIGNS = re.compile(
    "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
# Tags of HTML and of subtitles ({\an8}), entities, and Whisper's own special tokens.
_MARKUP = re.compile(
    r"</?[A-Za-z][^<>]{0,200}>|<!--|&(?:[A-Za-z]{2,8}|#\d{1,7}|#x[0-9A-Fa-f]{1,6});"
    r"|\{\\[A-Za-z][^{}]{0,200}\}|<\|[^|<>]{1,40}\|>"
)
_UNDECODED = "\ufffd"  # stands where a reader could not decode
_DIGITS = re.compile(r"\d[\d.,:/]*")
# UTF-8 that was read as Windows-1252 ("Ã©") has runs of these.
_GARBLED = re.compile("[\u00c2-\u00f4][\u0080-\u00bf\u0152-\u0192\u02c6\u02dc\u2013-\u2122]")


def check_text(line: Line, duration: Seconds | None) -> Iterator[Finding]:
    """Yield what is wrong with a line's text, and with its pace where the duration is known."""
    utterance = line.utterance
    if utterance.is_no_speech:
        if utterance.sentences is None:
            message = 'no text; if nobody speaks, add "sentences": []'
            yield line.finding("warning", "empty text", message)
        return
    if duration is not None:
        yield from _check_pace(line, duration)
    yield from check_signs(line)


def _check_pace(line: Line, duration: Seconds) -> Iterator[Finding]:
    needed = speaking_time(line.utterance.sentence)
    length = len(line.utterance.sentence)
    if needed > duration:
        message = f"{length} characters in {duration:.2f} s"
        yield line.finding("warning", "too fast to be true", message, needed / max(duration, 1e-3))
    elif duration > SLOW_FROM and needed < SLOW_SHARE * duration:
        message = f"{length} characters in {duration:.1f} s"
        yield line.finding("warning", "too slow to be true", message, duration)


def check_signs(line: Line) -> Iterator[Finding]:
    """Yield what a line's text alone shows, whether its sound can be read or not."""
    text = line.utterance.sentence
    language = text_language(line.utterance.language, line.utterance.task)
    # Of what can be printed nothing is a control character: most texts need no second look.
    is_plain = text.isprintable() and _UNDECODED not in text
    strange = [] if is_plain else [sign for sign in text if _is_control(sign)]
    if strange:
        named = ", ".join(f"U+{ord(sign):04X}" for sign in dict.fromkeys(strange[:8]))
        message = f"{len(strange)} control or damaged characters ({named})"
        yield line.finding("warning", "control characters", message, len(strange))
    markup = _MARKUP.findall(text)
    if markup:
        yield line.finding("warning", "markup", f"{_some(markup)} would be learned as text")
    if _is_garbled(text):
        message = f"{_excerpt(text)} was read in a wrong encoding; read the source as UTF-8"
        yield line.finding("warning", "wrong encoding", message)
        return
    if is_placeholder(text):
        message = (
            f"{_excerpt(text)} stands where a text should; leave the line out, or transcribe it"
        )
        yield line.finding("warning", "placeholder", message)
        return
    digits = _DIGITS.findall(_MARKUP.sub(" ", text))
    if digits:
        message = f"{_some(digits)} in digits; spell out what is read, or do so everywhere alike"
        yield line.finding("note", "digits", message)
    if language is None:
        return
    script = another_script(text, language)
    if script:
        message = f"{_excerpt(text)} is written in {script}, which {_name(language)} is not"
        yield line.finding("warning", "another script", message)
        return
    other = another_language(text, language)
    if other:
        message = f"{_excerpt(text)} reads as {_name(other)}, the line says {_name(language)}"
        yield line.finding("warning", "another language", message)


def perhaps_too_many_tokens(lines: Sequence[Line]) -> Iterator[Finding]:
    """Yield the lines that may not fit into the decoder: an `Inspector` without a tokenizer.

    Whisper's tokenizer makes at most one token of a byte, so what has fewer bytes is safe.
    """
    for line in lines:
        sentences = line.utterance.sentences or ()
        text_bytes = len(line.utterance.sentence.encode("utf-8"))
        most = text_bytes + _OTHER_TOKENS + 2 * len(sentences)
        if most > MOST_TOKENS:
            message = (
                f"{text_bytes} bytes of text are at most {most} tokens, the decoder takes "
                f"{MOST_TOKENS}; --model_path counts them"
            )
            yield line.finding("note", "perhaps too many tokens", message, most)


def speaking_time(text: str) -> Seconds:
    """Return how long the fastest of speakers would need for a text.

    >>> speaking_time("今天天气很好今天天气很好")
    1.0
    """
    syllables = len(_SYLLABLE_SIGNS.findall(text))
    letters = sum(letter.isalnum() for letter in text) - syllables
    return syllables / HAN_A_SECOND + letters / LETTERS_A_SECOND


def _is_control(sign: str) -> bool:
    if sign == _UNDECODED:
        return True
    return unicodedata.category(sign) in ("Cc", "Cf", "Co", "Cn") and sign not in _JOINERS


def _is_garbled(text: str) -> bool:
    """Whether UTF-8 was read as Windows-1252: turning it back gives valid UTF-8."""
    if not _GARBLED.search(text):
        return False
    try:
        return text.encode("cp1252").decode("utf-8") != text
    except UnicodeError:
        return False


def _some(found: Sequence[str]) -> str:
    shown = ", ".join(found[:3])
    return f"{shown} and {len(found) - 3} more" if len(found) > 3 else shown


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _name(code: str) -> str:
    return LANGUAGES[code].title()
