// A recording in parts that the model takes at once, and the times of sentences in them.

export const RATE = 16000;
const LONGEST = 30; // seconds that the model takes at once
const SHORTEST = 12; // a part of a longer recording is cut at the quietest place after these
const SILENCE = 0.003; // what is never louder holds no speech, and the model would make some up
const FRAME = RATE / 10;
const SEARCHED = 1.5; // seconds around the place where a sentence should end

export function stretchesOf(samples) {
  const found = [];
  let begin = 0;
  while (samples.length - begin > LONGEST * RATE) {
    const end = quietest(samples, begin + SHORTEST * RATE, begin + (LONGEST - 1) * RATE);
    found.push([begin, end]);
    begin = end;
  }
  found.push([begin, samples.length]);
  return found.filter(([from, to]) => to > from && isHeard(samples, from, to));
}

function isHeard(samples, from, to) {
  for (let i = from; i < to; i++) if (Math.abs(samples[i]) > SILENCE) return true;
  return false;
}

// The middle of the quietest tenth of a second between two places.
function quietest(samples, from, to) {
  let best = from, least = Infinity;
  for (let at = from; at + FRAME <= to; at += FRAME / 2) {
    let power = 0;
    for (let i = at; i < at + FRAME; i++) power += samples[i] * samples[i];
    if (power < least) [best, least] = [at + FRAME / 2, power];
  }
  return best;
}

// The sentences of a text. The exported model gives no times, so each ends at the quietest place
// near where its share of the letters ends.
export function sentencesOf(text, samples) {
  const parts = text.split(/(?<=[。！？])|(?<=[.!?])\s+/u).map((each) => each.trim()).filter(Boolean);
  const letters = parts.reduce((sum, each) => sum + each.length, 0);
  const seconds = samples.length / RATE;
  let start = 0, spoken = 0;
  return parts.map((each, number) => {
    spoken += each.length;
    let end = seconds;
    if (number < parts.length - 1) {
      const middle = (spoken / letters) * seconds;
      const from = Math.max(start + 0.2, middle - SEARCHED), to = Math.min(seconds, middle + SEARCHED);
      end = to > from ? quietest(samples, Math.round(from * RATE), Math.round(to * RATE)) / RATE : middle;
    }
    const sentence = { start, end, text: each };
    start = end;
    return sentence;
  });
}
