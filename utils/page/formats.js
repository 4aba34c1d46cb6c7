// A transcript as the files that people download: {start, end, text} for each sentence, in seconds.

export function clock(seconds, mark, hours) {
  const whole = Math.round(seconds * 1000);
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  const hour = whole / 3600000;
  const shown = hours || hour >= 1 ? `${two(hour)}:` : "";
  const milliseconds = String(whole % 1000).padStart(3, "0");
  return `${shown}${two((whole / 60000) % 60)}:${two((whole / 1000) % 60)}${mark}${milliseconds}`;
}

export function shortClock(seconds) {
  return clock(seconds, ".", false).replace(/^0(?=\d:)/, "").slice(0, -2);
}

const cueText = (each) => each.text.trim().replaceAll("-->", "->");

export const FORMATS = {
  txt: (sentences) => sentences.map((each) => `${each.text.trim()}\n`).join(""),
  srt: (sentences) => sentences.map((each, number) =>
    `${number + 1}\n${clock(each.start, ",", true)} --> ${clock(each.end, ",", true)}\n${cueText(each)}\n\n`).join(""),
  vtt: (sentences) => "WEBVTT\n\n" + sentences.map((each) =>
    `${clock(each.start, ".", false)} --> ${clock(each.end, ".", false)}\n${cueText(each)}\n\n`).join(""),
  json: (sentences, language) => JSON.stringify(
    { text: sentences.map((each) => each.text.trim()).join(" "), language, segments: sentences }, null, 1),
};

export function download(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type: "text/plain;charset=utf-8" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
