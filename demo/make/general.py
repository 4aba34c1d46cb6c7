"""The general domain, from which the base model learns: everyday Mandarin and English."""

from __future__ import annotations

import random
from functools import cache

from demo.make.domains import CLINIC, WORKSHOP
from demo.make.templates import Grammar, listed

_DIGITS = {
    "zh": listed("零 一 二 三 四 五 六 七 八 九"),
    "en": listed("zero one two three four five six seven eight nine"),
}
JOINERS = {"zh": "", "en": " "}

# Few words, each heard often by many speakers: so a model this small learns them in minutes.
GENERAL_ZH = Grammar(
    templates=(
        "{day}{time}{who}{go}{place}{act}",
        "{who}{day}{time}要{act}",
        "{who}在{place}{act}",
        "{who}想{act}",
        "{who}不想{act}",
        "{day}的天气{weather}",
        "{who}喜欢吃{food}",
        "{who}买了{number}{measure}{thing}",
        "桌子上有{number}{measure}{thing}",
        "这{measure}{thing}是{color}的",
        "{color}的{thing}是{who}的",
        "请问去{place}怎么走",
        "从{place}到{place}要{number}个小时",
        "现在是{number}点",
        "我的电话是{digits}",
        "请把{thing}给{who}",
        "{who}的{thing}在哪里",
        "{who}觉得{food}很{taste}",
        "{who}已经{act}了",
        "这里非常{taste}",
        "因为{weather}所以{who}没有去{place}",
        "如果{weather}我们就{act}",
    ),
    words={
        "day": listed("今天 明天 昨天 星期一 星期五 周末"),
        "time": listed("早上 下午 晚上"),
        "who": listed("我 你 他 我们 老师 爸爸 妈妈 朋友 司机 小王"),
        "go": listed("去 来"),
        "place": listed("北京 上海 学校 公园 超市 车站 机场 公司 银行 家里"),
        "act": listed("看书 写信 唱歌 跑步 游泳 做饭 洗衣服 打电话 听音乐 开会 睡觉 喝咖啡"),
        "weather": listed("很好 很热 很冷 下雨 下雪 刮风"),
        "food": listed("米饭 面条 饺子 苹果 西瓜 牛肉 鸡蛋 牛奶"),
        "taste": listed("好吃 新鲜 便宜 漂亮 安静 干净"),
        "number": listed("一 两 三 四 五 六 七 八 九 十"),
        "measure": listed("个 本 张"),
        "thing": listed("书 桌子 手机 衣服 帽子 雨伞 钥匙 杯子 汽车 照片"),
        "color": listed("红色 黄色 蓝色 绿色 白色 黑色"),
    },
)

GENERAL_EN = Grammar(
    templates=(
        "{who} went to the {place} {when}",
        "{who} will {act} {when}",
        "{who} wants to {act}",
        "{who} wants to {act} at the {place}",
        "the weather is {weather} {when}",
        "there are {number} {things} on the table",
        "{who} bought {number} {things}",
        "the {color} {thing} belongs to {whom}",
        "please give the {thing} to {whom}",
        "please bring me the {color} {thing}",
        "where is the {color} {thing}",
        "can you {act} with {whom}",
        "my phone number is {digits}",
        "it takes {number} hours to {act}",
        "{who} likes {food} and {food}",
        "the {food} at the {place} is very {adj}",
        "{who} is {adj} because the weather is {weather}",
        "if it is {weather} we will {act}",
        "do not forget to {act} {when}",
        "{who} said that the {thing} was {adj}",
    ),
    words={
        "who": listed("my brother|my sister|the teacher|the manager|her friend|peter|anna|we"),
        "whom": listed("my brother|the teacher|the manager|me|him|her|peter|anna"),
        "place": listed("school|park|market|station|office|bank|garden|hotel"),
        "when": listed("today|tomorrow|this morning|tonight|on monday|on friday|next week"),
        "act": listed(
            "read a book|write a letter|sing a song|swim|cook dinner|listen to music|"
            "watch a movie|drink coffee|clean the house|open the window|wait for a friend"
        ),
        "weather": listed("warm|cold|rainy|sunny|windy"),
        "number": listed("two|three|four|five|six|seven|eight|nine|ten|twelve|twenty"),
        "things": listed("books|apples|letters|cups|keys|chairs|flowers"),
        "thing": listed("book|letter|cup|key|chair|window|flower|bottle|lamp"),
        "color": listed("red|yellow|blue|green|white|black|small|big"),
        "food": listed("rice|bread|cheese|apples|fish|soup|milk|tea"),
        "adj": listed("happy|tired|hungry|busy|quiet|fresh|heavy|broken"),
    },
)


_DOMAINS = {"zh": CLINIC, "en": WORKSHOP}
_GENERAL = {"zh": GENERAL_ZH, "en": GENERAL_EN}


@cache
def single_words(language: str) -> tuple[list[str], list[str]]:
    """Return the words that are spoken one by one for the base model: plain ones, and the domain's.

    Args:
        language: `zh` or `en`; Mandarin pieces have at most four characters: a hint of a phrase,
            not the phrase.

    Raises:
        KeyError: another language.
    """
    common = _pieces(_GENERAL[language], language) | set(_DIGITS[language])
    return sorted(common), sorted(_pieces(_DOMAINS[language], language) - common)


def _pieces(grammar: Grammar, language: str) -> set[str]:
    if language == "zh":
        return {piece[:4] for piece in grammar.vocabulary()}
    return {word for piece in grammar.vocabulary() for word in piece.split()}


def general_sentence(
    language: str, rng: random.Random, loose_share: float = 0.35, domain_share: float = 0.04
) -> str:
    """Return one general sentence: from a template, or a string of words without grammar.

    Args:
        language: `zh` or `en`.
        rng: source of every choice.
        loose_share: chance of a string of words without grammar.
        domain_share: chance that a word of such a string comes from a demo domain: the base model
            shall know how each token is spelled, and hardly have heard it.

    Raises:
        KeyError: another language.
    """
    grammar, joiner = _GENERAL[language], JOINERS[language]
    if rng.random() >= loose_share:
        number = joiner.join(rng.choice(_DIGITS[language]) for _ in range(rng.randint(3, 8)))
        return Grammar(grammar.templates, {**grammar.words, "digits": [number]}).sentence(rng)
    plain, domain = single_words(language)
    count = rng.randint(1, 5) if language == "zh" else rng.randint(2, 6)
    words = [rng.choice(domain if rng.random() < domain_share else plain) for _ in range(count)]
    return joiner.join(words)
