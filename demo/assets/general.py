"""The general domain, from which the base model learns: everyday Mandarin and English."""

from __future__ import annotations

import random
from functools import cache

from demo.assets.domains import CLINIC, WORKSHOP
from demo.assets.templates import Grammar, listed

_ZH_DIGITS = listed("零 一 二 三 四 五 六 七 八 九")
_EN_DIGITS = listed("zero one two three four five six seven eight nine")

GENERAL_ZH = Grammar(
    templates=(
        "{day}{time}{who}{go}{place}{act}",
        "{who}{day}{time}要{act}",
        "{who}在{place}{act}",
        "{who}想{act}",
        "{who}不想{act}",
        "{day}的天气{weather}",
        "{place}的天气{weather}",
        "{who}喜欢吃{food}",
        "{who}买了{number}{measure}{thing}",
        "桌子上有{number}{measure}{thing}",
        "这{measure}{thing}是{color}的",
        "{color}的{thing}是{who}的",
        "请问去{place}怎么走",
        "从{place}到{place}要{number}个小时",
        "现在是{hour}点{minute}分",
        "{who}{hour}点{go}{place}",
        "我的电话是{digits}",
        "房间号码是{digits}",
        "请把{thing}给{who}",
        "{who}的{thing}在哪里",
        "{who}觉得{food}很{taste}",
        "你能帮我{act}吗",
        "{who}已经{act}了",
        "{month}月{dayno}号是{who}的生日",
        "{who}今年{number}岁了",
        "一共{price}块钱",
        "{food}{number}块钱一份",
        "{who}比{who}{adj}",
        "这个地方非常{adj}",
        "因为{weather}所以{who}没有{go}{place}",
        "如果{day}{weather}我们就{act}",
        "{who}一边{act}一边{act}",
        "{who}正在{act}",
    ),
    words={
        "day": listed("今天 明天 昨天 后天 星期一 星期二 星期三 星期五 星期天 周末 下个月 去年"),
        "time": listed("早上 上午 中午 下午 晚上 半夜"),
        "who": listed(
            "我 你 他 我们 他们 大家 老师 学生 爸爸 妈妈 哥哥 姐姐 弟弟 妹妹 朋友 同学 邻居 "
            "经理 司机 小王 老李 孩子 奶奶 爷爷"
        ),
        "go": listed("去 来 回 到 离开"),
        "place": listed(
            "北京 上海 广州 西安 学校 公园 超市 图书馆 火车站 机场 公司 饭店 银行 海边 "
            "家里 商店 电影院 动物园 操场 教室 办公室 山上 河边 城里"
        ),
        "act": listed(
            "看书 写信 唱歌 跳舞 跑步 游泳 做饭 洗衣服 打电话 听音乐 看电影 买东西 开会 上课 "
            "学习中文 踢足球 打篮球 喝咖啡 吃午饭 坐地铁 骑自行车 拍照片 画画 睡觉 休息 工作 聊天 "
            "打扫房间 种花 修电脑 玩游戏 爬山 钓鱼 找钥匙 等朋友"
        ),
        "weather": listed("很好 很热 很冷 下雨 下雪 刮风 有雾 晴朗 多云 不太好 特别暖和"),
        "food": listed(
            "米饭 面条 饺子 包子 苹果 香蕉 西瓜 牛肉 羊肉 鸡蛋 豆腐 青菜 鱼汤 蛋糕 面包 "
            "牛奶 茶叶 葡萄 土豆 白菜"
        ),
        "taste": listed("好吃 甜 辣 咸 香 酸 新鲜 贵 便宜"),
        "number": listed(
            "一 两 三 四 五 六 七 八 九 十 十二 十五 二十 二十五 三十 四十 六十八 九十九 "
            "一百 三百五十 一千"
        ),
        "measure": listed("个 本 张 件 把 台 辆 条 只 杯 块"),
        "thing": listed(
            "书 报纸 桌子 椅子 手机 电脑 衣服 鞋子 帽子 雨伞 钥匙 杯子 汽车 照片 地图 "
            "铅笔 箱子 礼物 灯 画 钟 窗户 眼镜"
        ),
        "color": listed("红色 黄色 蓝色 绿色 白色 黑色 灰色 紫色"),
        "hour": listed("一 两 三 四 五 六 七 八 九 十 十一 十二"),
        "minute": listed("五 十 十五 二十 二十五 三十 四十 五十"),
        "month": listed("一 二 三 四 五 六 七 八 九 十 十一 十二"),
        "dayno": listed("一 二 五 八 十 十二 十六 二十 二十三 三十"),
        "price": listed("五 八 十二 二十 三十五 四十八 六十 九十 一百二十 两百"),
        "adj": listed("高 矮 胖 瘦 快 慢 大 小 安静 漂亮 热闹 干净 年轻 聪明 忙 远 近 舒服 认真"),
    },
)

