// One utterance: its audio, and every model's hypothesis under the reference.

const MARK_WORDS = { sub: 'substituted for', del: 'deleted', ins: 'inserted' };
let sounds = null;
let rawTexts = null;

function soundOf(number) {
  sounds = sounds || json('sound');
  const embedded = sounds.embedded[number];
  if (embedded) return { url: embedded };
  const entry = sounds.files[number];
  if (typeof entry === 'number') return { missing: sounds.reasons[entry] };
  const [folder, file, start, end] = entry;
  const times = start === undefined ? '' : `#t=${start}${end === null || end === undefined ? '' : `,${end}`}`;
  return { url: overview.folders[folder] + file + times, name: decodeURIComponent(overview.folders[folder] + file) };
}

function player(number) {
  const sound = soundOf(number);
  if (sound.missing) return el('p', { class: 'note' }, sound.missing);
  const box = el('div', { class: 'player' });
  const gone = () => box.replaceChildren(el('p', { class: 'note' },
    `The audio ${sound.name || ''} cannot be played. It was moved or removed, or this browser does not support its format.`));
  box.append(el('audio', { controls: true, preload: 'none', src: sound.url, onerror: gone }));
  return box;
}

async function showDetail(number, lines) {
  const [id, reference, ...hypotheses] = lines;
  const asked = models.map((_, m) => m).filter((m) => data.errors[m][number] !== ABSENT);
  const set = overview.sets[setNumber(number)];
  const box = $('detail');
  const content = [
    el('div', { class: 'detail-head' },
      el('h3', { dir: 'auto' }, id),
      el('button', { type: 'button', id: 'close', onclick: closeDetail }, 'Close')),
    el('p', { class: 'facts' }, facts(number)),
    player(number),
    alignment(set.metric, reference, asked.map((m) => hypotheses[m]), asked, box.clientWidth - 32),
    legend(),
  ];
  if (overview.hasRaw) content.push(rawDetails(number, asked));
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
  const columns = columnsOf(split(reference), hypotheses.map(split));
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
    const cells = columns.map((column) => (i ? hypothesisCell(column, column.hypotheses[i - 1]) : el('td', {}, column.reference)));
    return el('tr', { class: i ? null : 'reference' }, head, ...cells);
  });
  return el('table', { class: 'stretch', dir: direction }, el('tbody', {}, ...rows));
}

function hypothesisCell(column, hypothesis) {
  if (hypothesis === null) return el('td', {}, '');
  if (hypothesis === column.reference) return el('td', { class: 'right' }, hypothesis);
  const kind = !column.reference ? 'ins' : hypothesis ? 'sub' : 'del';
  const words = `${hypothesis || column.reference} ${MARK_WORDS[kind]}${kind === 'sub' ? ` ${column.reference}` : ''}`;
  return el('td', { class: kind, 'aria-label': words, title: words }, hypothesis || '–');
}

function legend() {
  return el('p', { class: 'legend' },
    el('span', { class: 'sub' }, 'substituted'), el('span', { class: 'del' }, 'deleted –'), el('span', { class: 'ins' }, 'inserted'));
}

function rawDetails(number, asked) {
  const box = el('details', {}, el('summary', {}, 'As written'));
  box.addEventListener('toggle', async () => {
    if (!box.open || box.children.length > 1) return;
    rawTexts = rawTexts || new Texts([...document.getElementsByClassName('raw-block')], 2 + models.length, 4096);
    const lines = (await rawTexts.read([number])).get(number);
    const rows = [['REF', lines[1]], ...asked.map((m) => [models[m], lines[2 + m]])];
    box.append(el('dl', {}, ...rows.flatMap(([name, line]) => [el('dt', { dir: 'auto' }, name), el('dd', { dir: 'auto' }, line || '(nothing)')])));
  });
  return box;
}

function closeDetail() {
  document.body.classList.remove('reading');
  $('list').focus();
}
