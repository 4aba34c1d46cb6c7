// The model, beside the page, which goes on answering while it works.

import {
  AutoProcessor, AutoTokenizer, Tensor, WhisperForConditionalGeneration, env,
} from "../runtime/transformers.js";

const here = (name) => new URL(name, import.meta.url);
const NAME = "model";
const MOST_THREADS = 4; // more than the fast cores of a phone make it slower

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.localModelPath = here("../models/").pathname;
// The service worker keeps everything; nothing is stored twice, nor run from a copy.
env.useBrowserCache = false;
env.useWasmCache = false;
const { wasm } = env.backends.onnx;
wasm.wasmPaths = { mjs: here("../runtime/ort-wasm.js").href, wasm: here("../runtime/ort-wasm.wasm").href };
wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;

async function load() {
  const { dtype } = await (await fetch(here("settings.json"))).json();
  return {
    processor: await AutoProcessor.from_pretrained(NAME),
    tokenizer: await AutoTokenizer.from_pretrained(NAME),
    model: await WhisperForConditionalGeneration.from_pretrained(NAME, { dtype, device: "wasm" }),
  };
}

const loading = load();

async function transcribe({ samples, language, task }) {
  const { processor, tokenizer, model } = await loading;
  const { input_features } = await processor(samples);
  const { is_multilingual } = model.generation_config;
  const known = is_multilingual ? (language ?? (await languageOf(model, input_features))) : null;
  const asked = is_multilingual ? { language: known, task } : {};
  const ids = await model.generate({ inputs: input_features, num_beams: 1, do_sample: false, ...asked });
  const text = tokenizer.decode(ids.tolist()[0], { skip_special_tokens: true }).trim();
  return { text, language: known ?? "en" };
}

// The likeliest language token after the start token.
async function languageOf(model, input_features) {
  const { decoder_start_token_id, lang_to_id } = model.generation_config;
  const start = new Tensor("int64", [BigInt(decoder_start_token_id)], [1, 1]);
  const { logits } = await model({ input_features, decoder_input_ids: start });
  const row = logits.data.subarray(-logits.dims.at(-1));
  const likeliest = Object.entries(lang_to_id).reduce((best, each) => (row[each[1]] > row[best[1]] ? each : best));
  return likeliest[0].slice(2, -2);
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage(await transcribe(data));
  } catch (error) {
    self.postMessage({ error: error?.message ?? String(error) });
  }
};
