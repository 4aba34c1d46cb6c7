// The page: what is asked for, who recognises, and where the text goes.

import { Column } from "./columns.js";
import { shortClock } from "./formats.js";
import { openMicrophone } from "./microphone.js";
import { Player } from "./player.js";
import { Recogniser } from "./recogniser.js";
import { currentTongue, setTongue, text } from "./texts.js";

const $ = (name) => document.getElementById(name);
const recogniser = new Recogniser();
const player = new Player($("player"), $("wave"), (seconds) => columns.forEach((column) => column.mark(seconds)));

let settings = { models: [], collect: false };
let columns = [];
let sound = null; // the file whose text is shown
let running = null; // what can be stopped
let microphone = null;
let live = null;

function options(model) {
  return {
    model, task: $("task").value, language: $("language").value,
    simple: $("simple").checked, marks: $("marks").checked,
  };
}

function complain(message) {
  $("problem").textContent = message;
  $("problem").hidden = !message;
}

function begin(name) {
  running?.abort();
  running = new AbortController();
  complain("");
  $("heard").textContent = name;
  $("result").hidden = false;
  const models = [...new Set([$("model").value, $("beside").value])].filter(Boolean);
  columns = models.map((model) => new Column(model, (start, end) => player.play(start, end), saveCorrections));
  for (const column of columns) column.name = name.replace(/\.[^.]*$/, "") || name;
  $("columns").replaceChildren(...columns.map((column) => column.element));
  return running.signal;
}

async function transcribe(file) {
  const signal = begin(file.name);
  sound = file;
  player.open(file);
  await recognise(columns, file, signal);
}

async function recognise(which, file, signal) {
  $("stop").hidden = false;
  $("progress").textContent = text(settings.on_device ? "thinking" : "sending");
  const tell = (column, sentence) => {
    column.add(sentence);
    const all = $("player").duration;
    const done = Math.min(...columns.map((each) => each.sentences.at(-1)?.end ?? 0));
    if (all) $("progress").textContent = text("working", shortClock(done), shortClock(all));
  };
  const work = which.map(async (column) => {
    const wanted = options(column.model);
    column.language = wanted.language || null;
    await recogniser.transcribe(file, wanted, (sentence) => tell(column, sentence), signal);
    column.finish(settings.collect);
  });
  const results = await Promise.allSettled(work);
  if (signal !== running?.signal) return;
  const failed = results.find((each) => each.status === "rejected");
  if (failed && failed.reason.name !== "AbortError")
    complain(failed.reason instanceof TypeError ? text("unreachable") : failed.reason.message);
  $("progress").textContent = failed ? text("stopped") : text("done");
  $("stop").hidden = true;
}

async function saveCorrections(column, form) {
  const status = form.querySelector("[role=status]");
  status.textContent = text("sending");
  try {
    const { lines } = await recogniser.save(sound, {
      sentences: JSON.stringify(column.sentences), task: $("task").value,
      language: $("language").value || "None", speaker: form.elements.speaker.value,
    });
    status.textContent = text("saved", lines);
  } catch (error) {
    status.textContent = error instanceof TypeError ? text("unreachable") : error.message;
  }
}

// --------------------------------------------------------------------------------------------------
// The microphone.

async function startRecording() {
  const signal = begin(text("recording"));
  let send = () => {};
  try {
    microphone = await openMicrophone((samples) => send(samples));
  } catch (error) {
    $("result").hidden = true;
    complain(text("noMicrophone") + error.message);
    return;
  }
  setRecordButton();
  $("live").hidden = false;
  $("live").textContent = text("listening");
  const column = columns[0];
  live = recogniser.live(options(column.model), microphone.rate, (what, turn) => {
    if (signal.aborted) return;
    if (what === "growing") $("live").textContent = turn.text;
    if (what === "ended") {
      column.add(turn);
      $("live").textContent = text("listening");
    }
    if (what === "error") complain(turn.message);
  });
  if (live) send = (samples) => live.send(samples);
}

async function stopRecording() {
  const signal = running.signal;
  const [source, stream] = [microphone, live];
  microphone = live = null;
  setRecordButton();
  sound = await source.close();
  player.open(sound);
  $("progress").textContent = text("sending");
  await stream?.end();
  $("live").hidden = true;
  if (signal !== running?.signal) return;
  const column = columns[0];
  // Where nothing came over the connection, and for the other model, the whole recording is sent.
  const left = column.sentences.length ? columns.slice(1) : columns;
  if (column.sentences.length) {
    column.language = $("language").value || null;
    column.finish(settings.collect);
  }
  await recognise(left, sound, signal);
}

function setRecordButton() {
  $("record").setAttribute("aria-pressed", String(Boolean(microphone)));
  $("record").querySelector("span").textContent = text(microphone ? "stopRecording" : "record");
}

// --------------------------------------------------------------------------------------------------
// Settings and languages.

function fillMenus() {
  const menu = (name, entries) => {
    const before = $(name).value;
    $(name).replaceChildren(...entries.map(([value, label]) => new Option(label, value)));
    if (entries.some(([value]) => value === before)) $(name).value = before;
  };
  menu("model", settings.models.map((each) => [each, each]));
  menu("beside", [["", text("noOther")], ...settings.models.map((each) => [each, each])]);
  const names = new Intl.DisplayNames([currentTongue() === "zh" ? "zh-Hans" : "en"], { type: "language" });
  const languages = (settings.languages ?? []).map((code) => [code, names.of(code)]);
  const first = ["zh", "en"].map((code) => [code, names.of(code)]);
  languages.sort((a, b) => a[1].localeCompare(b[1]));
  menu("language", [["", text("detect")], ...first, ...languages.filter(([code]) => !["zh", "en"].includes(code))]);
}

function show() {
  setTongue(localStorage.getItem("tongue") ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
  $("tongue").textContent = currentTongue() === "zh" ? "English" : "中文";
  $("tongue").lang = currentTongue() === "zh" ? "en" : "zh-Hans";
  setRecordButton();
  fillMenus();
  for (const column of columns) column.translate();
  if (settings.max_upload_mb)
    $("limits").textContent = text(settings.collect ? "limitsCollecting" : "limits",
      settings.max_upload_mb, Math.round(settings.max_audio_seconds / 60));
  if (settings.on_device) $("limits").textContent = text("onDevice");
  for (const field of document.querySelectorAll(".models")) field.hidden = settings.models.length < 2;
  $("collecting").textContent = text("collecting");
  $("collecting").hidden = !settings.collect;
  $("key-field").hidden = !settings.key_required;
}

function connectEverything() {
  $("tongue").onclick = () => {
    localStorage.setItem("tongue", currentTongue() === "zh" ? "en" : "zh");
    show();
  };
  $("file").onchange = () => {
    if ($("file").files[0]) transcribe($("file").files[0]);
    $("file").value = "";
  };
  $("record").onclick = () => (microphone ? stopRecording() : startRecording());
  $("stop").onclick = () => running?.abort();
  $("key").oninput = () => { recogniser.key = $("key").value; };
  const drop = $("drop");
  for (const name of ["dragenter", "dragover"])
    addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const name of ["dragleave", "drop"])
    addEventListener(name, (event) => { event.preventDefault(); drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    const file = event.dataTransfer.files[0];
    if (file) transcribe(file);
  });
}

connectEverything();
show();
try {
  settings = await recogniser.settings();
} catch {
  complain(text("unreachable"));
}
show();
document.documentElement.dataset.ready = "true";
