// How the chosen utterances spread over rates of errors: a pile for each ten percent of errors.

const PILES = ['0', '≤10', '≤20', '≤30', '≤40', '≤50', '≤60', '≤70', '≤80', '≤90', '≤100', '>100'];

function pileOf(wrong, tokens) {
  if (!wrong) return 0;
  return tokens ? Math.min(11, Math.ceil((10 * wrong) / tokens - 1e-9)) : 11;
}

function pilesOf(view, model) {
  const piles = new Uint32Array(PILES.length);
  const errors = data.errors[model];
  for (const number of view) if (errors[number] !== ABSENT) piles[pileOf(errors[number], data.tokens[number])] += 1;
  return piles;
}

function showSpread(view) {
  const base = baselineOf(state.model);
  const shown = (base < 0 ? [] : [base]).concat(models.indexOf(state.model));
  const counts = shown.map((model) => pilesOf(view, model));
  const most = Math.max(1, ...counts.map((piles) => Math.max(...piles)));
  const bar = (i) => (piles, m) => el('span', {
    style: `height:${(100 * piles[i]) / most}%;background:${colourOf(models[shown[m]])}`,
    title: `${models[shown[m]]}: ${count(piles[i])} utterances at ${PILES[i]} %` });
  const piles = PILES.map((name, i) => el('div', { class: 'pile' },
    el('span', {}, count(counts[counts.length - 1][i])), el('div', { class: 'pair' }, ...counts.map(bar(i))), el('span', {}, name)));
  const names = shown.map((m) => modelName(models[m])).flatMap((node, i) => (i ? [' and ', node] : [node]));
  const caption = el('figcaption', {}, el('strong', {}, 'Utterances by their error rate'), ' in percent; numbers are of the last: ', ...names);
  const box = el('div', { class: 'bars', role: 'img', 'aria-label': PILES.map((name, i) => `${name} %: ${counts[counts.length - 1][i]}`).join(', ') }, ...piles);
  $('spread').replaceChildren(caption, box);
}