GENERAL_EN = Grammar(
    templates=(
        "{who} {went} to the {place} {when}",
        "{who} will {act} {when}",
        "{who} {want} to {act}",
        "{who} {want} to {act} at the {place}",
        "the weather is {weather} {when}",
        "it will be {weather} in {city} {when}",
        "there are {number} {things} on the table",
        "{who} bought {number} {things}",
        "the {color} {thing} belongs to {whom}",
        "please give the {thing} to {whom}",
        "please bring me the {color} {thing}",
        "where is the {color} {thing}",
        "can you {act} with {whom}",
        "my phone number is {digits}",
        "the room number is {digits}",
        "the train to {city} leaves at {hour} {minute}",
        "the bus from {city} arrives at {hour}",
        "it takes {number} hours from {city} to {city}",
        "{who} likes {food} and {food}",
        "{who} had {food} for {meal}",
        "the {food} at the {place} is very {adj}",
        "the {place} is {adj} {when}",
        "{whose} birthday is on the {ordinal} of {month}",
        "{who} is {adj} because the weather is {weather}",
        "if it is {weather} we will {act}",
        "{who} is {number} years old",
        "the price is {number} dollars",
        "do not forget to {act} {when}",
        "i think {who} can {act}",
        "{who} said that the {thing} was {adj}",
    ),
    words={
        "who": listed(
            "my brother|my sister|the teacher|the student|our neighbor|the manager|her friend|"
            "his father|my mother|the driver|the little girl|the old man|everybody|nobody|peter|"
            "anna|the doctor|our family|the farmer|the captain"
        ),
        "whom": listed(
            "my brother|my sister|the teacher|the children|our neighbor|me|him|her|them|"
            "the manager|my uncle|peter|anna"
        ),
        "whose": listed("my|his|her|our|their|peter's|anna's"),
        "went": listed("went|goes|is going|walked|drove|hurried"),
        "want": listed("wants|needs|likes|tries|forgot|decided|hopes"),
        "place": listed(
            "school|park|market|library|station|airport|office|restaurant|bank|beach|museum|"
            "kitchen|garden|village|church|theater|hotel|river|mountain|castle"
        ),
        "when": listed(
            "today|tomorrow|this morning|this afternoon|this evening|tonight|on monday|"
            "on tuesday|on wednesday|on thursday|on friday|on saturday|on sunday|next week|"
            "every day|in the winter|in the summer"
        ),
        "act": listed(
            "read a book|write a letter|sing a song|dance|swim|cook dinner|wash the clothes|"
            "make a phone call|listen to music|watch a movie|buy some bread|learn english|"
            "play football|drink coffee|ride a bicycle|take a picture|paint the door|sleep|rest|"
            "work|clean the house|plant flowers|climb the hill|find the keys|wait for a friend|"
            "feed the horses|open the window|answer the question"
        ),
        "weather": listed("warm|cold|hot|rainy|sunny|cloudy|windy|snowy|foggy|nice|terrible"),
        "city": listed("london|paris|berlin|boston|chicago|denver|dublin|madrid|oxford|tokyo"),
        "number": listed(
            "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|"
            "eighteen|twenty|twenty five|thirty|forty two|fifty|sixty|seventy five|eighty|ninety|"
            "one hundred"
        ),
        "things": listed(
            "books|apples|letters|cups|keys|chairs|pictures|shoes|boxes|flowers|tickets|"
            "bottles|plates|lamps|candles"
        ),
        "thing": listed(
            "book|apple|letter|cup|key|chair|picture|shoe|box|flower|ticket|bottle|plate|"
            "lamp|candle|umbrella|hat|car|bag|clock|blanket|camera|pencil"
        ),
        "color": listed("red|yellow|blue|green|white|black|brown|gray|purple|orange|small|big"),
        "hour": listed("one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"),
        "minute": listed("ten|fifteen|twenty|thirty|forty|fifty|o'clock"),
        "food": listed(
            "rice|noodles|bread|cheese|apples|bananas|fish|chicken|soup|salad|eggs|butter|"
            "milk|tea|cake|potatoes|tomatoes|honey|sugar|carrots"
        ),
        "meal": listed("breakfast|lunch|dinner|supper"),
        "adj": listed(
            "happy|tired|hungry|busy|quiet|beautiful|expensive|cheap|fresh|sweet|heavy|famous|"
            "crowded|empty|ready|late|angry|strange|wonderful|broken"
        ),
        "ordinal": listed("first|second|third|fourth|fifth|tenth|twelfth|twentieth"),
        "month": listed(
            "january|february|march|april|may|june|july|august|september|october|november|december"
        ),
    },
)

