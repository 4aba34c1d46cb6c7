"""Normalizers: golden tables, idempotence, and the traps that other ones fall into."""

from __future__ import annotations

import importlib.util
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from utils.cli.errors import UserError
from utils.scoring.normalizers import (
    LANGUAGE_DEFAULTS,
    NORMALIZERS,
    choose_normalizer,
    normalizer,
)
from utils.scoring.normalizers.chinese_numerals import digits_to_numerals, numerals_to_digits
from utils.scoring.normalizers.extras import EXTRAS, is_installed

IDEMPOTENT = [
    name for name in NORMALIZERS if not name.startswith("english@") and is_installed(name)
]
WORDS_ONLY = [
    name
    for name in IDEMPOTENT
    if not name.startswith(("none@", "chinese-with-punctuation@", "chinese-itn@"))
]
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
    "japanese@1": [
        ("が ぎ、か\u3099", "がぎが"),
        ("すごーーーい〜！", "すごーい"),
        ("すごー。ーい", "すごーい"),
        ("東京 タワー へ Apple Music", "東京タワーへapple music"),
        ("（笑）【音楽】はい", "笑音楽はい"),
        ("ﾊﾝｶｸ　ｶﾞ", "ハンカクガ"),
        ("ええと、あの啊", "ええとあの啊"),
    ],
    "korean@1": [
        ("안녕하세요, 세계!", "안녕하세요 세계"),
        ("\u1112\u1161\u11ab국", "한국"),
        ("ㅋㅋ ㄱㅏ ＡＢＣ", "ㅋㅋ ㄱㅏ abc"),
        ("（웃음）", "웃음"),
    ],
    "thai@1": [
        ("น้ำ", "น้ำ"),
        ("นํ้า เเปลก", "น้ำ แปลก"),
        ("ไม้เอก ๑๒๓", "ไม้เอก 123"),
        ("ต่าง ๆ", "ต่าง ๆ"),
        ("（หัวเราะ）!", "หัวเราะ"),
    ],
    "arabic@1": [
        ("مَرْحَبًا بِكُمْ", "مرحبا بكم"),
        ("مـــرحبا", "مرحبا"),
        ("أحمد إلى آخر ٱلله", "احمد الى اخر الله"),
        ("هٰذا ١٢٣؟", "هذا 123"),
        ("مدرسة على مؤمن قارئ", "مدرسة على مؤمن قارئ"),
        ("\ufefb", "لا"),
    ],
    "indic@1": [
        ("हिन्दी में।", "हिन्दी में"),
        (
            "\u0915\u093c\u0932\u092e \u0958\u0932\u092e",
            "\u0915\u093c\u0932\u092e \u0915\u093c\u0932\u092e",
        ),
        ("१२३ ৪৫", "123 45"),
        ("അവന്\u200d അവ\u0d7b", "അവ\u0d7b അവ\u0d7b"),
        ("\u0905\u093e\u0917", "\u0906\u0917"),
        ("বাংলা தமிழ்", "বাংলা தமிழ்"),
        ("\u0b95\u0bc6\u0bbe", "\u0b95\u0bca"),
    ],
    "chinese-itn@1": [
        ("二零二零年三月五号", "2020年3月5号"),
        ("二〇二〇年３月５號", "2020年3月5号"),
        ("百分之五十", "百分之50"),
        ("50%", "百分之50"),
        ("啊，一百二十三塊錢", "啊123块钱"),
        ("二点五平方", "2 5平方"),
        ("三心二意", "3心2意"),
        ("", ""),
    ],
    "chinese-with-punctuation@1": [("天氣 很好，Ok！", "天气很好,ok!")],
    "chinese-as-written@1": [("天氣 很好，Ok！", "天氣很好ok")],
}


@pytest.mark.parametrize(
    ("name", "text", "normal"),
    [(name, *case) for name, cases in GOLDEN.items() for case in cases],
)
def test_golden(name: str, text: str, normal: str):
    if not is_installed(name):
        pytest.skip(f"{name} needs requirements/languages.txt")
    assert normalizer(name)(text) == normal


@pytest.mark.parametrize("name", ["basic@1", "chinese@1", "korean@1", "indic@1"])
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
@pytest.mark.parametrize("name", WORDS_ONLY)
def test_every_kind_of_brackets_goes_and_its_text_stays(name: str, brackets: str):
    left, right = brackets
    assert normalizer(name)(f"好{left}笑{right}好").replace(" ", "") == "好笑好"


