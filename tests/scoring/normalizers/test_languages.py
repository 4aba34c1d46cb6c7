"""Every language that Whisper knows, by pairs that its readers call equal or tell apart."""

from __future__ import annotations

import pytest

from utils.manifest.languages import LANGUAGES
from utils.scoring.normalizers import choose_normalizer, normalizer

EQUAL = {
    "af": [("Ek’s ’n boer.", "ek's 'n boer"), ("Sê „ja”!", "sê ja")],
    "am": [("ሐገር", "ሀገር"), ("ሠላም፡ዓለም።", "ሰላም ዓለም"), ("ፀሐይ", "ጸሀይ")],
    "ar": [("مَرْحَبًا، أحمد!", "مرحبا احمد"), ("كتاب ٣", "کتاب 3"), ("مـــدرسة", "مدرسة")],
    "as": [("অসম। ১২", "অসম 12")],
    "az": [("İdman", "idman"), ("QIZ", "qız"), ("Bakı’da", "bakı'da")],
    "ba": [("Башҡортостан — иле", "башҡортостан иле")],
    "be": [("сям'я", "сям’я"), ("сямʼя", "сям'я"), ("Ён каза́ў", "ён казаў")],
    "bg": [("„Здравей!“", "здравей"), ("за̀мък", "замък")],
    "bn": [("উৎসব", "উত্\u200dসব"), ("১২৩।", "123"), ("বাড়ি", "বাড\u09bcি")],
    "bo": [("བོད་ཡིག་", "བོད་ཡིག"), ("༡༢", "12")],
    "br": [("c'hoar", "c’hoar"), ("C’HOAR", "cʼhoar")],
    "bs": [("Ћевапи", "ćevapi"), ("„Dobro!“", "dobro")],
    "ca": [("col·legi", "col.legi"), ("l’home", "l'home"), ("COL·LEGI", "coŀlegi")],
    "cs": [("„Dobrý den!“", "dobrý den"), ("ČESKO", "česko")],
    "cy": [("’Dw i’n", "'dw i'n"), ("TŴR", "tŵr")],
    "da": [("»Hej!«", "hej"), ("SMØRREBRØD", "smørrebrød")],
    "de": [("„Straße!“", "STRASSE"), ("geht’s", "geht's"), ("a\u0308rger", "Ärger")],
    "el": [("ὁ ἄνθρωπος", "ο άνθρωπος"), ("ΟΔΟΣ", "οδοσ"), ("γῆ;", "γή")],
    "en": [("don’t", "don't"), ("Mary’s", "mary is"), ("co\u200dop", "coop"), ("ok ❤️", "ok")],
    "es": [("¿Qué tal?", "qué tal"), ("«Sí»", "sí")],
    "et": [("„Tere!”", "tere"), ("ÕUN", "õun")],
    "eu": [("«Kaixo!»", "kaixo")],
    "fa": [("كتاب", "کتاب"), ("علي", "علی"), ("می\u200cروم", "میروم"), ("۱۲۳؟", "123")],
    "fi": [("”Hyvää päivää!”", "hyvää päivää"), ("vaa’an", "vaa'an")],
    "fo": [("„Góðan dag!“", "góðan dag")],
    "fr": [("l’œuvre", "L'oeuvre"), ("« Où ? »", "où"), ("C\u0327a", "ça")],
    "gl": [("¡Ola!", "ola")],
    "gu": [("૧૨૩।", "123"), ("ગુજરાત!", "ગુજરાત")],
    "ha": [("ƴaƴa", "'ya'ya"), ("’yar", "'yar"), ("ƙasa.", "Ƙasa")],
    "haw": [("ʻaina", "'aina"), ("Hawai‘i", "hawaiʻi")],
    "he": [("שָׁלוֹם", "שלום"), ("צה״ל", 'צה"ל'), ("בית־ספר", "בית ספר")],
    "hi": [("हिन्दी", "हिंदी"), ("क्\u200dया", "क्या"), ("१२", "12"), ("क़लम।", "क\u093cलम")],
    "hr": [("„Čekaj!“", "čekaj"), ("ǆep", "džep")],
    "ht": [("M’ap vini.", "m'ap vini")],
    "hu": [("„Jó napot!”", "jó napot"), ("ŐSZ", "ősz")],
    "hy": [("ինչպե՞ս", "ինչպես"), ("և", "եւ"), ("Ողջույն։", "ողջույն")],
    "id": [("“Apa kabar?”", "apa kabar"), ("Jum’at", "jum'at")],
    "is": [("„Góðan daginn!“", "góðan daginn"), ("ÞETTA", "þetta")],
    "it": [("l’amico", "L'AMICO"), ("perche\u0301", "perché")],
    "ja": [("すごーーい！", "すごーい"), ("ﾊﾛｰ", "ハロー"), ("東京 タワー", "東京タワー")],
    "jw": [("“Sugeng énjing!”", "sugeng énjing")],
    "ka": [("„გამარჯობა!“", "გამარჯობა"), ("ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ", "საქართველო")],
    "kk": [("«Сәлем!»", "сәлем"), ("ҚАЗАҚ", "қазақ")],
    "km": [("១២", "12"), ("ខ្មែរ\u200b។", "ខ្មែរ")],
    "kn": [("೧೨", "12"), ("ಕನ್ನಡ!", "ಕನ್ನಡ")],
    "ko": [("안녕하세요, 세계!", "안녕하세요 세계"), ("\u1112\u1161\u11ab국", "한국")],
    "la": [("cælum", "caelum"), ("POENA", "pœna")],
    "lb": [("d’Haus", "d'Haus"), ("„Moien!“", "moien")],
    "ln": [("«Mbote!»", "mbote")],
    "lo": [("໑໒", "12"), ("ນ້ຳ", "ນ້\u0ecd\u0eb2"), ("ໝາ", "ຫມາ")],
    "lt": [("„Labas!“", "labas"), ("ŽODIS", "žodis")],
    "lv": [("“Labdien!”", "labdien"), ("ĢIMENE", "ģimene")],
    "mg": [("Manao ahoana!", "manao ahoana")],
    "mi": [("“Kia ora!”", "kia ora"), ("MĀORI", "māori")],
    "mk": [("„Здраво!“", "здраво"), ("ЌЕБЕ", "ќебе")],
    "ml": [("അവന്\u200d", "അവൻ"), ("൧൨", "12")],
    "mn": [("«Сайн уу?»", "сайн уу"), ("ӨДӨР", "өдөр")],
    "mr": [("पंढरपूर", "पण्ढरपूर"), ("१२", "12")],
    "ms": [("“Apa khabar?”", "apa khabar")],
    "mt": [("ta’ Malta", "ta' Malta"), ("qiegħed", "QIEGĦED")],
    "my": [("၁၂", "12"), ("မြန်မာ။", "မြန်မာ")],
    "ne": [("काठमाण्डौ", "काठमांडौ"), ("१२", "12")],
    "nl": [("\u0133s", "ijs"), ("zo’n", "zo'n")],
    "nn": [("«Hei!»", "hei"), ("BÅT", "båt")],
    "no": [("«Hei!»", "hei"), ("ØL", "øl")],
    "oc": [("l’ostal", "l'ostal")],
    "pa": [("੧੨", "12"), ("ਪੰਜਾਬੀ।", "ਪੰਜਾਬੀ")],
    "pl": [("„Cześć!”", "cześć"), ("ŻÓŁW", "żółw")],
    "ps": [("۱۲۳", "123"), ("كور", "کور")],
    "pt": [("lingüiça", "linguiça"), ("“Olá!”", "olá")],
    "ro": [("ştiinţă", "știință"), ("„Bună!”", "bună")],
    "ru": [("ёлка", "елка"), ("за́мок", "замок"), ("«Да!»", "да")],
    "sa": [("गङ्गा", "गंगा"), ("१२॥", "12")],
    "sd": [("۱۲", "12"), ("سنڌي،", "سنڌي")],
    "si": [("ශ්\u200dරී", "ශ්රී"), ("ආයුබෝවන්!", "ආයුබෝවන්")],
    "sk": [("„Dobrý deň!“", "dobrý deň")],
    "sl": [("»Dober dan!«", "dober dan")],
    "sn": [("n’anga", "n'anga"), ("Mhoro!", "mhoro")],
    "so": [("go’aan", "go'aan"), ("Haa!", "haa")],
    "sq": [("“Mirëdita!”", "mirëdita")],
    "sr": [("Љубав", "ljubav"), ("Ђорђе и џез", "Đorđe i džez")],
    "su": [("“Wilujeng!”", "wilujeng")],
    "sv": [("”Hej!”", "hej"), ("ÅÄÖ", "åäö")],
    "sw": [("ng’ombe", "ng'ombe"), ("Habari!", "habari")],
    "ta": [("௧௨", "12"), ("கொ", "க\u0bc6\u0bbe")],
    "te": [("౧౨", "12"), ("తెలుగు!", "తెలుగు")],
    "tg": [("«Салом!»", "салом"), ("ТОҶИКӢ", "тоҷикӣ")],
    "th": [("๑๒", "12"), ("น้ำ", "น้\u0e4d\u0e32"), ("เเปลก", "แปลก")],
    "tk": [("“Salam!”", "salam"), ("ŇÄ", "ňä")],
    "tl": [("“Kumusta?”", "kumusta"), ("ako’y", "ako'y")],
    "tr": [("İSTANBUL ISPARTA", "istanbul ısparta"), ("kâğıt", "kağıt"), ("i\u0307z", "iz")],
    "tt": [("«Сәлам!»", "сәлам"), ("ҖИР", "җир")],
    "uk": [("м'ята", "мʼята"), ("м’ята", "мʼята"), ("за́мок", "замок")],
    "ur": [("كي", "کی"), ("۱۲۳", "123"), ("هم", "ہم"), ("اُردو۔", "اردو")],
    "uz": [("o'zbek", "oʻzbek"), ("G‘arb", "gʻarb"), ("ma’no", "maʼno")],
    "vi": [("hoà bình", "hòa bình"), ("khoẻ", "khỏe"), ("thuý", "thúy"), ("qúy", "quý")],
    "yi": [("ייִדיש", "יי\u05b4דיש"), ("שלום!", "שלום")],
    "yo": [("ẹ̀kọ́", "e\u0329\u0300ko\u0329\u0301"), ("Ṣé?", "ṣé")],
    "yue": [("你好嗎？", "你好吗"), ("１２", "12")],
    "zh": [("今天天氣很好。", "今天天气很好"), ("ＯＫ", "ok"), ("好👍🏽", "好"), ("好❤️", "好")],
}

