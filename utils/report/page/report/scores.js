// What the report says first: who is better, the gate's answer, the scores and the comparisons.

const ANSWERS = { better: 'better', worse: 'worse', unsure: 'may be chance', identical: 'identical' };

function showVerdicts() {
  const items = overview.verdicts.map((each) => el('li', { class: `verdict ${each.answer}` },
    el('span', { class: 'names', dir: 'auto' }, each.names),
    el('strong', {}, each.headline),
    each.certainty ? el('span', { class: 'certainty' }, each.certainty) : null));
  const [first, more] = [items.slice(0, VERDICTS_SHOWN), items.slice(VERDICTS_SHOWN)];
  const rest = more.length ? el('details', {}, el('summary', {}, `${more.length} more`), el('ul', { class: 'verdicts' }, ...more)) : null;
  $('verdicts').replaceChildren(el('ul', { class: 'verdicts' }, ...first), ...(rest ? [rest] : []));
}

const VERDICTS_SHOWN = 6;

// What failed first, and it alone in red.
function showGate() {
  const gate = overview.gate;
  if (!gate || !gate.answer) return;
  const words = { pass: 'passed', regress: 'not passed', inconclusive: 'cannot tell' };
  const order = ['regress', 'inconclusive', 'pass'];
  const conditions = [...gate.conditions].sort((a, b) => order.indexOf(a.answer) - order.indexOf(b.answer));
  const list = conditions.map((each) => el('li', { class: each.answer },
    el('span', { class: 'tag' }, words[each.answer] || each.answer), ' ', each.sentence));
  $('gate').replaceChildren(el('div', { class: `gate ${gate.answer}` },
    el('strong', {}, `Gate: ${words[gate.answer] || gate.answer}. `), gate.sentence, el('ul', {}, ...list)));
}

function showNotes() {
  $('notes').replaceChildren(...overview.notes.map((note) => el('p', { class: 'note' }, note)));
}

function modelName(model) {
  const dot = el('span', { class: 'dot', style: `background:${colourOf(model)}`, 'aria-hidden': 'true' });
  const note = overview.baselines.includes(model) ? el('small', {}, ' baseline') : null;
  return el('span', { class: 'model', dir: 'auto' }, dot, model, note);
}

// One row a model and test set, as the field writes them.
function showScores() {
  const hasSilence = overview.scores.some((s) => s.no_speech_utterances);
  const hasLoops = overview.scores.some((s) => loopsOf(s).clips);
  const hasSpeed = overview.scores.some((s) => speedOf(s));
  const hasComparisons = overview.comparisons.length > 0;
  const hasFailed = overview.scores.some((s) => failedOf(s));
  const columns = [
    ['test set', (s) => setOf(s)],
    ['model', (s) => modelName(s.model)],
    ['error rate', rateOfScore],
    ['95 % interval', (s) => rangeOf(s.interval)],
    hasComparisons && ['against the baseline', (s) => changeTag(comparisonOf(s))],
    [el('abbr', { title: 'Substitutions' }, 'S'), (s) => count(s.substitutions)],
    [el('abbr', { title: 'Deletions' }, 'D'), (s) => count(s.deletions)],
    [el('abbr', { title: 'Insertions' }, 'I'), (s) => count(s.insertions)],
    [el('abbr', { title: 'Sentence error rate: utterances with any error' }, 'SER'), (s) => percent(s.sentence_error_rate)],
    hasSilence && ['on speech only', speechOnly],
    hasSilence && ['hallucinated on silence', silenceWords],
    hasLoops && ['in loops', loopWords],
    hasFailed && ['failed', (s) => count(failedOf(s))],
    hasSpeed && [el('abbr', { title: 'Seconds of audio transcribed in a second; inverse real-time factor' }, 'RTFx'), speedCell],
    ['utterances', (s) => count(s.utterances)],
    ['audio', (s) => duration(s.audio_seconds)],
  ].filter(Boolean);
  const ordered = overview.sets.flatMap((set) => models.map((m) => overview.scores.find((s) => s.model === m && setOf(s) === set.name))).filter(Boolean);
  const rows = ordered.map((score) => columns.map(([, cell]) => cell(score)));
  const details = el('details', {}, el('summary', {}, 'How the scores were made'), originsTable());
  const shown = table(columns.map(([name]) => name), rows, 2, '');
  shown.classList.add('cards');
  $('score-table').replaceChildren(shown, details);
}

function rateOfScore(score) {
  const of = overview.scores.filter((each) => setOf(each) === setOf(score) && each.rate !== null);
  const isBest = score.rate !== null && of.length > 1 && of.every((each) => each.rate >= score.rate);
  return el('span', { class: isBest ? 'best' : null }, el('small', {}, `${score.metric.toUpperCase()} `), el('span', { class: 'rate' }, percent(score.rate)));
}

function rangeOf(interval) {
  return interval ? `${(100 * interval[0]).toFixed(2)} to ${(100 * interval[1]).toFixed(2)}` : '–';
}

