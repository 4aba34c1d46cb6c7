// Tables: how they look and sort, the analyses, and the rates of the chosen utterances.

function table(header, rows, words, caption) {
  const isText = (i) => i < words || rows.some((cells) => cells[i] && cells[i].long);
  const head = el('tr', {}, ...header.map((title, i) => el('th', { scope: 'col', class: isText(i) ? null : 'number' },
    rows.length > 2 ? el('button', { type: 'button', class: 'sort', title: 'Sort', onclick: sortByColumn }, title) : title)));
  const body = rows.map((cells) => el('tr', {}, ...cells.map((cell, i) => named(tableCell(cell, i, words), header[i]))));
  const parts = [el('thead', {}, head), el('tbody', {}, ...body)];
  if (caption) parts.unshift(el('caption', {}, caption));
  return el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': caption || 'Table' }, el('table', {}, ...parts));
}

// On a phone a row is a card, and each cell says whose it is.
function named(cell, title) {
  cell.dataset.title = title instanceof Node ? title.textContent : title;
  return cell;
}

// The largest number first, then the smallest; words from A. What has no number comes last.
function sortByColumn(event) {
  const cell = event.currentTarget.parentNode;
  const place = cell.cellIndex;
  const isNumber = cell.classList.contains('number');
  const was = cell.getAttribute('aria-sort');
  const isDown = was ? was === 'ascending' : isNumber;
  for (const other of cell.parentNode.cells) other.removeAttribute('aria-sort');
  cell.setAttribute('aria-sort', isDown ? 'descending' : 'ascending');
  const body = cell.closest('table').tBodies[0];
  const sign = isDown ? -1 : 1;
  const keyed = [...body.rows].map((row) => [isNumber ? firstNumber(row.cells[place]) : row.cells[place].textContent, row]);
  const order = ([a], [b]) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : sign * (isNumber ? a - b : a.localeCompare(b)));
  body.append(...keyed.sort(order).map(([, row]) => row));
}

function firstNumber(cell) {
  const found = cell.textContent.replace(/\u202f/g, '').replaceAll(MINUS, '-').match(/[-+]?\d+(\.\d+)?/);
  return found ? Number(found[0]) : null;
}

// A cell is text, a node, or {text, find, in, field, share, tone} as the analyses give it.
function tableCell(cell, place, words) {
  const tag = place === 0 ? 'th' : 'td';
  const scope = place === 0 ? 'row' : null;
  const name = place < words ? null : 'number';
  if (cell instanceof Node) return el(tag, { scope, class: name, dir: 'auto' }, cell);
  if (cell === null || typeof cell !== 'object') return el(tag, { scope, class: name, dir: 'auto' }, String(cell ?? '–'));
  const classes = [cell.long ? 'long' : name, cell.tone].filter(Boolean).join(' ') || null;
  const inner = cell.find !== undefined || cell.field || cell.group ? cellButton(cell) : cell.text;
  const bar = cell.share === undefined ? null : el('span', { class: 'bar', style: `width:${Math.min(100, 100 * cell.share)}%` });
  return el(tag, { scope, class: classes, dir: 'auto' }, inner, bar);
}

// What a click looks for: exactly the utterances of its row, whatever was chosen before.
function cellButton(cell) {
  const change = () => {
    const set = cell.set !== undefined && overview.sets.length > 1 ? { set: cell.set } : {};
    const fields = cell.field ? { ...(cell.set === undefined ? state.fields : set), [cell.field]: cell.label } : set;
    const isKept = cell.field && cell.set === undefined;
    choose({ q: cell.find ?? (isKept ? state.q : ''), in: cell.in ?? 'all', show: cell.show ?? (isKept ? state.show : 'all'),
      model: cell.model ?? state.model, group: cell.group ?? '', fields, row: '', id: '' });
    $('explore').scrollIntoView();
  };
  return el('button', { type: 'button', class: 'plain', title: 'Show these utterances', onclick: change }, cell.text);
}

