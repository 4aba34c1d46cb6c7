"""The two demo domains: a clinic's reception in Mandarin, a machine workshop in English.

Some forty words each that the base model has hardly heard, among everyday words that it knows.
"""

from __future__ import annotations

from demo.make.templates import Grammar, listed

CLINIC = Grammar(
    templates=(
        "请先到{desk}{errand}",
        "{patient}的{measure}{value}",
        "{patient}最近总是{symptom}",
        "{doctor}建议{patient}做{exam}",
        "{exam}的结果出来了",
        "我要预约{department}",
        "{patient}对{medicine}过敏",
        "{doctor}在{department}",
        "拿着{paper}去{desk}{errand}",
        "请把{paper}交给{doctor}",
        "{symptom}的时候请吃{medicine}",
        "{department}在{desk}旁边",
    ),
    words={
        "desk": listed("挂号处 药房 护士站 急诊室"),
        "errand": listed("登记 缴费 取药 抽血"),
        "patient": listed("病人 患者 孕妇 宝宝"),
        "measure": listed("血压 体温 血糖 心率"),
        "value": listed("正常 偏高 偏低 稳定"),
        "symptom": listed("咳嗽 发烧 头晕 呕吐 失眠"),
        "doctor": listed("主任 大夫 护士"),
        "exam": listed("胃镜 心电图 彩超 血常规"),
        "department": listed("内科 外科 儿科 骨科 眼科"),
        "medicine": listed("阿司匹林 消炎药 退烧药 胰岛素"),
        "paper": listed("病历 处方 化验单 医保卡"),
    },
)

WORKSHOP = Grammar(
    templates=(
        "tighten the {part} with the {tool}",
        "loosen the {part} before you remove the {part}",
        "the {part} on the {machine} is {fault}",
        "replace the {fault} {part}",
        "check the {quantity} of the {machine}",
        "the {machine} stopped because the {part} is {fault}",
        "grease the {part} and the {part}",
        "the {quantity} is too {level}",
        "order a spare {part} for the {machine}",
        "inspect the {part} and the {tool}",
        "put the {tool} back in the {storage}",
        "drain the {fluid} from the {machine}",
        "refill the {fluid} until the {quantity} is {level}",
    ),
    words={
        "part": listed("bearing|gasket|piston|washer|valve|pulley"),
        "tool": listed("wrench|caliper|screwdriver|chisel|mallet"),
        "machine": listed("lathe|compressor|conveyor|forklift|generator"),
        "fault": listed("cracked|leaking|rusty|jammed"),
        "quantity": listed("pressure|voltage|torque"),
        "level": listed("low|high|stable"),
        "storage": listed("cabinet|locker|toolbox"),
        "fluid": listed("coolant|lubricant"),
    },
)
