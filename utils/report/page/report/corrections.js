// Corrections by ear: the text or language of an utterance is put right, or the utterance is left
// out. They stay in this browser until they are exported; `custom.py manifest --corrections` applies
// them. Keys in the list: e edits, x leaves out or takes back.

const CORRECTIONS_KEY = `corrections ${overview.paths.join(' ')}`;
const corrections = new Map(readCorrections());

function readCorrections() {
  try {
    return JSON.parse(localStorage.getItem(CORRECTIONS_KEY)) || [];
  } catch {
    return []; // a browser that keeps nothing for pages on disk
  }
}

function keepCorrections() {
  try {
    localStorage.setItem(CORRECTIONS_KEY, JSON.stringify([...corrections]));
  } catch {
    // They still are on the page.
  }
  showCorrections();
  drawRows();
}

function correctionKey(number, id) {
  return `${setNumber(number)} ${id}`;
}

// The form under an utterance: text, language, leave out.
function correctionForm(number, id, reference) {
  if (reference === null) return null;
  const key = correctionKey(number, id);
  const known = corrections.get(key) || {};
  const language = data.labels.language ? data.labels.language.names[data.labels.language.numbers[number]] : '';
  const area = el('textarea', { id: 'correct-text', rows: 3, dir: 'auto', spellcheck: 'false' });
  area.value = known.sentence ?? reference;
  const spoken = el('input', { id: 'correct-language', list: 'languages', autocomplete: 'off', size: 6 });
  spoken.value = known.language ?? language;
  const drop = el('input', { id: 'correct-drop', type: 'checkbox', checked: Boolean(known.drop) });
  const save = () => {
    const found = { manifest: overview.sets[setNumber(number)].manifest, id, was: reference };
    if (area.value.trim() !== reference.trim()) found.sentence = area.value.trim();
    if (spoken.value.trim() !== language) found.language = spoken.value.trim();
    if (drop.checked) found.drop = true;
    if (Object.keys(found).length > 3) corrections.set(key, found);
    else corrections.delete(key);
    keepCorrections();
    $('list').focus();
  };
  const onkeydown = (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save();
    if (event.key === 'Escape') {
      event.stopPropagation();
      $('list').focus();
    }
  };
  return el('details', { class: 'correct', open: corrections.has(key), onkeydown },
    el('summary', {}, 'Correct this line'),
    el('label', {}, 'Text ', area), el('label', {}, 'Language ', spoken),
    el('label', { class: 'check' }, drop, ' Leave this utterance out'),
    el('button', { type: 'button', onclick: save }, 'Save (Ctrl+Enter)'));
}

function showCorrections() {
  const size = corrections.size;
  $('corrections').hidden = !size;
  $('corrections').replaceChildren(
    el('span', {}, `${count(size)} ${size === 1 ? 'line' : 'lines'} corrected`),
    el('button', { type: 'button', id: 'export', onclick: exportCorrections }, 'Export corrections'),
    el('button', { type: 'button', onclick: () => confirmDiscard() }, 'Discard all'));
}

function confirmDiscard() {
  if (!window.confirm('Discard all corrections that are not exported?')) return;
  corrections.clear();
  keepCorrections();
}

function correctionLines() {
  return [...corrections.values()].map((each) => `${JSON.stringify(each)}\n`).join('');
}

function exportCorrections() {
  const url = URL.createObjectURL(new Blob([correctionLines()], { type: 'application/jsonl' }));
  el('a', { href: url, download: 'corrections.jsonl' }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// Keys of the list: e opens the form, x leaves the utterance out or takes it back.
async function onCorrectionKey(event) {
  if (selected < 0 || event.ctrlKey || event.metaKey || !['e', 'x'].includes(event.key)) return;
  event.preventDefault();
  const form = document.querySelector('#detail .correct');
  if (!form) return;
  form.open = true;
  if (event.key === 'e') {
    document.body.classList.add('reading');
    $('correct-text').focus();
    return;
  }
  $('correct-drop').checked = !$('correct-drop').checked;
  form.querySelector('button').click();
}

function correctionMark(number, id) {
  const found = corrections.get(correctionKey(number, id));
  if (!found) return null;
  return el('small', { class: 'corrected' }, found.drop ? ' left out' : ' corrected');
}
