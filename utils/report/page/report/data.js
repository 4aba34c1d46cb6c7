// What the page holds: an overview, columns of numbers, and texts that workers unpack and search.

const overview = json('overview');
const models = overview.models;
const ABSENT = 65535;
const ARRAYS = { Uint16: Uint16Array, Float32: Float32Array };

async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Response(stream).arrayBuffer();
}

async function readColumn(column) {
  return new ARRAYS[column.kind](await unpack(column.data));
}

async function readLabels(column) {
  return { names: column.names, numbers: await readColumn(column) };
}

async function readColumns() {
  const packed = json('columns');
  const names = Object.keys(packed.labels);
  const labels = await Promise.all(Object.values(packed.labels).map(readLabels));
  return {
    seconds: await readColumn(packed.seconds),
    tokens: await readColumn(packed.tokens),
    status: await readLabels(packed.status),
    errors: await Promise.all(packed.errors.map(readColumn)),
    labels: Object.fromEntries(names.map((name, i) => [name, labels[i]])),
  };
}

// Runs in a worker, as a text of its own: it may use nothing from outside.
function textWorker() {
  const SAME = 1;
  const packed = new Map();
  const unpacked = new Map();
  let width = 0;
  let latest = 0;

  async function unpackBlock(number) {
    const bytes = Uint8Array.from(atob(packed.get(number)), (c) => c.charCodeAt(0));
    packed.delete(number);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
    const text = new TextDecoder().decode(await new Response(stream).arrayBuffer());
    const starts = [0];
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
    starts.push(text.length + 1);
    return { text, starts: Uint32Array.from(starts), lines: starts.length - 1, ...readings(text) };
  }

  // What a search may take for the text. The letters ſ and ς are lower case, and match others where
  // case does not count.
  function readings(text) {
    const small = text.toLowerCase();
    const isFolded = small.length === text.length && !/[\u017f\u03c2]/.test(small);
    return { folded: !isFolded ? null : small === text ? text : small, isPlain: !/[\ud800-\udfff]/.test(text) };
  }

  function block(number) {
    if (!unpacked.has(number)) unpacked.set(number, unpackBlock(number));
    return unpacked.get(number);
  }

  function line(from, number) {
    return from.text.slice(from.starts[number], from.starts[number + 1] - 1);
  }

  function isSame(from, number) {
    return from.text.charCodeAt(from.starts[number]) === SAME;
  }

  function row(from, number) {
    const texts = [];
    for (let i = 0; i < width; i++) {
      const place = number * width + i;
      texts.push(isSame(from, place) ? texts[1] : line(from, place));
    }
    return texts;
  }

  function lineAt(from, index) {
    let low = 0;
    let high = from.lines - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (from.starts[middle] <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // One column: line by line.
  function searchColumn(from, pattern, column) {
    const hits = [];
    for (let first = 0, number = 0; first < from.lines; first += width, number++) {
      const place = isSame(from, first + column) ? first + 1 : first + column;
      if (pattern.test(line(from, place))) hits.push(number);
    }
    return hits;
  }

  // All columns: one pass over the whole block, on to the next utterance at each hit.
  function searchAll(from, pattern, single) {
    const hits = [];
    pattern.lastIndex = 0;
    for (let found = pattern.exec(from.text); found; found = pattern.exec(from.text)) {
      const place = lineAt(from, found.index);
      const ends = found.index + found[0].length;
      const inside = ends < from.starts[place + 1] || single.test(line(from, place));
      const isHit = inside && !isSame(from, place);
      const utterance = Math.floor(place / width);
      if (isHit) hits.push(utterance);
      pattern.lastIndex = from.starts[isHit ? (utterance + 1) * width : place + 1];
    }
    return hits;
  }

  // The flags i and u make a search several times slower: left out where they change nothing.
  function prepare(from, source, flags) {
    const needsUnicode = !from.isPlain || /\\[pPu]|[\ud800-\udfff]/.test(source);
    const isFolded = flags.includes('i') && from.folded !== null;
    const needed = (flags.includes('i') && !isFolded ? 'i' : '') + (needsUnicode ? 'u' : '');
    return [isFolded ? { ...from, text: from.folded } : from, needed];
  }

  async function search({ query, source, flags, column }) {
    latest = query;
    let rested = performance.now();
    for (const number of [...packed.keys(), ...unpacked.keys()].sort((a, b) => a - b)) {
      const whole = await block(number);
      if (performance.now() - rested > 40) {
        await new Promise((go) => setTimeout(go));
        rested = performance.now();
      }
      if (latest !== query) return;
      const [from, needed] = prepare(whole, source, flags);
      const single = new RegExp(source, needed);
      const every = new RegExp(source, `${needed}gm`);
      const hits = column < 0 ? searchAll(from, every, single) : searchColumn(from, single, column);
      postMessage({ query, block: number, hits: Uint16Array.from(hits) });
    }
  }

  async function unpackAll() {
    for (const number of [...packed.keys()]) await block(number);
    postMessage({ ready: true });
  }

  onmessage = async ({ data }) => {
    if (data.blocks) {
      width = data.width;
      data.blocks.forEach(([number, text]) => packed.set(number, text));
      unpackAll();
    } else if (data.query) {
      search(data);
    } else {
      const from = await block(data.block);
      postMessage({ asked: data.asked, rows: data.rows.map((number) => row(from, number)) });
    }
  };
}

// The texts of all utterances: `read` gives some, `search` finds those that match.
class Texts {
  constructor(elements, width, rowsInBlock) {
    this.rowsInBlock = rowsInBlock;
    this.asked = new Map();
    this.query = 0;
    this.blocks = elements.length;
    this.kept = new Map();
    const cores = Math.min(navigator.hardwareConcurrency || 2, 8, Math.max(elements.length, 1));
    const source = URL.createObjectURL(new Blob([`(${textWorker})()`], { type: 'text/javascript' }));
    this.workers = Array.from({ length: cores }, () => new Worker(source));
    this.ready = Promise.all(this.workers.map((worker, i) => this.start(worker, i, elements, width)));
  }

  start(worker, place, elements, width) {
    const mine = elements.map((e, i) => [i, e.textContent]);
    const blocks = mine.filter(([i]) => i % this.workers.length === place);
    return new Promise((go) => {
      worker.onmessage = ({ data }) => (data.ready ? go() : this.heard(data));
      worker.postMessage({ blocks, width });
    });
  }

  heard(data) {
    if (data.query) {
      if (data.query === this.query) this.onHits(data.block * this.rowsInBlock, data.hits);
      return;
    }
    this.asked.get(data.asked)(data.rows);
    this.asked.delete(data.asked);
  }

  askBlock(block, rows) {
    const asked = (this.lastAsked = (this.lastAsked || 0) + 1);
    return new Promise((go) => {
      this.asked.set(asked, go);
      this.workers[block % this.workers.length].postMessage({ asked, block, rows });
    });
  }

  // Row numbers -> a map from each to its lines: id, reference, hypotheses.
  async read(numbers) {
    if (this.kept.size > 4000) this.kept.clear();
    const wanted = new Map();
    for (const number of numbers.filter((n) => !this.kept.has(n))) {
      const block = Math.floor(number / this.rowsInBlock);
      if (!wanted.has(block)) wanted.set(block, []);
      wanted.get(block).push(number - block * this.rowsInBlock);
    }
    const answers = [...wanted].map(async ([block, rows]) => {
      const texts = await this.askBlock(block, rows);
      rows.forEach((row, i) => this.kept.set(block * this.rowsInBlock + row, texts[i]));
    });
    await Promise.all(answers);
    return new Map(numbers.map((number) => [number, this.kept.get(number)]));
  }

  // Calls `onPart(mask, done)` as hits come in; a newer search ends an older one.
  search(source, flags, column, size, onPart) {
    const query = (this.query += 1);
    const mask = new Uint8Array(size);
    let left = this.blocks;
    let shown = performance.now();
    this.onHits = (first, hits) => {
      for (const hit of hits) mask[first + hit] = 1;
      left -= 1;
      if (left && performance.now() - shown < 120) return;
      shown = performance.now();
      onPart(mask, left === 0);
    };
    this.workers.forEach((worker) => worker.postMessage({ query, source, flags, column }));
  }

  cancel() {
    this.query += 1;
  }
}
