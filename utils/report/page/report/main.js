// Puts the parts together: what is chosen decides which utterances are in sight.

let data = null;
let texts = null;
let order = null;
let orderKey = '';

function choose(changes, isTyped = false) {
  Object.assign(state, changes);
  saveState(isTyped);
  showControls();
  update();
}

function update() {
  const began = performance.now();
  const mask = maskOf();
  $('problem').textContent = '';
  texts.cancel();
  if (!state.q) return show(mask, null, began, true);
  const isPlain = state.q === state.q.toLowerCase();
  const flags = isPlain ? 'iu' : 'u';
  try {
    new RegExp(state.q, `${flags}gm`);
  } catch (error) {
    $('problem').textContent = `${state.q} is no regular expression: ${error.message}`;
    return undefined;
  }
  const column = { all: -1, reference: 1 }[state.in] ?? 2 + models.indexOf(state.in);
  texts.search(state.q, flags, column, mask.length, (hits, done) => show(mask, hits, began, done));
  return undefined;
}

// Which utterances the menus choose: uint8, a value each.
function maskOf() {
  const mask = new Uint8Array(data.tokens.length).fill(1);
  for (const [name, value] of Object.entries(state.fields)) {
    const column = data.labels[name];
    const wanted = column ? column.names.indexOf(value) : -1;
    for (let i = 0; i < mask.length; i++) if (!column || column.numbers[i] !== wanted) mask[i] = 0;
  }
  if (state.group) {
    const rows = new Set(groupRows(state.group));
    for (let i = 0; i < mask.length; i++) if (!rows.has(i)) mask[i] = 0;
  }
  const test = SHOW_TESTS[state.show];
  const model = data.errors[models.indexOf(state.model)];
  const base = data.errors[baselineOf(state.model)];
  if (test) for (let i = 0; i < mask.length; i++) if (mask[i] && !test(i, model, base)) mask[i] = 0;
  return mask;
}

// The utterances of a group that an analysis names; none for a name that is not in this report.
function groupRows(name) {
  if (pairGroup.name === name) return pairGroup.rows;
  for (const section of overview.analyses.sections) {
    for (const each of section.tables) {
      for (const row of each.rows) for (const cell of row) if (cell && cell.group === name) return cell.rows;
    }
  }
  return [];
}

const SHOW_TESTS = {
  wrong: (i, model) => model[i] > 0 && model[i] !== ABSENT,
  right: (i, model) => model[i] === 0,
  worse: (i, model, base) => base && base[i] !== ABSENT && model[i] !== ABSENT && model[i] > base[i],
  better: (i, model, base) => base && base[i] !== ABSENT && model[i] < base[i],
  differ: (i) => data.errors.some((e) => e[i] !== ABSENT && e[i] !== data.errors[0][i]),
  failed: (i) => data.status.names[data.status.numbers[i]] !== 'ok',
};

function show(mask, hits, began, done) {
  const all = sortedOrder();
  const chosen = new Uint32Array(all.length);
  let size = 0;
  for (const number of all) if (mask[number] && (!hits || hits[number])) chosen[size++] = number;
  view = chosen.subarray(0, size);
  showList();
  showParts(view);
  if ($('spread-box').open) showSpread(view);
  const took = (performance.now() - began) / 1000;
  if (began !== show.began) $('chosen').dataset.first = took.toFixed(3);
  show.began = began;
  const words = `${count(size)} of ${count(mask.length)} utterances`;
  $('chosen').textContent = done ? words : `${words} so far …`;
  $('chosen').dataset.took = took.toFixed(3);
  $('chosen').dataset.done = String(done);
  if (!size && done) $('chosen').textContent = `None of ${count(mask.length)} utterances matches.`;
}

// All utterances in the wanted order; sorting is done once for each.
function sortedOrder() {
  const key = `${state.sort} ${state.model}`;
  if (key === orderKey) return order;
  const value = sortValue();
  const values = Float64Array.from(data.tokens, (_, i) => value(i));
  order = Uint32Array.from(data.tokens, (_, i) => i);
  if (state.sort !== 'order') order.sort((a, b) => values[b] - values[a] || a - b);
  orderKey = key;
  return order;
}

function sortValue() {
  const model = data.errors[models.indexOf(state.model)];
  const base = data.errors[baselineOf(state.model)];
  const wrong = (i) => (model[i] === ABSENT ? -1 : model[i]);
  const change = (i) => (base && model[i] !== ABSENT && base[i] !== ABSENT ? model[i] - base[i] : 0);
  return {
    errors: wrong,
    rate: (i) => wrong(i) / Math.max(data.tokens[i], 0.5),
    lost: change,
    won: (i) => -change(i),
    seconds: (i) => data.seconds[i],
    order: () => 0,
  }[state.sort];
}

