// Who recognises, behind the page: here the server. The web app's (device/recogniser.js) has the same
// members, and the rest of the page does not see the difference:
//   settings()                                 -> {models, collect, key_required, max_upload_mb, ...}
//   transcribe(file, options, tell, signal)    -> when done; tell({start, end, text}) for each sentence
//   live(options, rate, tell)                  -> {send(samples), end()}, or null where there is none

export class Recogniser {
  key = "";

  async settings() {
    return (await fetch("/page/settings.json")).json();
  }

  #headers() {
    return this.key ? { Authorization: `Bearer ${this.key}` } : {};
  }

  async transcribe(file, options, tell, signal) {
    const form = new FormData();
    form.append("audio", file, file.name || "recording.wav");
    form.append("model", options.model);
    form.append("task", options.task);
    form.append("language", options.language || "None");
    form.append("to_simple", options.simple ? "1" : "0");
    form.append("remove_pun", options.marks ? "0" : "1");
    const answer = await fetch("/recognition_stream",
      { method: "POST", body: form, headers: this.#headers(), signal });
    if (!answer.ok) throw new Error(await reasonOf(answer));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const pieces = (rest + value).split("\0");
      rest = pieces.pop();
      for (const piece of pieces) {
        const found = JSON.parse(piece);
        if (found.error) throw new Error(found.error.message);
        tell({ start: found.start, end: found.end, text: found.result });
      }
    }
  }

  async save(file, fields) {
    const form = new FormData();
    form.append("audio", file, file.name || "recording.wav");
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    const answer = await fetch("/corrections", { method: "POST", body: form, headers: this.#headers() });
    if (!answer.ok) throw new Error(await reasonOf(answer));
    return answer.json();
  }

  live(options, rate, tell) {
    const address = new URL("/v1/realtime?intent=transcription", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const protocols = ["realtime"];
    if (this.key) protocols.push(`openai-insecure-api-key.${this.key}`);
    return new LiveText(new WebSocket(address, protocols), options, rate, tell);
  }
}

async function reasonOf(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

const KIND = "conversation.item.input_audio_transcription";

class LiveText {
  constructor(socket, options, rate, tell) {
    this.socket = socket;
    this.tell = tell;
    this.turns = new Map(); // item id -> {start, end, text}
    this.open = new Set(); // turns whose text is awaited
    this.waiting = []; // sound from before the connection was there
    this.ended = new Promise((resolve) => { this.resolve = resolve; });
    socket.onopen = () => {
      const transcription = { model: options.model, language: options.language || null };
      this.#send({ type: "session.update", session: { type: "transcription", audio: { input: {
        format: { type: "audio/pcm", rate }, transcription } } } });
      for (const samples of this.waiting.splice(0)) this.send(samples);
    };
    socket.onmessage = (message) => this.#take(JSON.parse(message.data));
    socket.onclose = () => this.resolve();
  }

  #send(event) {
    this.socket.send(JSON.stringify(event));
  }

  // Float32 samples at the rate that was given.
  send(samples) {
    if (this.socket.readyState === WebSocket.CONNECTING) this.waiting.push(samples);
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const bytes = new Uint8Array(samples.length * 2);
    const view = new DataView(bytes.buffer);
    samples.forEach((value, place) =>
      view.setInt16(2 * place, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true));
    let binary = "";
    for (let first = 0; first < bytes.length; first += 8192)
      binary += String.fromCharCode(...bytes.subarray(first, first + 8192));
    this.#send({ type: "input_audio_buffer.append", audio: btoa(binary) });
  }

  // Resolves when the last turn has its text.
  async end() {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.#send({ type: "input_audio_buffer.commit" });
      this.isEnding = true;
      setTimeout(() => this.socket.close(), 60000);
    } else {
      this.socket.close();
    }
    await this.ended;
  }

  #take(event) {
    const turn = this.turns.get(event.item_id);
    if (event.type === "input_audio_buffer.speech_started") {
      this.turns.set(event.item_id, { start: event.audio_start_ms / 1000, end: 0, text: "" });
      this.open.add(event.item_id);
    } else if (event.type === "input_audio_buffer.speech_stopped" && turn) {
      turn.end = event.audio_end_ms / 1000;
    } else if (event.type === `${KIND}.delta` && turn) {
      turn.text += event.delta;
      this.tell("growing", turn);
    } else if (event.type === `${KIND}.completed` || event.type === `${KIND}.failed`) {
      this.open.delete(event.item_id);
      if (turn && event.transcript) {
        turn.text = event.transcript;
        turn.end = turn.end || turn.start + (event.usage?.seconds ?? 0);
        this.tell("ended", turn);
      }
    } else if (event.type === "input_audio_buffer.committed") {
      this.isCommitted = this.isEnding;
    } else if (event.type === "error") {
      // The last commit of a pause has nothing in it.
      if (!this.isEnding) this.tell("error", event.error);
      else this.isCommitted = true;
    }
    if (this.isEnding && this.isCommitted && !this.open.size) this.socket.close();
  }
}