DIFFERENT = {
    "ar": [("كلب", "قلب"), ("علي", "على")],
    "az": [("qız", "qiz")],
    "be": [("мыла", "міла")],
    "de": [("schön", "schon")],
    "el": [("πότε", "ποτέ")],
    "en": [("it is", "it was")],
    "es": [("año", "ano")],
    "fa": [("شیر", "سیر")],
    "fr": [("pêche", "péché")],
    "he": [("שלום", "שלם")],
    "hi": [("में", "मैं"), ("अन्न", "अंन")],
    "ja": [("おばさん", "おばーさん"), ("か", "が")],
    "ps": [("ي", "ی")],
    "ro": [("fata", "fată")],
    "ru": [("все", "вес")],
    "sd": [("ڪ", "ک")],
    "th": [("ไม่", "ไม้")],
    "tr": [("sık", "sik"), ("ısı", "isi")],
    "uk": [("гнат", "ґнат")],
    "ur": [("پر", "بر")],
    "uz": [("ozbek", "oʻzbek")],
    "vi": [("hòa", "hoa"), ("má", "mà")],
    "yo": [("ọkọ", "ọ̀kọ̀")],
    "zh": [("他", "她")],
}


def normal(language: str, text: str) -> str:
    return normalizer(choose_normalizer(language, remove_pun=True, to_simple=True))(text)


def test_every_language_of_whisper_has_pairs():
    assert set(EQUAL) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [(language, *pair) for language, pairs in EQUAL.items() for pair in pairs],
)
def test_what_readers_call_equal_is_equal(language: str, one: str, other: str):
    assert normal(language, one) == normal(language, other) != ""


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [(language, *pair) for language, pairs in DIFFERENT.items() for pair in pairs],
)
def test_what_readers_tell_apart_stays_different(language: str, one: str, other: str):
    assert normal(language, one) != normal(language, other)