function fillMenus() {
  const options = (entries) => Object.entries(entries).map(([value, words]) => option(value, words));
  const hasBase = overview.comparisons.length > 0;
  const without = (entries, names) => Object.fromEntries(Object.entries(entries).filter(([n]) => hasBase || !names.includes(n)));
  $('in').replaceChildren(option('all', 'all texts and ids'), option('reference', 'references'), ...models.map((m) => option(m, m)));
  $('show').replaceChildren(...options(without(SHOW, ['worse', 'better'])));
  $('sort').replaceChildren(...options(without(SORT, ['lost', 'won'])));
  $('model').replaceChildren(...models.map((m) => option(m, m)));
  const names = Object.keys(data.labels);
  $('by').replaceChildren(option('', '(all together)'), ...names.map((name) => option(name, name)));
  $('field-filters').replaceChildren(...names.map(fieldMenu));
}

function fieldMenu(name) {
  const change = (event) => {
    const { [name]: _, ...others } = state.fields;
    choose({ fields: event.target.value === '*' ? others : { ...others, [name]: event.target.value.slice(1) } });
  };
  const choices = data.labels[name].names.map((label) => option(`=${label}`, label || '(none)'));
  return el('label', {}, `${name} `, el('select', { 'data-field': name, onchange: change }, option('*', 'any'), ...choices));
}

function showControls() {
  if (!(state.by in data.labels)) state.by = '';
  $('group').replaceChildren(...(state.group ? [el('span', {}, state.group),
    el('button', { type: 'button', onclick: () => choose({ group: '' }) }, 'Show all')] : []));
  for (const name of ['q', 'in', 'show', 'model', 'sort', 'by']) if ($(name).value !== state[name]) $(name).value = state[name];
  for (const menu of document.querySelectorAll('#field-filters select')) {
    const value = state.fields[menu.dataset.field];
    menu.value = value === undefined ? '*' : `=${value}`;
  }
}

function listen() {
  const typed = later(80, () => choose({ q: $('q').value }, true));
  $('q').addEventListener('input', typed);
  for (const name of ['in', 'show', 'model', 'sort']) $(name).addEventListener('change', () => choose({ [name]: $(name).value }));
  $('by').addEventListener('change', () => {
    state.by = $('by').value;
    saveState();
    showParts(view);
  });
  $('spread-box').addEventListener('toggle', () => $('spread-box').open && showSpread(view));
  $('reset').addEventListener('click', () => choose({ q: '', in: 'all', show: 'all', sort: 'errors', group: '', fields: {} }));
  $('link').addEventListener('click', copyLink);
  $('filters').addEventListener('submit', (event) => event.preventDefault());
  $('list').addEventListener('scroll', () => requestAnimationFrame(drawRows), { passive: true });
  $('list').addEventListener('keydown', onListKey);
  $('detail').addEventListener('keydown', (event) => event.key === 'Escape' && closeDetail());
  for (const link of document.querySelectorAll('[data-goto]')) {
    link.addEventListener('click', (event) => {
      event.preventDefault();
      $(link.dataset.goto).scrollIntoView();
      $(link.dataset.goto).focus({ preventScroll: true });
    });
  }
  window.addEventListener('popstate', openState);
  window.addEventListener('resize', later(150, showCharts));
}

async function copyLink() {
  saveState();
  try {
    await navigator.clipboard.writeText(location.href);
    $('link').textContent = 'Copied';
  } catch {
    $('link').textContent = 'It is in the address bar';
  }
  setTimeout(() => ($('link').textContent = 'Copy link'), 2000);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  $('theme').textContent = theme === 'dark' ? 'Light' : 'Dark';
}

function startTheme() {
  const isDark = window.matchMedia('(prefers-color-scheme: dark)').matches;
  setTheme(isDark ? 'dark' : 'light');
  $('theme').addEventListener('click', () => setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'));
}

// The address names an utterance by its row and id; the id counts, should the file have changed.
async function openState() {
  readState();
  showControls();
  update();
  if (state.row === '') {
    document.body.classList.remove('reading');
    showDetail.latest = (showDetail.latest || 0) + 1;
    $('detail').replaceChildren();
    return;
  }
  await openRow(Number(state.row));
  $('two').scrollIntoView({ block: 'start' });
}

async function openRow(number) {
  const lines = number < data.tokens.length ? (await texts.read([number])).get(number) : [];
  if (state.id && lines[0] !== state.id) {
    const pattern = state.id.replace(/[\\^$.|?*+()[\]{}/]/g, '\\$&');
    choose({ row: '', q: `^${pattern}$`, show: 'all', group: '', fields: {} });
    return;
  }
  document.body.classList.add('reading');
  showDetail(number, lines);
  if (selected >= 0) keepInSight(selected);
}

async function start() {
  startTheme();
  showVerdicts();
  showFooter();
  showGate();
  showNotes();
  showScores();
  showFigures();
  showComparisons();
  showAnalyses();
  texts = new Texts([...document.getElementsByClassName('block')], 2 + models.length, 4096);
  data = await readColumns();
  showCharts();
  $('explore').hidden = !data.tokens.length; // meetings alone: errors are counted by speakers
  showCorrections();
  fillMenus();
  listen();
  await openState();
  document.body.dataset.opened = (performance.now() / 1000).toFixed(3);
  await texts.ready;
  await showPaper();
  document.body.dataset.ready = (performance.now() / 1000).toFixed(3);
}

start();