def test_no_punctuation_or_symbol_is_left():
    every_character = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x30000)]))
    for name in WORDS_ONLY:
        left = {c for c in normalizer(name)(every_character) if unicodedata.category(c)[0] in "PS"}
        assert left == set()


def test_every_letter_and_number_leaves_something():
    basic = normalizer("basic@1")
    letters = [c for c in map(chr, range(0x30000)) if unicodedata.category(c)[0] in "LN"]
    lost = {c for c in letters if not basic(f"a{c}")[1:]}
    # But for accents that stand alone without a letter, such as U+FC5E and the Greek U+037A.
    assert all(unicodedata.normalize("NFKD", c)[0] == " " for c in lost)


# The grammar of numerals takes minutes for every character; the property test below holds it too.
@pytest.mark.parametrize("name", [name for name in IDEMPOTENT if name != "chinese-itn@1"])
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
        ("zh", True, True, "chinese@2"),
        ("yue", True, True, "chinese@2"),
        ("zh", True, False, "chinese-as-written@2"),
        ("zh", False, True, "chinese-with-punctuation@1"),
        ("zh", False, False, "none@1"),
        ("en", True, True, "english@2"),
        ("en", False, True, "none@1"),
        ("hi", True, True, "indic@2"),
        ("hi", False, True, "none@1"),
        ("ko", True, True, "korean@2"),
        ("fr", True, True, "french@1"),
        ("id", True, True, "basic@2"),
        (None, True, True, "basic@2"),
        (None, False, False, "none@1"),
    ],
)
def test_flags_and_language_choose_a_name_that_says_what_is_applied(
    language: str | None, remove_pun: bool, to_simple: bool, name: str
):
    assert choose_normalizer(language, remove_pun=remove_pun, to_simple=to_simple) == name


def test_every_default_exists():
    assert set(LANGUAGE_DEFAULTS.values()) <= set(NORMALIZERS)


@pytest.mark.parametrize("name", [name for name in NORMALIZERS if is_installed(name)])
def test_the_filler_a_is_never_deleted(name: str):
    assert "啊" in normalizer(name)("啊，好的啊")


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing of requirements/languages.txt were installed."""
    for module in EXTRAS.values():
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None)


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_library_is_told_with_the_command_that_brings_it(name: str):
    with pytest.raises(UserError, match=f"{name}' needs {EXTRAS[name]}, which is not") as caught:
        normalizer(name)
    assert "pip install -r requirements/languages.txt" in caught.value.hint


@pytest.mark.usefixtures("bare_machine")
def test_no_default_needs_a_library():
    for name in {*LANGUAGE_DEFAULTS.values(), "basic@2", "chinese-itn"}:
        assert normalizer(name)("好 ok 1") != ""


def test_extras_are_old_normalizers_and_listed(repository: Path):
    listed = (repository / "requirements" / "languages.txt").read_text(encoding="utf-8").lower()
    assert set(EXTRAS) <= set(NORMALIZERS)
    for package in ("neologdn", "pythainlp", "pyarabic", "wetextprocessing"):
        assert package in listed


GOLDEN_NUMERALS = [
    ("二零二零年三月五号", "2020年3月5号"),
    ("二〇二〇年３月５號", "2020年3月5号"),
    ("百分之五十", "百分之50"),
    ("50%", "百分之50"),
    ("啊，一百二十三塊錢", "啊123块钱"),
    ("一百二和三万五", "120和35000"),
    ("1.5亿", "150000000"),
    ("三心二意", "3心2意"),
    ("千万别来", "千万别来"),
    ("三五百人", "三五百人"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "normal"), GOLDEN_NUMERALS)
def test_numerals_are_digits_without_a_library(text: str, normal: str):
    assert normalizer("chinese-itn@2")(text) == normal


@given(number=st.integers(0, 10**16 - 1))
def test_a_number_comes_back_from_how_it_is_said(number: int):
    assert numerals_to_digits(digits_to_numerals(str(number))) == str(number)


@given(whole=st.integers(0, 10**6), fraction=st.integers(0, 9999))
def test_so_do_decimals(whole: int, fraction: int):
    number = f"{whole}.{fraction:04}"
    assert numerals_to_digits(digits_to_numerals(number)) == number
