"""Chinese: simplified characters, and numbers as digits."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Any

from utils.scoring.normalizers.extras import load_extra
from utils.scoring.normalizers.steps import until_it_rests

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*[%％]")


def to_simplified(text: str) -> str:
    """Convert traditional Chinese characters to simplified ones, by phrases (OpenCC t2s).

    Example:
        >>> to_simplified("乾燥的頭髮 乾隆皇帝")
        '干燥的头发 乾隆皇帝'
    """
    # A conversion can complete a phrase or a chain (薴 苧 苎) for the next.
    return until_it_rests(_opencc().convert, text)


def digits_for_numerals(text: str) -> str:
    """Write Chinese numerals as digits, by WeTextProcessing's grammar of cardinal numbers.

    Both sides of a score pass through here, so it matters only that equal numbers come out equal:
    一 in 一些 becomes 1 on both. The library's grammars of dates, times, money and measures are
    left out, because they write what no transcript does (三月五号 as 03/05) and leave digits as
    they are, which would make 三月五号 and 3月5号 differ. Fillers such as 啊 stay.

    Raises:
        UserError: WeTextProcessing is not installed.

    Example:
        二零二零年百分之五十 -> 2020年百分之50; 50% -> 百分之50.
    """
    text = _PERCENT.sub(r"百分之\1", text.replace("〇", "零"))
    return until_it_rests(_numerals().normalize, text) if text else text


@lru_cache(maxsize=1)
def _opencc() -> Any:
    """Load OpenCC's tables once, when the first text needs them."""
    import opencc

    return opencc.OpenCC("t2s")


@lru_cache(maxsize=1)
def _numerals() -> Any:
    """Compile the grammar, in about half a second and without writing into any folder."""
    load_extra("itn", "chinese-itn")
    cardinals = load_extra("itn.chinese.rules.cardinal", "chinese-itn")
    characters = load_extra("itn.chinese.rules.char", "chinese-itn")
    processors = load_extra("tn.processor", "chinese-itn")
    pynutil = load_extra("pynini.lib.pynutil", "chinese-itn")
    logging.getLogger("wetext").setLevel(logging.WARNING)
    number = cardinals.Cardinal(
        enable_standalone_number=True, enable_0_to_9=True, enable_million=True
    )
    other = characters.Char()
    grammar = processors.Processor(name="numerals", ordertype="itn")
    # The weights are the library's own: a character is taken alone only where no number fits.
    tagger = pynutil.add_weight(number.tagger, 1.06) | pynutil.add_weight(other.tagger, 100)
    grammar.tagger = tagger.optimize().star.optimize()
    grammar.verbalizer = (number.verbalizer | other.verbalizer).optimize().star.optimize()
    return grammar
