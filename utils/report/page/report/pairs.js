// Two models over the utterances of a set: each utterance a dot, the baseline's errors across, the
// model's upwards. Below the diagonal the model is better.

const MOST_DOTS = 4000;

function pairChart(width, set) {
  const comparison = overview.comparisons.find((c) => setOf(c) === set && !c.identical);
  if (!data || !comparison) return null;
  const [across, upwards] = [comparison.baseline, comparison.model].map((name) => data.errors[models.indexOf(name)]);
  const piles = pilesOfPair(set, across, upwards);
  if (!piles.size) return null;
  const size = Math.min(width, 340);
  const place = { left: 46, right: size - 12, top: 24, bottom: size - 40 };
  const most = Math.max(...[...piles.values()].flatMap((pile) => [pile.a, pile.b]), 1);
  const x = (v) => place.left + ((place.right - place.left) * v) / (most + 0.5);
  const y = (v) => place.bottom - ((place.bottom - place.top) * v) / (most + 0.5);
  const steps = ticks(0, most, 5).filter(Number.isInteger);
  const parts = axes(place, steps.map((v) => [x(v), v]), steps.map((v) => [y(v), v]), `errors of ${shortened(comparison.baseline, size - 120)}`,
    `errors of ${shortened(comparison.model, size - 120)}`);
  parts.push(draw('line', { x1: x(0), y1: y(0), x2: x(most), y2: y(most), class: 'front' }));
  const largest = Math.max(...[...piles.values()].map((pile) => pile.rows.length));
  for (const pile of [...piles.values()].slice(0, MOST_DOTS)) parts.push(pairDot(pile, x, y, largest, comparison));
  return figure(`${comparison.model} against ${comparison.baseline} on ${set}`,
    'errors of each utterance; the larger the dot, the more utterances; below the line the model is better',
    canvas(size, size, `Errors of each utterance of ${set}: ${comparison.wins} better, ${comparison.losses} worse, ${comparison.ties} alike`, ...parts));
}

function pilesOfPair(set, across, upwards) {
  const piles = new Map();
  let first = 0;
  for (const each of overview.sets) {
    if (each.name === set) {
      for (let i = first; i < first + each.utterances; i++) {
        if (across[i] === ABSENT || upwards[i] === ABSENT) continue;
        const key = across[i] * 65536 + upwards[i];
        if (!piles.has(key)) piles.set(key, { a: across[i], b: upwards[i], rows: [] });
        piles.get(key).rows.push(i);
      }
    }
    first += each.utterances;
  }
  return piles;
}

function pairDot({ a, b, rows }, x, y, largest, comparison) {
  const words = `${count(rows.length)} utterance${rows.length === 1 ? '' : 's'}: ${a} errors of ${comparison.baseline}, ${b} of ${comparison.model}`;
  const tone = b < a ? 'better' : b > a ? 'worse' : 'alike';
  const open = () => {
    pairGroup = { name: words, rows };
    choose({ group: words, q: '', show: 'all', fields: {}, model: comparison.model, row: '', id: '' });
    $('explore').scrollIntoView();
  };
  const onkeydown = (event) => (event.key === 'Enter' || event.key === ' ') && (event.preventDefault(), open());
  return draw('circle', { cx: x(a), cy: y(b), r: 4 + 6 * Math.sqrt((rows.length - 1) / Math.max(largest - 1, 1)), class: `dot-${tone}`,
    tabindex: 0, role: 'button', 'aria-label': words, onclick: open, onkeydown }, draw('title', {}, words));
}

let pairGroup = { name: '', rows: [] };
