// Who recognises, behind the page: a model in this browser; see the server's file of this name.

import { stored } from "./app.js";
import { rewritten, setCharacters } from "./rewriting.js";
import { RATE, sentencesOf, stretchesOf } from "./stretches.js";
import { text } from "./texts.js";

const here = (name) => new URL(name, import.meta.url);

export class Recogniser {
  #worker = null;

  async settings() {
    setCharacters(await (await fetch(here("simplified.json"))).json());
    return (await fetch(here("settings.json"))).json();
  }

  async transcribe(file, options, tell, signal) {
    await stored;
    const samples = await decoded(file);
    let language = options.language || null;
    for (const [begin, end] of stretchesOf(samples)) {
      const piece = samples.slice(begin, end);
      const found = await this.#ask({ samples: piece, language, task: options.task }, signal);
      language ??= found.language; // one language for all of a recording
      const written = options.task === "translate" ? "en" : found.language;
      for (const each of sentencesOf(found.text, piece)) {
        const shown = rewritten(each.text, written, options.simple, options.marks);
        tell({ start: begin / RATE + each.start, end: begin / RATE + each.end, text: shown });
      }
    }
  }

  // A model on a phone is slower than speech: what was recorded is recognised afterwards.
  live() {
    return null;
  }

  #ask(question, signal) {
    signal.throwIfAborted();
    this.#worker ??= new Worker(here("worker.js"), { type: "module" });
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const stop = (error) => {
        worker.terminate();
        this.#worker = null;
        reject(error);
      };
      const leave = () => stop(signal.reason);
      signal.addEventListener("abort", leave, { once: true });
      worker.onmessage = ({ data }) => {
        signal.removeEventListener("abort", leave);
        if (data.error) stop(new Error(text("failed", data.error)));
        else resolve(data);
      };
      worker.onerror = (event) => stop(new Error(text("failed", event.message)));
      worker.postMessage(question);
    });
  }
}

// Mono samples at 16 kHz, as the mean of the channels.
async function decoded(file) {
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error(text("unreadable", file.name));
  }
  const samples = sound.getChannelData(0).slice();
  for (let channel = 1; channel < sound.numberOfChannels; channel++)
    sound.getChannelData(channel).forEach((value, i) => { samples[i] += value; });
  if (sound.numberOfChannels > 1) for (let i = 0; i < samples.length; i++) samples[i] /= sound.numberOfChannels;
  return samples;
}
