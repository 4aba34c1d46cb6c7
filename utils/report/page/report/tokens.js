// Tokens of a metric, and their alignment along one shortest way, as the scores count them.

const HAN_OR_WORD = new RegExp(`${overview.han}|(?:(?!${overview.han})\\S)+`, 'gu');
const TOKENS = {
  cer: (text) => [...text.replace(/\s+/gu, '')],
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
