// The page's words in both languages. No text of the page stands anywhere else.

export const TEXTS = {
  en: {
    title: "Speech to text", skip: "Go to the text", ask: "A recording to transcribe",
    drop: "Drop a sound or video file here", choose: "Choose a file", record: "Record",
    stopRecording: "Stop recording", model: "Model", beside: "Beside it", noOther: "no other model",
    language: "Language", detect: "detect", task: "Task", transcribe: "transcribe",
    translate: "translate to English", key: "API key", simple: "Simplified Chinese", marks: "Punctuation",
    stop: "Stop", copy: "Copy", copied: "Copied", download: "Download", nothing: "No speech was found.",
    speaker: "Speaker (may be left empty)", save: "Save corrections",
    saved: (n) => `Saved: ${n} manifest ${n === 1 ? "line" : "lines"}.`,
    limits: (mb, minutes) => `Up to ${mb} MB and ${minutes} minutes. Nothing is kept on the server.`,
    limitsCollecting: (mb, minutes) => `Up to ${mb} MB and ${minutes} minutes.`,
    collecting: "This server saves corrections: when you press “Save corrections”, the recording and "
      + "your text are kept on it, to train the next model. Nothing else is kept.",
    sending: "sending…", working: (done, all) => `${done} of ${all}`, done: "done", stopped: "stopped",
    sentences: (n) => `${n} ${n === 1 ? "sentence" : "sentences"}`,
    play: (n, begin, end) => `Play sentence ${n}, ${begin} to ${end}`,
    sentence: (n) => `Text of sentence ${n}`, listening: "Listening…", recording: "Recording",
    noMicrophone: "The microphone cannot be used: ", unreachable: "The server cannot be reached.",
    onDevice: "Nothing leaves this device: the model works in this page.", thinking: "recognising…",
    storing: (done, all) => `Storing the model on this device: ${done} of ${all} MB`,
    offline: "Works without a network.", newer: "A newer version is here: reload the page.",
    unreadable: (name) => `This browser cannot read ${name}.`,
    failed: (why) => `This device could not run the model: ${why}`,
    cutShort: "The answer ended too early.", noSound: "This recording cannot be played here.",
  },
  zh: {
    title: "语音识别", skip: "跳到文字", ask: "要识别的录音",
    drop: "把音频或视频文件拖到这里", choose: "选择文件", record: "录音",
    stopRecording: "停止录音", model: "模型", beside: "对比模型", noOther: "不对比",
    language: "语言", detect: "自动检测", task: "任务", transcribe: "识别",
    translate: "翻译成英文", key: "API 密钥", simple: "转成简体中文", marks: "标点符号",
    stop: "停止", copy: "复制", copied: "已复制", download: "下载", nothing: "没有发现语音。",
    speaker: "说话人（可不填）", save: "保存修改",
    saved: (n) => `已保存 ${n} 条训练数据。`,
    limits: (mb, minutes) => `不超过 ${mb} MB、${minutes} 分钟。服务器不保留任何内容。`,
    limitsCollecting: (mb, minutes) => `不超过 ${mb} MB、${minutes} 分钟。`,
    collecting: "本服务器会保存修改：按下“保存修改”后，录音和您改好的文字会留在服务器上，用于训练下一个模型。其他内容一概不保留。",
    sending: "正在上传…", working: (done, all) => `${done} / ${all}`, done: "完成", stopped: "已停止",
    sentences: (n) => `${n} 句`,
    play: (n, begin, end) => `播放第 ${n} 句，${begin} 到 ${end}`,
    sentence: (n) => `第 ${n} 句的文字`, listening: "正在听……", recording: "录音",
    noMicrophone: "无法使用麦克风：", unreachable: "连不上服务器。",
    onDevice: "录音不会离开本设备：模型就在这个网页里运行。", thinking: "正在识别…",
    storing: (done, all) => `正在把模型存到本设备：${done} / ${all} MB`,
    offline: "没有网络也能使用。", newer: "有新版本：请重新加载网页。",
    unreadable: (name) => `浏览器无法读取 ${name}。`,
    failed: (why) => `本设备无法运行模型：${why}`,
    cutShort: "回答没有传完就中断了。", noSound: "此处无法播放这段录音。",
  },
};

let tongue = "en";

export function setTongue(name) {
  tongue = name in TEXTS ? name : "en";
  document.documentElement.lang = tongue === "zh" ? "zh-Hans" : "en";
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  document.title = text("title");
}

export function currentTongue() {
  return tongue;
}

export function text(name, ...values) {
  const found = TEXTS[tongue][name];
  return typeof found === "function" ? found(...values) : found;
}