function comparisonOf(score) {
  return overview.comparisons.find((each) => each.model === score.model && setOf(each) === setOf(score));
}

function changeTag(change) {
  if (!change || change.difference === null) return '';
  const { answer } = change;
  const size = answer === 'identical' ? '' : `${points(change.difference)} `;
  return el('span', { class: `change ${answer}`, title: `against ${change.baseline}` }, `${size}${ANSWERS[answer]}`);
}

// The rate without the utterances that hold no speech: their words stand in a column of their own.
function speechOnly(score) {
  if (!score.reference_tokens) return '–';
  return percent((score.errors - score.no_speech_insertions) / score.reference_tokens);
}

function silenceWords(score) {
  if (!score.no_speech_utterances) return '–';
  const unit = score.metric === 'cer' ? 'character' : 'word';
  const words = `${count(score.no_speech_insertions)} ${unit}${score.no_speech_insertions === 1 ? '' : 's'}`;
  return `${words} in ${count(score.no_speech_utterances)}`;
}

function loopsOf(score) {
  return overview.loops.find((each) => each.model === score.model && each.set === setOf(score)) || { clips: 0, insertions: 0 };
}

function loopWords(score) {
  const { clips, insertions } = loopsOf(score);
  return clips ? `${count(insertions)} of I in ${count(clips)}` : '–';
}

function failedOf(score) {
  return (score.failed || 0) + (score.missing || 0);
}

function speedOf(score) {
  return score.cost && score.cost.real_time_factor ? 1 / score.cost.real_time_factor : null;
}

function speedCell(score) {
  const speed = speedOf(score);
  if (!speed) return '–';
  const { device } = score.cost;
  return el('span', {}, number(Number(speed.toPrecision(3))), device ? el('small', {}, ` on ${device}`) : null);
}

// What is counted beside the error rate: keywords, numerals, BLEU, speakers of meetings.
function showFigures() {
  const { header, rows } = overview.figures;
  // The set first, as in the scores: on a phone the model heads the card.
  const ordered = [header, ...rows].map(([model, set, ...others]) => [set, model, ...others]);
  const shown = rows.length ? [table(ordered[0], ordered.slice(1), 3, 'Beside the error rate')] : [];
  for (const each of shown) each.classList.add('cards');
  const notes = overview.secondary.map((line) => el('p', { class: 'about', dir: 'auto' }, line));
  $('figures').replaceChildren(...shown, ...notes);
}

function duration(seconds) {
  if (seconds >= 3600) return `${(seconds / 3600).toFixed(2)} h`;
  return seconds >= 60 ? `${(seconds / 60).toFixed(1)} min` : clock(seconds);
}

function short(digest) {
  return digest ? digest.slice(0, 12) : 'not hashed';
}

function decodingOf(score) {
  return Object.entries(score.decoding || {}).map(([name, value]) => `${name}=${value}`).join(', ');
}

function originsTable() {
  const header = ['model', 'test set', 'normalizer', 'rate of the text as written', 'decoding', 'weights', 'manifest'];
  const rows = overview.scores.map((s) => [
    s.model, setOf(s), s.normalizer, percent((s.raw || {}).rate), decodingOf(s) || '–', short(s.model_sha256), short(s.manifest_sha256)]);
  return table(header, rows, 7, '');
}

function showComparisons() {
  if (!overview.comparisons.length) return;
  const pText = (p) => (p === null || p === undefined ? '–' : p < 0.001 ? '< 0.001' : String(Number(p.toPrecision(2))));
  const header = ['model', 'baseline', 'test set', 'difference', '95 % interval', 'p', 'p (Holm)', 'p (MAPSSWE)',
    'better', 'worse', 'alike', 'smallest difference to show', 'blocks'];
  const rows = overview.comparisons.map((c) => [
    modelName(c.model), c.baseline, setOf(c), changeTag(c) || '–', rangeOf(c.interval), pText(c.p), pText(c.p_holm), pText(c.p_mapsswe),
    shownUtterances(c, 'better', c.wins), shownUtterances(c, 'worse', c.losses), count(c.ties),
    c.smallest_difference ? (100 * c.smallest_difference).toFixed(2) : '–', c.interval_over || '–']);
  const about = 'Differences are in points of the error rate; below 0 the model is better than the baseline. p (Holm) is corrected for all comparisons here. '
    + 'Intervals come from a bootstrap over the blocks in the last column.';
  const box = el('details', {}, el('summary', {}, 'Comparisons in detail'), el('p', { class: 'about' }, about), table(header, rows, 3, ''));
  $('comparisons').replaceChildren(box);
}

// A number of utterances that shows them when it is clicked.
function shownUtterances(comparison, show, size) {
  if (!size || comparison.baseline !== models[baselineOf(comparison.model)]) return count(size);
  return cellButton({ text: count(size), show, model: comparison.model, set: setOf(comparison) });
}
