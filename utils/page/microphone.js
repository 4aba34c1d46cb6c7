// The microphone: blocks of samples while it records, and the whole as a WAV file afterwards.

export async function openMicrophone(take) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext();
  await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
  const source = context.createMediaStreamSource(stream);
  const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
  const blocks = [];
  capture.port.onmessage = (message) => {
    blocks.push(message.data);
    take(message.data);
  };
  source.connect(capture);
  return {
    rate: context.sampleRate,
    async close() {
      source.disconnect();
      for (const track of stream.getTracks()) track.stop();
      await context.close();
      return asWav(blocks, context.sampleRate);
    },
  };
}

export function asWav(blocks, rate) {
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const write = (place, letters) => [...letters].forEach((letter, i) => view.setUint8(place + i, letter.charCodeAt(0)));
  write(0, "RIFF"); view.setUint32(4, 36 + 2 * length, true); write(8, "WAVEfmt ");
  view.setUint32(16, 16, true); view.setUint16(20, 1, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true); view.setUint16(34, 16, true); write(36, "data"); view.setUint32(40, 2 * length, true);
  let place = 44;
  for (const block of blocks)
    for (const value of block) {
      view.setInt16(place, Math.round(Math.max(-1, Math.min(1, value)) * 32767), true);
      place += 2;
    }
  return new File([view.buffer], "recording.wav", { type: "audio/wav" });
}
