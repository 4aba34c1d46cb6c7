"""The window's words in both languages. No text that people read stands anywhere else in it."""

from __future__ import annotations

TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Speech to text",
        "open": "Open…",
        "record": "Record",
        "stop_recording": "Stop recording",
        "transcribe": "Transcribe",
        "cancel": "Cancel",
        "export": "Export",
        "export_as": "As {format}…",
        "copy": "Copy",
        "model": "Model",
        "browse": "Choose a folder or file…",
        "browse_folder": "A folder…",
        "browse_file": "A file (.bin, .pt)…",
        "device": "Device",
        "automatic": "automatic",
        "language": "Language",
        "detect": "detect",
        "task": "Task",
        "task_transcribe": "transcribe",
        "task_translate": "translate to English",
        "simple": "Simplified Chinese",
        "marks": "Punctuation",
        "other_language": "中文",
        "drop": "Drop a sound or video file here, open one, or record.",
        "sounds": "Sound and video",
        "any_file": "All files",
        "time": "Time",
        "text": "Text",
        "opening": "Reading {name}…",
        "opened": "{name}, {length}",
        "loading": "Loading the model…",
        "working": "Transcribing: {share} %",
        "done": "{sentences} sentences, {language}",
        "done_one": "1 sentence, {language}",
        "nothing": "No speech was found.",
        "cancelled": "Cancelled. Transcribe again to go on from here.",
        "recording": "Recording… {length}",
        "saved": "Saved {path}",
        "copied": "The text is on the clipboard.",
        "problem": "That did not work",
        "play": "Click a sentence to hear it; double-click to correct it.",
        "wave": "Sound of the recording; click to hear it from there",
        "sentences": "Sentences",
        "progress": "Progress",
    },
    "zh": {
        "title": "语音识别",
        "open": "打开…",
        "record": "录音",
        "stop_recording": "停止录音",
        "transcribe": "识别",
        "cancel": "取消",
        "export": "导出",
        "export_as": "导出为 {format}…",
        "copy": "复制",
        "model": "模型",
        "browse": "选择文件夹或文件…",
        "browse_folder": "文件夹…",
        "browse_file": "文件（.bin、.pt）…",
        "device": "设备",
        "automatic": "自动",
        "language": "语言",
        "detect": "自动检测",
        "task": "任务",
        "task_transcribe": "识别",
        "task_translate": "翻译成英文",
        "simple": "转成简体中文",
        "marks": "标点符号",
        "other_language": "English",
        "drop": "把音频或视频文件拖到这里，或打开文件，或录音。",
        "sounds": "音频和视频",
        "any_file": "所有文件",
        "time": "时间",
        "text": "文字",
        "opening": "正在读取 {name}…",
        "opened": "{name}，{length}",
        "loading": "正在加载模型…",
        "working": "正在识别：{share} %",
        "done": "{sentences} 句，{language}",
        "done_one": "1 句，{language}",
        "nothing": "没有发现语音。",
        "cancelled": "已取消。再次识别会从这里继续。",
        "recording": "正在录音… {length}",
        "saved": "已保存 {path}",
        "copied": "文字已复制到剪贴板。",
        "problem": "没有成功",
        "play": "单击句子播放，双击修改文字。",
        "wave": "录音波形；单击从该处播放",
        "sentences": "句子",
        "progress": "进度",
    },
}


class Texts:
    """The words of one language.

    Args:
        tongue: a key of `TEXTS`.
    """

    def __init__(self, tongue: str) -> None:
        self.tongue = tongue

    @property
    def other(self) -> str:
        """The tongue that the window can be switched to."""
        return "en" if self.tongue == "zh" else "zh"

    def __call__(self, key: str, /, **values: object) -> str:
        """A text, its places filled in."""
        return TEXTS[self.tongue][key].format(**values)
