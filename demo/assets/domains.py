"""The two demo domains: a clinic's reception in Mandarin, a machine workshop in English."""

from __future__ import annotations

from demo.assets.templates import Grammar, listed

CLINIC = Grammar(
    templates=(
        "请先到{desk}{errand}",
        "{patient}的{measure}是{value}",
        "{patient}最近总是{symptom}",
        "{patient}{symptom}已经{days}天了",
        "{doctor}建议{patient}做{exam}",
        "{exam}的结果{when}出来",
        "请{when}来{department}复查",
        "{department}的号已经挂满了",
        "我要预约{when}的{department}",
        "这种{medicine}每天{times}次每次{dose}",
        "{medicine}要{meal}服用",
        "{patient}对{medicine}过敏",
        "{doctor}{when}在{department}坐诊",
        "拿着{paper}去{desk}{errand}",
        "{exam}之前请不要{avoid}",
        "{patient}需要住院{days}天",
        "{patient}{when}可以出院",
        "请把{paper}交给{doctor}",
        "{symptom}的时候请吃{medicine}",
        "{department}在{floor}楼{desk}旁边",
    ),
    words={
        "desk": listed("挂号处 收费窗口 药房 护士站 化验室 导诊台 急诊室 注射室"),
        "errand": listed("登记 缴费 取药 抽血 量血压 排队 打针 领取单子"),
        "patient": listed("病人 患者 老人家 孕妇 宝宝 三床病人 这位女士 那位先生"),
        "measure": listed("血压 体温 血糖 心率 胆固醇 血氧"),
        "value": listed("正常 偏高 偏低 三十八度 一百二十 一百六十 六点五 稳定"),
        "symptom": listed("咳嗽 发烧 头晕 胸闷 腹泻 呕吐 失眠 关节疼 嗓子疼 皮肤痒 胃疼 流鼻涕"),
        "days": listed("两 三 五 七 十"),
        "doctor": listed("主任 大夫 陈医生 赵护士 值班医生 专家"),
        "exam": listed("核磁共振 胃镜 心电图 彩超 尿检 血常规 胸透 骨科检查"),
        "when": listed("明早八点 下周三 后天上午 今晚 半小时后 周五下午"),
        "department": listed("内科 外科 儿科 骨科 眼科 皮肤科 神经科 妇产科 中医科 口腔科"),
        "medicine": listed("阿司匹林 消炎药 退烧药 止痛片 胰岛素 感冒冲剂 青霉素 维生素 止咳糖浆"),
        "times": listed("一 两 三 四"),
        "dose": listed("一片 两粒 半包 十毫升 三粒"),
        "meal": listed("饭前 饭后 睡前 空腹"),
        "paper": listed("病历 处方 化验单 医保卡 转诊单 缴费单"),
        "avoid": listed("喝酒 吸烟 吃早餐 剧烈运动 喝水 服药"),
        "floor": listed("一 二 三 四 五 六"),
    },
)

WORKSHOP = Grammar(
    templates=(
        "tighten the {part} with the {tool}",
        "loosen the {part} before you remove the {part}",
        "the {part} on the {machine} is {fault}",
        "replace the {fault} {part} {when}",
        "check the {quantity} of the {machine} {when}",
        "set the {quantity} to {value} {unit}",
        "the {machine} stopped because the {part} is {fault}",
        "grease the {part} and the {part}",
        "drill a {value} millimeter hole in the {stock}",
        "clamp the {stock} and switch on the {machine}",
        "wear {gear} when you use the {machine}",
        "the {quantity} is {value} {unit} too {level}",
        "order a spare {part} for the {machine}",
        "{worker} must inspect the {part} {when}",
        "{worker} welded the {stock} to the {part}",
        "measure the {stock} with the {tool}",
        "the {tool} is missing from the {storage}",
        "put the {tool} back in the {storage}",
        "drain the {fluid} from the {machine} {when}",
        "refill the {fluid} until the {quantity} is {level}",
    ),
    words={
        "part": listed(
            "bearing|gasket|spindle|flange|piston|washer|bracket|valve|pulley|gearbox|"
            "crankshaft|nozzle|coupling|sprocket|bushing"
        ),
        "tool": listed(
            "torque wrench|caliper|screwdriver|mallet|allen key|soldering iron|micrometer|"
            "chisel|pliers|grinder"
        ),
        "machine": listed(
            "lathe|milling machine|compressor|conveyor|hydraulic press|forklift|generator|"
            "band saw|turbine|plasma cutter"
        ),
        "fault": listed("cracked|leaking|worn out|rusty|overheated|jammed|misaligned|corroded"),
        "when": listed(
            "before the shift|after lunch|at midnight|once a month|immediately|"
            "during maintenance|every quarter"
        ),
        "quantity": listed("pressure|voltage|torque|coolant level|clearance|feed rate|temperature"),
        "value": listed("six|eight|twelve|sixteen|twenty|thirty five|forty|ninety"),
        "unit": listed("bar|volts|newton meters|millimeters|degrees|microns"),
        "stock": listed("aluminum plate|steel rod|brass tube|copper sheet|cast iron block"),
        "gear": listed("goggles|gloves|ear protection|a helmet|an apron"),
        "level": listed("high|low|normal|stable"),
        "worker": listed(
            "the foreman|the apprentice|the welder|the electrician|the mechanic|the supervisor"
        ),
        "storage": listed("toolbox|cabinet|drawer|workbench|locker"),
        "fluid": listed("coolant|lubricant|hydraulic oil|antifreeze|brake fluid"),
    },
)
