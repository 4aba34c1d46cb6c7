// Tokens of a metric, and their alignment along one shortest way, as the scores count them.

const HAN_OR_WORD = new RegExp(`${overview.han}|(?:(?!${overview.han})\\S)+`, 'gu');
// Where a script joins signs (Thai, Indic, Arabic marks, emoji), a cell holds what is drawn as one.
const GRAPHEMES = window.Intl && Intl.Segmenter ? new Intl.Segmenter(undefined, { granularity: 'grapheme' }) : null;
const JOINED = /\p{M}|\u200d|[\u{1f1e6}-\u{1f1ff}\u{1f3fb}-\u{1f3ff}]/u;
// Letters of scripts that put spaces between words.
const SPACED = /[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Hangul}\p{Script=Devanagari}]\s+\S*[\p{Script=Latin}\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Hangul}\p{Script=Devanagari}]/u;
const REPEATED = /(.{1,30}?)\1{3,}/gsu;

function signs(text) {
  return GRAPHEMES && JOINED.test(text) ? Array.from(GRAPHEMES.segment(text), (part) => part.segment) : [...text];
}

const TOKENS = {
  cer: (text) => signs(text.replace(/\s+/gu, '')),
  wer: (text) => text.split(/\s+/u).filter(Boolean),
  mer: (text) => text.match(HAN_OR_WORD) || [],
};
const MOST_CELLS = 25e6;

// Returns [reference, hypothesis] pairs with '' for what is not there; null where the texts are too long.
function align(reference, hypothesis) {
  const width = hypothesis.length + 1;
  if ((reference.length + 1) * width > MOST_CELLS) return null;
  const costs = new Uint32Array((reference.length + 1) * width);
  for (let j = 1; j < width; j++) costs[j] = j;
  for (let i = 1; i <= reference.length; i++) {
    costs[i * width] = i;
    for (let j = 1; j < width; j++) {
      const here = i * width + j;
      const change = costs[here - width - 1] + (reference[i - 1] === hypothesis[j - 1] ? 0 : 1);
      costs[here] = Math.min(change, costs[here - width] + 1, costs[here - 1] + 1);
    }
  }
  return wayBack(costs, width, reference, hypothesis);
}

function wayBack(costs, width, reference, hypothesis) {
  const pairs = [];
  let i = reference.length;
  let j = hypothesis.length;
  while (i || j) {
    const here = i * width + j;
    const change = i && j ? costs[here - width - 1] + (reference[i - 1] === hypothesis[j - 1] ? 0 : 1) : -1;
    if (change === costs[here]) pairs.push([reference[--i], hypothesis[--j]]);
    else if (i && costs[here - width] + 1 === costs[here]) pairs.push([reference[--i], '']);
    else pairs.push(['', hypothesis[--j]]);
  }
  return pairs.reverse();
}

// The alignments of several models in one table: {reference, hypotheses: [one a model]} a column.
function columnsOf(reference, hypotheses) {
  const ways = hypotheses.map((hypothesis) => align(reference, hypothesis));
  if (ways.includes(null)) return null;
  const slots = ways.map((pairs) => bySlot(pairs, reference.length));
  const columns = [];
  for (let i = 0; i <= reference.length; i++) {
    const most = Math.max(0, ...slots.map((slot) => slot.added[i].length));
    for (let k = 0; k < most; k++) {
      columns.push({ reference: '', hypotheses: slots.map((slot) => slot.added[i][k] ?? null) });
    }
    if (i < reference.length) columns.push({ reference: reference[i], hypotheses: slots.map((slot) => slot.kept[i]) });
  }
  return columns;
}

// A phrase that is inserted over and over becomes one column: "妈 ×432".
function foldColumns(columns) {
  if (!columns) return columns;
  const found = [];
  for (let i = 0; i < columns.length;) {
    const run = repeatAt(columns, i);
    if (!run) {
      found.push(columns[i++]);
      continue;
    }
    const joint = columns[i].hypotheses.some((h) => h && /[a-z]/iu.test(h)) ? ' ' : '';
    const phrase = (m) => columns.slice(i, i + run.size).map((c) => c.hypotheses[m]).filter(Boolean).join(joint);
    const errors = columns[i].hypotheses.map((_, m) => columns.slice(i, i + run.size * run.times).filter((c) => c.hypotheses[m]).length);
    found.push({ reference: '', errors, hypotheses: columns[i].hypotheses.map((h, m) => (h ? `${phrase(m)} ×${run.times}` : h)) });
    i += run.size * run.times;
  }
  return found;
}

const FEWEST_REPEATS = 4;
const LONGEST_PHRASE = 12;

function repeatAt(columns, first) {
  const key = (i) => (i < columns.length && !columns[i].reference ? JSON.stringify(columns[i].hypotheses) : null);
  for (let size = 1; size <= LONGEST_PHRASE; size++) {
    let times = 1;
    const same = (n) => Array.from({ length: size }, (_, k) => key(first + k) !== null && key(first + k) === key(first + n * size + k)).every(Boolean);
    while (same(times)) times += 1;
    if (times >= FEWEST_REPEATS) return { size, times };
  }
  return null;
}

function bySlot(pairs, length) {
  const added = Array.from({ length: length + 1 }, () => []);
  const kept = [];
  for (const [reference, hypothesis] of pairs) {
    if (reference) kept.push(hypothesis);
    else added[kept.length].push(hypothesis);
  }
  return { added, kept };
}

const RIGHT_TO_LEFT = /\p{Script=Arabic}|\p{Script=Hebrew}|\p{Script=Syriac}|\p{Script=Thaana}/u;

function directionOf(text) {
  const letter = text.match(/\p{L}/u);
  return letter && RIGHT_TO_LEFT.test(letter[0]) ? 'rtl' : 'ltr';
}
