"""Normalizers: golden tables, idempotence, and the traps that other ones fall into."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from utils.cli.errors import UserError
from utils.scoring.normalizers import (
    LANGUAGE_DEFAULTS,
    NORMALIZERS,
    choose_normalizer,
    normalizer,
    resolve_name,
)

IDEMPOTENT = [name for name in NORMALIZERS if not name.startswith("english@")]
CHINESE_CHARACTERS = (
    "乾著後后徵瞭藉隻只發髮面麵裡里制製鐘鍾復複干幹臺台於余餘薴頭隆坤望的，。！ 12aB"
)

GOLDEN = {
    "none@1": [(" 你好， World!", " 你好， World!")],
    "basic@1": [
        ("Hello, World!", "hello world"),
        ("ＡＢＣ　１２３", "abc 123"),
        ("Straße", "strasse"),
        ("don't stop—now", "don t stop now"),
        ("don´t", "don t"),
        ("co\u00adop zero\u200bwidth", "coop zerowidth"),
        ("50 % ½ ①", "50 1 2 1"),
        ("été", "été"),
        ("한국어.", "한국어"),
        ("¿Qué? ¡Sí!", "qué sí"),
    ],
    "chinese@1": [
        ("今天天氣很好，我們去公園吧！", "今天天气很好我们去公园吧"),
        ("今 天 天 氣", "今天天气"),
        ("乾燥的頭髮", "干燥的头发"),
        ("乾隆皇帝", "乾隆皇帝"),
        ("皇后在後面", "皇后在后面"),
        ("臺灣的麵包", "台湾的面包"),
        ("ＷｉＦｉ密碼是１２３", "wifi密码是123"),
        ("尚街 Loft 时尚", "尚街loft时尚"),
        ("尚街Loft时尚", "尚街loft时尚"),
        ("打开 Apple Music 吧", "打开apple music吧"),
        ("《三体》“很好看”……", "三体很好看"),
        ("３．５％", "3 5"),
        ("啊，好的", "啊好的"),
    ],
    "chinese-with-punctuation@1": [("天氣 很好，Ok！", "天气很好,ok!")],
    "chinese-as-written@1": [("天氣 很好，Ok！", "天氣很好ok")],
}


@pytest.mark.parametrize(
    ("name", "text", "normal"),
    [(name, *case) for name, cases in GOLDEN.items() for case in cases],
)
def test_golden(name: str, text: str, normal: str):
    assert normalizer(name)(text) == normal


@pytest.mark.parametrize("name", ["basic@1", "chinese@1"])
@pytest.mark.parametrize(
    "word",
    ["हिन्दी", "में", "ไม้เอก", "مَرْحَبًا", "தமிழ்", "বাংলা", "မြန်မာ", "ខ្មែរ"],
)
def test_marks_are_kept(name: str, word: str):
    assert normalizer(name)(word) == unicodedata.normalize("NFKC", word)


@pytest.mark.parametrize("name", ["basic@1", "chinese@1"])
def test_voiced_kana_and_hangul_stay_whole(name: str):
    assert normalizer(name)("が") == "が"
    assert normalizer(name)("か\u3099") == "が"
    assert normalizer(name)("한") == "한"


@pytest.mark.parametrize("brackets", ["()", "（）", "[]", "【】", "<>", "「」", "{}"])
@pytest.mark.parametrize("name", ["basic@1", "chinese@1"])
def test_every_kind_of_brackets_goes_and_its_text_stays(name: str, brackets: str):
    left, right = brackets
    assert normalizer(name)(f"好{left}笑{right}好").replace(" ", "") == "好笑好"


def test_no_punctuation_or_symbol_is_left():
    every_character = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x30000)]))
    for name in ("basic@1", "chinese@1"):
        left = {c for c in normalizer(name)(every_character) if unicodedata.category(c)[0] in "PS"}
        assert left == set()


def test_every_letter_and_number_leaves_something():
    basic = normalizer("basic@1")
    letters = [c for c in map(chr, range(0x30000)) if unicodedata.category(c)[0] in "LN"]
    lost = {c for c in letters if not basic(f"a{c}")[1:]}
    # But for accents that stand alone without a letter, such as U+FC5E and the Greek U+037A.
    assert all(unicodedata.normalize("NFKD", c)[0] == " " for c in lost)


@pytest.mark.parametrize("name", IDEMPOTENT)
def test_each_single_character_is_normalised_once_and_for_all(name: str):
    normalize = normalizer(name)
    for start in range(0, 0x30000, 256):
        points = (p for p in range(start, start + 256) if not 0xD800 <= p < 0xE000)
        text = "x".join(f" {chr(point)}" for point in points)
        once = normalize(text)
        assert normalize(once) == once


@pytest.mark.parametrize("name", IDEMPOTENT)
@settings(deadline=None)
@given(text=st.text())
@example("\u0345\u0390ΐ ﾞ")
@example("İ\u200b\u0301")
def test_normalizers_are_idempotent(name: str, text: str):
    once = normalizer(name)(text)
    assert normalizer(name)(once) == once


@settings(deadline=None, max_examples=300)
@given(text=st.text(CHINESE_CHARACTERS))
@example("於餘范面瞭乾乾綱")
def test_simplifying_is_idempotent_where_phrases_meet(text: str):
    for name in ("chinese@1", "chinese-with-punctuation@1"):
        once = normalizer(name)(text)
        assert normalizer(name)(once) == once


@given(text=st.text(CHINESE_CHARACTERS))
def test_spaces_beside_han_characters_do_not_matter(text: str):
    normalize = normalizer("chinese-as-written@1")
    han = "".join(c for c in text if unicodedata.category(c) == "Lo")
    assert normalize(" ".join(han)) == normalize(han) == han


@pytest.mark.parametrize(
    ("language", "remove_pun", "to_simple", "name"),
    [
        ("zh", True, True, "chinese@1"),
        ("yue", True, True, "chinese@1"),
        ("zh", True, False, "chinese-as-written@1"),
        ("zh", False, True, "chinese-with-punctuation@1"),
        ("zh", False, False, "none@1"),
        ("en", True, True, "english@1"),
        ("en", False, True, "none@1"),
        ("hi", True, True, "basic@1"),
        (None, True, True, "basic@1"),
        (None, False, False, "none@1"),
    ],
)
def test_flags_and_language_choose_a_name_that_says_what_is_applied(
    language: str | None, remove_pun: bool, to_simple: bool, name: str
):
    assert choose_normalizer(language, remove_pun=remove_pun, to_simple=to_simple) == name


def test_every_default_exists():
    assert set(LANGUAGE_DEFAULTS.values()) <= set(NORMALIZERS)


def test_a_name_without_version_is_the_newest():
    assert resolve_name("chinese") == "chinese@1"


def test_an_unknown_normalizer_is_told_with_the_known_ones():
    with pytest.raises(UserError, match="unknown normalizer 'klingon'") as caught:
        normalizer("klingon")
    assert "chinese@1" in caught.value.hint
