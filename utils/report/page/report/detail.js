// One utterance: its audio, and every model's hypothesis under the reference.

const MARK_WORDS = { sub: 'substituted for', del: 'deleted', ins: 'inserted' };
let rawTexts = null;

async function showDetail(number, lines) {
  const turn = (showDetail.latest = (showDetail.latest || 0) + 1);
  const [id, reference, ...hypotheses] = lines;
  const asked = models.map((_, m) => m).filter((m) => data.errors[m][number] !== ABSENT);
  const set = overview.sets[setNumber(number)];
  const box = $('detail');
  const content = [
    el('div', { class: 'detail-head' },
      el('h3', { dir: 'auto' }, id),
      el('button', { type: 'button', id: 'close', onclick: closeDetail }, 'Close')),
    el('p', { class: 'facts' }, facts(number)),
    player(number, box.clientWidth - 32),
    ...(await asWritten(number, asked, [reference, ...asked.map((m) => hypotheses[m])])),
    alignment(displayMetric(set.metric, reference), reference, asked.map((m) => hypotheses[m]), asked, box.clientWidth - 32),
    legend(set.metric, displayMetric(set.metric, reference)),
    correctionForm(number, id, await referenceAsWritten(number)),
  ].filter(Boolean);
  if (turn !== showDetail.latest) return; // something else was chosen meanwhile
  box.replaceChildren(...content);
  box.scrollTop = 0;
}

function setNumber(number) {
  let first = 0;
  return overview.sets.findIndex((set) => number < (first += set.utterances));
}

function facts(number) {
  const labels = Object.entries(data.labels)
    .filter(([name]) => name !== 'speech')
    .map(([name, column]) => [name, column.names[column.numbers[number]]])
    .filter(([, value]) => value)
    .map(([name, value]) => `${name} ${value}`);
  const status = data.status.names[data.status.numbers[number]];
  const failed = status === 'ok' ? [] : [`${status} for at least one model`];
  return [clock(data.seconds[number]), `${count(data.tokens[number])} reference tokens`, ...labels, ...failed].join(' · ');
}

function alignment(metric, reference, hypotheses, asked, width) {
  const split = TOKENS[metric];
  const columns = foldColumns(columnsOf(split(reference), hypotheses.map(split)));
  if (columns === null) return el('p', { class: 'note' }, 'Too long to align in a browser. The texts are below.');
  if (!columns.length) return el('p', {}, 'The reference and every hypothesis are empty.');
  const names = ['REF', ...asked.map((m) => models[m])];
  const direction = directionOf(reference || hypotheses.find(Boolean) || '');
  const box = el('div', { class: 'aligned' });
  for (const part of stretches(columns, names, width)) box.append(stretchTable(part, names, asked, direction));
  return box;
}

// As many columns as fit beside the names, measured in the font that is used.
function stretches(columns, names, width) {
  const pen = document.createElement('canvas').getContext('2d');
  const style = getComputedStyle(document.body);
  pen.font = `15px ${style.fontFamily}`;
  const label = Math.min(Math.max(...names.map((n) => pen.measureText(n).width)), 0.32 * width) + 14;
  const parts = [];
  let used = Infinity;
  for (const column of columns) {
    const texts = [column.reference, ...column.hypotheses.map((h) => h || '')];
    const needs = Math.max(...texts.map((t) => pen.measureText(t).width), 8) + 9;
    if (used + needs > width) {
      parts.push([]);
      used = label;
    }
    parts[parts.length - 1].push(column);
    used += needs;
  }
  return parts;
}

function stretchTable(columns, names, asked, direction) {
  const rows = names.map((name, i) => {
    const head = el('th', { scope: 'row', dir: 'auto', title: name }, name);
    const cells = columns.map((column) => (i ? hypothesisCell(column, i - 1) : el('td', {}, column.reference)));
    return el('tr', { class: i ? null : 'reference' }, head, ...cells);
  });
  return el('table', { class: 'stretch', dir: direction }, el('tbody', {}, ...rows));
}

function hypothesisCell(column, place) {
  const hypothesis = column.hypotheses[place];
  if (hypothesis === null) return el('td', {}, '');
  if (hypothesis === column.reference) return el('td', { class: 'right' }, hypothesis);
  const kind = !column.reference ? 'ins' : hypothesis ? 'sub' : 'del';
  const words = `${hypothesis || column.reference} ${MARK_WORDS[kind]}${kind === 'sub' ? ` ${column.reference}` : ''}`;
  const errors = column.errors ? column.errors[place] : 1;
  return el('td', { class: kind, 'data-errors': errors, 'aria-label': words, title: words }, hypothesis || '–');
}

function legend(counted, shown) {
  const note = counted === shown ? null : el('span', { class: 'about' }, 'Shown by words; the rate counts characters.');
  return el('p', { class: 'legend' },
    el('span', { class: 'sub' }, 'substituted'), el('span', { class: 'del' }, 'deleted –'), el('span', { class: 'ins' }, 'inserted'), note);
}

// Text with spaces between its words is read by words, also where characters are counted.
function displayMetric(metric, reference) {
  return metric === 'cer' && SPACED.test(reference) ? 'wer' : metric;
}

async function rawLines(number) {
  rawTexts = rawTexts || new Texts([...document.getElementsByClassName('raw-block')], 2 + models.length, 4096);
  return (await rawTexts.read([number])).get(number);
}

async function referenceAsWritten(number) {
  return overview.hasRaw ? (await rawLines(number))[1] : null;
}

// The texts as they came, first, and the normalised form beneath where it differs.
async function asWritten(number, asked, normalised) {
  if (!overview.hasRaw) return [];
  const lines = await rawLines(number);
  const texts = [lines[1], ...asked.map((m) => lines[2 + m])];
  const names = ['REF', ...asked.map((m) => models[m])];
  const rows = names.flatMap((name, i) => [el('dt', { dir: 'auto' }, name), writtenText(texts[i], normalised[i])]);
  return [el('h4', {}, 'As written'), el('dl', {}, ...rows), el('h4', {}, 'Aligned, as counted')];
}

function writtenText(text, normalised) {
  const differs = text.trim() !== normalised;
  return el('dd', { dir: 'auto' }, folded(text) || '(nothing)', differs ? el('small', { class: 'normalised', title: 'normalised, as counted' }, folded(normalised) || '(nothing)') : null);
}

// What repeats itself over and over is written once, with how often: "妈 ×432".
function folded(text) {
  return text.replace(REPEATED, (whole, phrase) => (whole.length >= 12 ? `${phrase.trimEnd()} ×${Math.round(whole.length / phrase.length)} ` : whole)).trim();
}

function closeDetail() {
  document.body.classList.remove('reading');
  $('list').focus();
}
