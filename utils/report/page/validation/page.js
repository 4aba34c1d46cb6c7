"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE = 50;
let kind = null;
let shown = PAGE;

function make(name, text, attributes = {}) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function draw(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function table() {
  const rows = [data.header, ...data.rows];
  rows.forEach((cells, index) => {
    const row = make("tr");
    cells.forEach((cell) => row.append(make(index ? "td" : "th", cell)));
    document.getElementById("sets").append(row);
  });
}

function histogram({ title, unit, low, high, counts }) {
  const width = 300, height = 120, floor = 100, top = Math.max(...counts, 1);
  const figure = make("figure");
  figure.append(make("figcaption", title));
  const label = `${title}: ${counts.reduce((a, b) => a + b, 0)} lines from ${low} to ${high} ${unit}`;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  const step = width / counts.length;
  counts.forEach((count, index) => {
    const tall = count ? Math.max(2, (90 * count) / top) : 0;
    const bar = draw("rect", { x: index * step + 1, y: floor - tall, width: step - 2, height: tall });
    const from = low + ((high - low) * index) / counts.length;
    const to = low + ((high - low) * (index + 1)) / counts.length;
    bar.append(draw("title", {}, `${from.toFixed(1)} to ${to.toFixed(1)} ${unit}: ${count}`));
    svg.append(bar);
  });
  svg.append(draw("line", { x1: 0, x2: width, y1: floor + 0.5, y2: floor + 0.5 }));
  svg.append(draw("text", { x: 0, y: 115 }, `${low} ${unit}`));
  svg.append(draw("text", { x: width, y: 115, "text-anchor": "end" }, `${high} ${unit}`));
  svg.append(draw("text", { x: width, y: 10, "text-anchor": "end" }, `tallest: ${top}`));
  figure.append(svg);
  return figure;
}

function entry(finding) {
  const item = make("li", undefined, { class: finding.severity });
  item.append(make("span", `${finding.severity}: ${finding.kind}`, { class: "kind" }));
  item.append(make("span", finding.place, { class: "place" }));
  item.append(make("p", finding.message, { class: "message" }));
  if (finding.text) item.append(make("p", finding.text, { class: "text", dir: "auto" }));
  if (finding.audio) {
    const label = `Sound of ${finding.place}`;
    const options = { controls: "", preload: "none", src: finding.audio, "aria-label": label };
    item.append(make("audio", undefined, options));
  }
  return item;
}

function list() {
  const chosen = data.findings.filter((each) => kind === null || each.kind === kind);
  document.getElementById("findings").replaceChildren(...chosen.slice(0, shown).map(entry));
  document.getElementById("more").hidden = chosen.length <= shown;
  for (const button of document.querySelectorAll("nav button")) {
    button.setAttribute("aria-pressed", String(button.value === (kind ?? "")));
  }
}

function choice(name, count, value) {
  const button = make("button", `${name} ${count}`, { type: "button", value: value ?? "" });
  button.addEventListener("click", () => { kind = value; shown = PAGE; list(); });
  return button;
}

document.getElementById("verdict").textContent = data.verdict;
document.getElementById("found-title").textContent = data.title;
table();
document.getElementById("histograms").append(...data.histograms.map(histogram));
if (data.kinds.length) {
  const all = choice("all", data.total, null);
  document.getElementById("kinds").append(all, ...data.kinds.map(([n, c]) => choice(n, c, n)));
}
document.getElementById("more").addEventListener("click", () => { shown += PAGE; list(); });
list();