function showAnalyses() {
  const sections = overview.analyses.sections || [];
  $('reasons').hidden = !sections.length;
  const tabs = sections.map((section, i) => el('button', {
    type: 'button', role: 'tab', id: `tab-${i}`, 'aria-controls': 'analysis', onclick: () => openAnalysis(i),
    onkeydown: (event) => moveTab(event, i, sections.length) }, section.title));
  $('analysis-tabs').replaceChildren(...tabs);
  if (sections.length) openAnalysis(0);
}

function moveTab(event, place, size) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = (place + step + size) % size;
  openAnalysis(next);
  $(`tab-${next}`).focus();
}

function openAnalysis(place) {
  const section = overview.analyses.sections[place];
  [...$('analysis-tabs').children].forEach((tab, i) => {
    tab.setAttribute('aria-selected', i === place);
    tab.tabIndex = i === place ? 0 : -1;
  });
  $('analysis').setAttribute('aria-labelledby', `tab-${place}`);
  const tables = section.tables.map((each) => {
    const shown = table(each.header, each.rows, each.words ?? 1, each.title);
    if (each.wide) shown.classList.add('wide');
    if (each.note) shown.append(el('p', { class: 'table-note' }, each.note));
    return shown;
  });
  const body = tables.length ? el('div', { class: 'tables' }, ...tables) : el('p', {}, section.empty || 'Nothing found.');
  $('analysis').replaceChildren(el('p', { class: 'about' }, section.about), body);
}

// Errors and tokens of the chosen utterances: for each label of a field, or all in one.
function tally(view, labels) {
  const size = labels ? labels.names.length : 1;
  const sums = { utterances: new Float64Array(size), errors: [], tokens: [] };
  for (const number of view) sums.utterances[labels ? labels.numbers[number] : 0] += 1;
  for (const errors of data.errors) {
    const wrong = new Float64Array(size);
    const tokens = new Float64Array(size);
    for (let i = 0; i < view.length; i++) {
      const number = view[i];
      if (errors[number] === ABSENT) continue;
      const label = labels ? labels.numbers[number] : 0;
      wrong[label] += errors[number];
      tokens[label] += data.tokens[number];
    }
    sums.errors.push(wrong);
    sums.tokens.push(tokens);
  }
  return sums;
}

// The same labels, once for each metric: words and characters are never added up.
const metrics = [...new Set(overview.sets.map((set) => set.metric))];
const metricOfSet = overview.sets.flatMap((set) => Array(set.utterances).fill(metrics.indexOf(set.metric)));

function byMetric(labels) {
  const size = metrics.length;
  const names = labels ? labels.names : ['all of these'];
  if (size === 1) return { names, labels };
  const numbers = metricOfSet.map((metric, number) => (labels ? labels.numbers[number] : 0) * size + metric);
  const shown = names.flatMap((name) => metrics.map((metric) => `${name || '(none)'}, ${metric.toUpperCase()}`));
  return { names: shown, labels: { names: shown, numbers } };
}

function showParts(view) {
  const field = state.by;
  const labels = field ? data.labels[field] : null;
  const apart = byMetric(labels);
  const sums = tally(view, apart.labels);
  const plain = (i) => labels.names[Math.floor(i / metrics.length)];
  const rows = apart.names.map((name, i) => [name, i]).filter(([, i]) => sums.utterances[i]);
  const most = Math.max(...rows.flatMap(([, i]) => models.map((_, m) => rateOf(sums, m, i) || 0)), 1e-9);
  const body = rows.map(([name, i]) => [
    labels ? { text: name || '(none)', field, label: plain(i) } : name,
    count(sums.utterances[i]),
    ...models.map((_, m) => rateCell(sums, m, i, most)),
  ]);
  const header = [field || 'utterances', 'number', ...models];
  $('parts').replaceChildren(table(header, body, 1, ''));
}

function rateOf(sums, model, label) {
  const tokens = sums.tokens[model][label];
  return tokens ? sums.errors[model][label] / tokens : null;
}

function rateCell(sums, model, label, most) {
  const rate = rateOf(sums, model, label);
  const errors = sums.errors[model][label];
  if (rate === null) return errors ? `${count(errors)} hallucinated` : '–';
  return { text: percent(rate), share: rate / most };
}
