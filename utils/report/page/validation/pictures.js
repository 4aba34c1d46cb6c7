// The manifests: a row each, distributions of each by itself, and what their texts are made of.

function table(header, rows, words = 1) {
  const body = rows.map((cells) => {
    const row = make("tr");
    cells.forEach((cell, i) => row.append(make("td", cell, i < words ? { class: "word", dir: "auto" } : {})));
    return row;
  });
  const head = make("tr");
  header.forEach((title, i) => head.append(make("th", title, { scope: "col", ...(i < words ? { class: "word" } : {}) })));
  const shown = make("table");
  shown.append(make("thead"), make("tbody"));
  shown.tHead.append(head);
  shown.tBodies[0].append(...body);
  return shown;
}

// A distribution has one axis for all manifests, and a picture for each.
function distributions(each) {
  return each.counts.map((counts, i) => histogram({ ...each, counts, manifest: each.manifests[i] }));
}

function histogram({ title, unit, low, high, counts, manifest, manifests }) {
  const width = 300, height = 120, floor = 100, top = Math.max(...counts, 1);
  const figure = make("figure");
  const caption = make("figcaption", title);
  if (manifests.length > 1) caption.append(make("small", ` ${manifest}`));
  figure.append(caption);
  const label = `${title} in ${manifest}: ${counts.reduce((a, b) => a + b, 0)} lines from ${low} to ${high} ${unit}`;
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

// Alphabet and vocabulary of one manifest, folded.
function textCounts(each) {
  const box = make("details");
  const some = (shown, all) => (shown < all ? `, the first ${shown}` : "");
  const counted = `counted in ${each.counted} lines`;
  box.append(make("summary", `${each.manifest}: ${each.different_words} words, ${each.different_characters} characters, ${counted}`));
  const words = table([`word${some(each.words.length, each.different_words)}`, "times"], each.words);
  const signs = table([`character${some(each.characters.length, each.different_characters)}`, "name", "times"], each.characters, 2);
  const two = make("div", undefined, { class: "two" });
  for (const [name, shown] of [["Vocabulary", words], ["Alphabet", signs]]) {
    const part = make("div", undefined, { class: "wide", tabindex: "0", role: "group", "aria-label": `${name} of ${each.manifest}` });
    part.append(shown);
    two.append(part);
  }
  box.append(two);
  return box;
}
