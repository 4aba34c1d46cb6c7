// Transcribes a raw float32 file of 16 kHz with transformers.js: PACKAGE MODELS NAME DTYPE SAMPLES.
import fs from 'node:fs';
import { pathToFileURL } from 'node:url';

const [entry, models, name, dtype, samples, language] = process.argv.slice(2);
const { env, pipeline } = await import(pathToFileURL(entry));
env.allowRemoteModels = false;
env.localModelPath = models;
const content = fs.readFileSync(samples);
const audio = new Float32Array(content.buffer.slice(content.byteOffset, content.byteOffset + content.length));
const transcribe = await pipeline('automatic-speech-recognition', name, { dtype, device: 'cpu' });
const { text } = await transcribe(audio, { language, task: 'transcribe' });
console.log(JSON.stringify(text.trim()));
