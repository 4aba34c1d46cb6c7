// Transcribes a raw float32 file of 16 kHz with transformers.js: PACKAGE MODELS NAME SAMPLES
// LANGUAGE DTYPE... The last line of the output holds a text for each dtype.
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

const [entry, models, name, samples, language, ...dtypes] = process.argv.slice(2);
const { env, pipeline } = await import(pathToFileURL(entry));
env.allowRemoteModels = false;
env.localModelPath = models;
const content = fs.readFileSync(samples);
const audio = new Float32Array(content.buffer.slice(content.byteOffset, content.byteOffset + content.length));
const texts = [];
for (const dtype of dtypes) {
  const transcribe = await pipeline('automatic-speech-recognition', name, { dtype, device: 'cpu' });
  const { text } = await transcribe(audio, { language, task: 'transcribe' });
  texts.push(text.trim());
}
console.log(JSON.stringify(texts));
