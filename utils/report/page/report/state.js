// What the reader has chosen; it stands in the address, so that a link shows the same.

const DEFAULTS = { q: '', in: 'all', show: 'all', model: '', sort: 'errors', by: '', id: '', row: '', group: '' };
const SHOW = {
  all: 'all utterances',
  wrong: 'with errors',
  right: 'without errors',
  worse: 'worse than the baseline',
  better: 'better than the baseline',
  differ: 'where models differ',
  failed: 'failed or missing',
};
const SORT = {
  errors: 'most errors',
  rate: 'highest rate',
  lost: 'most lost to the baseline',
  won: 'most won from the baseline',
  seconds: 'longest',
  order: 'order of the file',
};

const state = { ...DEFAULTS, fields: {} };

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  Object.assign(state, DEFAULTS, { fields: {} });
  for (const [name, value] of given) {
    if (name.startsWith('f.')) state.fields[name.slice(2)] = value;
    else if (name in DEFAULTS) state[name] = value;
  }
  if (!models.includes(state.model)) state.model = modelInQuestion();
  if (!(state.show in SHOW)) state.show = DEFAULTS.show;
  if (!(state.sort in SORT)) state.sort = DEFAULTS.sort;
}

function modelInQuestion() {
  return models.find((name) => !overview.baselines.includes(name)) || models[0];
}

function stateText() {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) {
    if (name === 'fields' || value === DEFAULTS[name] || value === '') continue;
    if (name === 'model' && value === modelInQuestion()) continue;
    given.set(name, value);
  }
  for (const [name, value] of Object.entries(state.fields)) given.set(`f.${name}`, value);
  return given.toString();
}

// What is chosen by a click can be gone back from; what is typed changes the entry it began.
let typing = false;

function saveState(isTyped = false) {
  const address = stateText() ? `#${stateText()}` : location.pathname + location.search;
  if (address === (location.hash || location.pathname + location.search)) return;
  history[isTyped && typing ? 'replaceState' : 'pushState'](null, '', address);
  typing = isTyped;
}
