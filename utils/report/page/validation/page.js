// The findings: chosen by kind and by what is searched for, each with its sound and its correction.

const PAGE = 50;
let kind = null;
let shown = PAGE;

function entry(finding) {
  const item = make("li", undefined, { class: finding.severity, tabindex: "-1" });
  item.append(make("span", `${finding.severity}: ${finding.kind}`, { class: "kind" }));
  item.append(make("span", finding.place, { class: "place" }), correctionMark(finding));
  item.append(make("p", finding.message, { class: "message" }));
  const advice = data.advice[finding.kind];
  if (advice) item.append(make("p", advice, { class: "advice" }));
  if (finding.text) item.append(make("p", finding.text, { class: "text", dir: "auto" }));
  if (finding.audio) {
    const label = `Sound of ${finding.place}`;
    const options = { controls: "", preload: "none", src: finding.audio, "aria-label": label };
    item.append(make("audio", undefined, options));
  }
  if (finding.id) item.append(correctionForm(finding, () => redraw(item, finding)));
  item.addEventListener("keydown", (event) => onKey(event, item, finding));
  return item;
}

function redraw(item, finding) {
  const fresh = entry(finding);
  const hadSet = item.tabIndex === 0;
  item.replaceWith(fresh);
  if (hadSet) fresh.tabIndex = 0;
  fresh.focus();
}

// One finding is reached by Tab, the others by the arrows.
function moveTo(item) {
  if (!item) return;
  for (const other of $("findings").children) other.tabIndex = -1;
  item.tabIndex = 0;
  item.focus();
  item.scrollIntoView({ block: "nearest" });
}

function onKey(event, item, finding) {
  if (event.target !== item || event.ctrlKey || event.metaKey || event.altKey) return;
  const form = item.querySelector(".correct");
  const audio = item.querySelector("audio");
  const commands = {
    ArrowDown: () => moveTo(item.nextElementSibling),
    ArrowUp: () => moveTo(item.previousElementSibling),
    " ": () => audio && (audio.paused ? audio.play() : audio.pause()),
    e: () => {
      if (!form) return;
      form.open = true;
      form.querySelector("textarea, input").focus();
    },
    x: () => {
      if (!form) return;
      correct(finding, { drop: !(corrections.get(lineKey(finding)) || {}).drop });
      redraw(item, finding);
    },
  };
  if (!commands[event.key]) return;
  event.preventDefault();
  commands[event.key]();
}

// Text anywhere in a finding, in any case; between slashes, a regular expression.
function matcher(wanted) {
  const pattern = /^\/(.+)\/$/.exec(wanted);
  if (pattern) {
    const expression = new RegExp(pattern[1], "isu");
    return (text) => expression.test(text);
  }
  const lower = wanted.toLowerCase();
  return (text) => text.toLowerCase().includes(lower);
}

function chosen() {
  const ofKind = data.findings.filter((each) => kind === null || each.kind === kind);
  const wanted = $("search").value.trim();
  $("problem").textContent = "";
  if (!wanted) return ofKind;
  try {
    const matches = matcher(wanted);
    return ofKind.filter((each) => matches(`${each.place}\n${each.message}\n${each.text ?? ""}`));
  } catch (error) {
    $("problem").textContent = `${wanted} is no regular expression: ${error.message}`;
    return ofKind;
  }
}

function list() {
  const found = chosen();
  $("findings").replaceChildren(...found.slice(0, shown).map(entry));
  if ($("findings").firstElementChild) $("findings").firstElementChild.tabIndex = 0;
  $("found").textContent = `${found.length} of ${data.findings.length} findings`;
  $("more").hidden = found.length <= shown;
  for (const button of document.querySelectorAll("nav button")) {
    button.setAttribute("aria-pressed", String(button.value === (kind ?? "")));
  }
}

function choice(name, count, value) {
  const button = make("button", `${name} ${count}`, { type: "button", value: value ?? "" });
  button.addEventListener("click", () => { kind = value; shown = PAGE; list(); });
  return button;
}

$("verdict").textContent = data.verdict;
$("found-title").textContent = data.title;
$("sets").append(table(data.header, data.rows));
$("histograms").append(...data.histograms.flatMap(distributions));
$("texts").append(...data.texts.map(textCounts));
$("finding-tools").hidden = !data.findings.length;
if (data.kinds.length) {
  const all = choice("all", data.total, null);
  $("kinds").append(all, ...data.kinds.map(([n, c]) => choice(n, c, n)));
}
$("search").addEventListener("input", () => { shown = PAGE; list(); });
$("more").addEventListener("click", () => { shown += PAGE; list(); });
showCorrections();
list();
