// Corrections by ear: text, language, or the line left out. They stay in this browser until they are
// exported; `custom.py manifest --corrections` applies them. Keys on a finding: e edits, x leaves the
// line out or takes it back, the arrows move, space plays.

const KEY = `check ${location.pathname}`;
const corrections = new Map(kept());

function kept() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) || [];
  } catch {
    return []; // a browser that keeps nothing for pages on disk
  }
}

function lineKey(finding) {
  return `${finding.manifest} ${finding.id}`;
}

// Puts a correction down, or takes it back where nothing is left of it.
function correct(finding, change) {
  const found = { manifest: finding.manifest, id: finding.id };
  if (finding.whole) found.was = finding.text;
  const wanted = { ...corrections.get(lineKey(finding)), ...change };
  if (finding.whole && wanted.sentence !== undefined && wanted.sentence !== finding.text.trim()) found.sentence = wanted.sentence;
  if (wanted.language && wanted.language !== finding.language) found.language = wanted.language;
  if (wanted.drop) found.drop = true;
  if ("sentence" in found || found.language || found.drop) corrections.set(lineKey(finding), found);
  else corrections.delete(lineKey(finding));
  try {
    localStorage.setItem(KEY, JSON.stringify([...corrections]));
  } catch {
    // They still are on the page.
  }
  showCorrections();
}

function showCorrections() {
  const box = $("corrections");
  box.hidden = !corrections.size;
  const button = make("button", "Export corrections", { type: "button", id: "export" });
  button.addEventListener("click", exportCorrections);
  box.replaceChildren(make("span", `${corrections.size} ${corrections.size === 1 ? "line" : "lines"} corrected`), button);
}

function correctionLines() {
  return [...corrections.values()].map((each) => `${JSON.stringify(each)}\n`).join("");
}

function exportCorrections() {
  const url = URL.createObjectURL(new Blob([correctionLines()], { type: "application/jsonl" }));
  make("a", undefined, { href: url, download: "corrections.jsonl" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function correctionMark(finding) {
  const found = corrections.get(lineKey(finding));
  return found ? make("span", found.drop ? "left out" : "corrected", { class: "corrected" }) : "";
}

// The form under a finding; `done` draws the finding again.
function correctionForm(finding, done) {
  const form = make("details", undefined, { class: "correct" });
  const known = corrections.get(lineKey(finding)) || {};
  const text = make("textarea", undefined, { rows: "2", dir: "auto", spellcheck: "false" });
  text.value = known.sentence ?? finding.text;
  const language = make("input", undefined, { size: "8", autocomplete: "off" });
  language.value = known.language ?? finding.language;
  const drop = make("input", undefined, { type: "checkbox" });
  drop.checked = Boolean(known.drop);
  const save = make("button", "Save (Ctrl+Enter)", { type: "button" });
  const finish = () => {
    correct(finding, { sentence: text.value.trim(), language: language.value.trim(), drop: drop.checked });
    done();
  };
  save.addEventListener("click", finish);
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) finish();
    else if (event.key === "Escape") done();
    event.stopPropagation(); // what is typed is no command
  });
  const labelled = (name, field) => {
    const label = make("label", `${name} `);
    label.append(field);
    return label;
  };
  form.append(make("summary", "Correct this line"));
  if (finding.whole) form.append(labelled("Text", text));
  form.append(labelled("Language", language), labelled("Leave this line out", drop), save);
  return form;
}