# Words for the strings without grammar: they teach the decoder to listen instead of to guess.
_LOOSE_ZH = listed(
    "时间 方法 国家 历史 经济 科学 自然 空气 月亮 春天 秋天 东边 左右 里外 "
    "长短 远近 男女 兄弟 草原 海洋 石头 金属 塑料 工厂 工人 警察 记者 作家 "
    "总统 部长 法律 自由 战争 危险 容易 复杂 普通 主要 部分 减少 降低 结束 "
    "停止 失败 相信 选择 反对 帮助 破坏 发展 变化 调查 讨论 解释 表示 了解 "
    "记得 感到 抱歉 难过 害怕 放心 失望 眼睛 嘴巴 头发 健康 比赛 队员 观众 "
    "新闻 电视 软件 信息 故事 小说 语言 句子 颜色 数字 测量 速度 面积 市场 "
    "顾客 质量 设备 能源 煤炭 交通 桥梁 轮船 火箭 宇宙 动物 老虎 大象 熊猫 "
    "蝴蝶 蚂蚁 松树 菊花 果实 玉米 棉花 瓷器 旅游 签证 地址 信封 包裹 付款 "
    "发票 签字 文件 报告 目标"
)

_LOOSE_EN = listed(
    "able action agree arm aunt ball bear bend bird board border branch bring burn camp cause "
    "cheek circle clever coast common corn country cow crown danger deep dish dress dust early "
    "edge empty enough event eye fall feather fight fire float fold fork free fruit gentle "
    "goat grand group guest hair hand head help hire hook human inch island joke juice kick "
    "knee ladder language lead leave lend light lip load long lose luck mark meal medal middle "
    "mirror money mouse narrow neck net north nurse oil other page palace part peace pepper "
    "pile pity plant pocket police port power price prison proof pupil quick rail rat receive "
    "religion respect rich rock rope row rush salt scale sea seed separate shadow share shelf "
    "shirt shout side silver size sky smell snake soil soon south speed spirit spring stamp "
    "state steel still storm stream sudden surface system tax tent thick thread thunder time "
    "tomorrow touch toy treasure trip turn union verse visit wall wave weapon weight wheat "
    "wide wing wolf wool worth young"
)


@cache
def _loose_words(language: str) -> tuple[list[str], list[str]]:
    """Return the plain words and the demo domain's words for strings without grammar."""
    if language == "zh":
        everyday = [w for words in GENERAL_ZH.words.values() for w in words]
        # At most four characters: a hint of a domain phrase, not the phrase.
        return [*_LOOSE_ZH, *everyday], [piece[:4] for piece in sorted(CLINIC.vocabulary())]
    everyday = [w for words in GENERAL_EN.words.values() for w in words]
    pieces = WORKSHOP.vocabulary()
    return [*_LOOSE_EN, *everyday], sorted({word for piece in pieces for word in piece.split()})


def general_sentence(
    language: str, rng: random.Random, loose_share: float = 0.3, domain_share: float = 0.1
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
    grammar = {"zh": GENERAL_ZH, "en": GENERAL_EN}[language]
    digits = {"zh": _ZH_DIGITS, "en": _EN_DIGITS}[language]
    joiner = {"zh": "", "en": " "}[language]
    if rng.random() >= loose_share:
        number = joiner.join(rng.choice(digits) for _ in range(rng.randint(3, 8)))
        return Grammar(grammar.templates, {**grammar.words, "digits": [number]}).sentence(rng)
    plain, domain = _loose_words(language)
    count = rng.randint(1, 5) if language == "zh" else rng.randint(2, 6)
    words = [rng.choice(domain if rng.random() < domain_share else plain) for _ in range(count)]
    return joiner.join(words)


def single_words(language: str) -> tuple[list[str], list[str]]:
    """Return the words that are spoken one by one for the base model: plain ones, and the domain's.

    Args:
        language: `zh` or `en`; Mandarin pieces have at most four characters.

    Raises:
        KeyError: another language.
    """
    grammar = {"zh": GENERAL_ZH, "en": GENERAL_EN}[language]
    plain, domain = _loose_words(language)
    if language == "zh":
        plain = [*plain, *(piece[:4] for piece in grammar.vocabulary())]
    else:
        plain = [*_LOOSE_EN, *(word for piece in grammar.vocabulary() for word in piece.split())]
    common = sorted(set(plain))
    return common, sorted(set(domain) - set(common))
