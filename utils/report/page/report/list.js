// The list of chosen utterances: only the rows in sight exist, each of one height.

const ROW_HEIGHT = 74;
let view = new Uint32Array(0);
let selected = -1; // place in the view

function showList() {
  $('list-space').style.height = `${view.length * ROW_HEIGHT}px`;
  selected = view.indexOf(Number(state.row === '' ? -1 : state.row));
  $('list').scrollTop = 0;
  if (selected >= 0) keepInSight(selected);
  drawRows();
}

async function drawRows() {
  const box = $('list');
  const first = Math.max(0, Math.floor(box.scrollTop / ROW_HEIGHT) - 3);
  const last = Math.min(view.length, first + Math.ceil(box.clientHeight / ROW_HEIGHT) + 6);
  const places = Array.from({ length: last - first }, (_, i) => first + i);
  const numbers = places.map((place) => view[place]);
  const asked = (drawRows.asked = (drawRows.asked || 0) + 1);
  if (!numbers.every((n) => texts.kept.has(n))) place(places.map((p) => emptyRow(p)));
  const lines = await texts.read(numbers);
  if (asked === drawRows.asked) place(places.map((p, i) => listRow(p, numbers[i], lines.get(numbers[i]))));
}

function place(rows) {
  $('list-space').replaceChildren(...rows);
  const current = selected >= 0 ? `row-${view[selected]}` : '';
  if (current && document.getElementById(current)) $('list').setAttribute('aria-activedescendant', current);
  else $('list').removeAttribute('aria-activedescendant');
}

function emptyRow(position, ...children) {
  const number = view[position];
  return el('div', {
    class: 'row', role: 'option', id: `row-${number}`, style: `top:${position * ROW_HEIGHT}px`,
    'aria-selected': String(position === selected), 'aria-posinset': position + 1, 'aria-setsize': view.length,
    onclick: () => select(position),
  }, ...children);
}

function listRow(position, number, lines) {
  const model = models.indexOf(state.model);
  const hypothesis = data.errors[model][number] === ABSENT ? '(not run)' : lines[2 + model] || '(nothing)';
  return emptyRow(position,
    el('span', { class: 'line reference', dir: 'auto' }, lines[1] || '(no speech)'),
    el('span', { class: 'line hypothesis', dir: 'auto' }, hypothesis),
    el('span', { class: 'line meta' }, el('span', { dir: 'auto' }, lines[0]), ` · ${clock(data.seconds[number])}`, correctionMark(number, lines[0])),
    el('span', { class: 'wrong' }, errorWords(model, number)));
}

function errorWords(model, number) {
  const wrong = data.errors[model][number];
  if (wrong === ABSENT) return '–';
  const base = baselineOf(state.model);
  const change = base < 0 || data.errors[base][number] === ABSENT ? 0 : wrong - data.errors[base][number];
  const tag = change ? el('small', { class: change > 0 ? 'worse' : 'better' }, ` ${change > 0 ? '+' : MINUS}${Math.abs(change)}`) : null;
  return el('span', {}, `${wrong} of ${data.tokens[number]}`, tag);
}

function baselineOf(model) {
  const found = overview.comparisons.find((each) => each.model === model);
  return found ? models.indexOf(found.baseline) : -1;
}

async function select(position, { focus = true } = {}) {
  if (position < 0 || position >= view.length) return;
  selected = position;
  const number = view[position];
  state.row = String(number);
  keepInSight(position);
  await drawRows();
  const lines = (await texts.read([number])).get(number);
  if (state.row !== String(number)) return;
  state.id = lines[0];
  if (focus) document.body.classList.add('reading');
  showDetail(number, lines);
  saveState();
}

function keepInSight(position) {
  const box = $('list');
  const top = position * ROW_HEIGHT;
  if (top < box.scrollTop) box.scrollTop = top;
  else if (top + ROW_HEIGHT > box.scrollTop + box.clientHeight) box.scrollTop = top + ROW_HEIGHT - box.clientHeight;
}

function onListKey(event) {
  const page = Math.max(1, Math.floor($('list').clientHeight / ROW_HEIGHT) - 1);
  const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -view.length, End: view.length };
  if (event.key in steps) {
    event.preventDefault();
    const next = Math.min(view.length - 1, Math.max(0, selected + steps[event.key]));
    select(next, { focus: false });
  } else if (event.key === 'Enter' && selected >= 0) {
    select(selected);
    $('detail').focus();
  } else if (event.key === ' ') {
    event.preventDefault();
    playOrPause();
  } else {
    onCorrectionKey(event);
  }
}

function playOrPause() {
  const audio = document.querySelector('#detail audio');
  if (audio) (audio.paused ? audio.play() : audio.pause());
}
