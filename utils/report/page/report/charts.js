// Pictures: rates with their intervals, accuracy against speed, curves of the training.

// After Okabe and Ito, told apart in every common form of colour blindness; page.css darkens or
// lightens them to a contrast of 3:1.
const COLOURS = [1, 2, 3, 4, 5, 6, 7, 8].map((n) => `var(--c${n})`);
const BASELINE_COLOUR = 'var(--muted)';

function colourOf(model) {
  if (overview.baselines.includes(model)) return BASELINE_COLOUR;
  const asked = models.filter((name) => !overview.baselines.includes(name));
  return COLOURS[asked.indexOf(model) % COLOURS.length];
}

function setOf(score) {
  return score.test_set || score.test_data;
}

// Round steps that give about `wanted` ticks between two values.
function ticks(low, high, wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(at);
  return found;
}

function number(value) {
  return String(Number(value.toPrecision(4)));
}

function mark(shape, x, y, size, colour, title) {
  const s = size;
  const paths = {
    circle: `M${x - s} ${y}a${s} ${s} 0 1 0 ${2 * s} 0a${s} ${s} 0 1 0 ${-2 * s} 0`,
    square: `M${x - s} ${y - s}h${2 * s}v${2 * s}h${-2 * s}z`,
    diamond: `M${x} ${y - s - 1}l${s + 1} ${s + 1}l${-s - 1} ${s + 1}l${-s - 1} ${-s - 1}z`,
    up: `M${x} ${y - s}l${s} ${2 * s}h${-2 * s}z`,
  };
  return draw('path', { d: paths[shape], fill: colour, class: 'mark' }, draw('title', {}, title));
}

function text(x, y, content, attributes) {
  return draw('text', { x, y, ...attributes }, content);
}

// A picture that holds buttons is a group, so that they can be reached.
function canvas(width, height, label, ...children) {
  const role = children.some((child) => child && child.getAttribute('role') === 'button') ? 'group' : 'img';
  const box = { viewBox: `0 0 ${width} ${height}`, width, height, role, 'aria-label': label };
  return draw('svg', box, ...children);
}

function figure(title, note, picture) {
  const caption = el('figcaption', {}, el('strong', {}, title), note ? ` ${note}` : '');
  return el('figure', {}, caption, picture);
}

// One line a model: the rate and its 95 % interval. Each set has an axis of its own.
function intervalsChart(width, set) {
  const scores = overview.scores.filter((score) => score.rate !== null && setOf(score) === set);
  const left = Math.min(200, width * 0.36);
  const right = width - 58;
  const most = Math.max(...scores.map((s) => (s.interval ? Math.min(s.interval[1], 3 * s.rate + 0.05) : s.rate)), 0.001);
  const x = (rate) => left + ((right - left) * Math.min(rate, most)) / most;
  const parts = scores.flatMap((score, i) => whisker(score, x, 18 + 24 * i, left, right));
  const y = 18 + 24 * (scores.length - 1) + 10;
  const grid = ticks(0, 100 * most, Math.max(2, (right - left) / 70)).map((tick) =>
    draw('g', {},
      draw('line', { x1: x(tick / 100), x2: x(tick / 100), y1: 4, y2: y, class: 'grid' }),
      text(x(tick / 100), y + 16, `${number(tick)} %`, { class: 'tick', 'text-anchor': 'middle' })));
  return canvas(width, y + 24, `Error rates on ${set} with 95 % intervals`, ...grid, ...parts);
}

function whisker(score, x, y, left, right) {
  const colour = colourOf(score.model);
  const [low, high] = score.interval || [score.rate, score.rate];
  const title = `${score.model}: ${percent(score.rate)}, 95 % ${rangeOf(score.interval)}`;
  return [
    text(left - 8, y + 4, shortened(score.model, left - 12), { class: 'label', 'text-anchor': 'end' }),
    draw('line', { x1: x(low), x2: x(high), y1: y, y2: y, stroke: colour, 'stroke-width': 3 }),
    ...[low, high].map((end) => draw('line', { x1: x(end), x2: x(end), y1: y - 5, y2: y + 5, stroke: colour, 'stroke-width': 2 })),
    mark('circle', x(score.rate), y, 5, colour, title),
    text(right + 54, y + 4, percent(score.rate), { class: 'label number', 'text-anchor': 'end' }),
  ];
}

function shortened(name, width) {
  const most = Math.max(4, Math.floor(width / 7));
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`;
}

// Error rate against speed on one set: a line joins what nothing beats. Speeds that were measured on
// part of the set, because the rest came from the cache, are hollow.
function speedChart(width, set) {
  const measured = overview.scores.filter((s) => setOf(s) === set && s.rate !== null && speedOf(s));
  if (!measured.length) return null;
  const dots = measured.map((score, i) => ({ score, speed: speedOf(score), mark: i + 1 }));
  const height = 250;
  const place = { left: 46, right: width - 16, top: 24, bottom: height - 40 };
  const fastest = Math.max(...dots.map((d) => d.speed));
  const slowest = Math.min(...dots.map((d) => d.speed));
  const isLog = fastest / slowest > 8;
  const scale = isLog ? Math.log : (value) => value;
  const low = isLog ? slowest / 1.5 : 0;
  const high = fastest * (isLog ? 1.8 : 1.15);
  const top = 1.12 * Math.max(...dots.map((d) => d.score.rate), 0.001);
  const x = (v) => place.left + ((place.right - place.left) * (scale(v) - scale(low || (isLog ? 1 : 0)))) /
    (scale(high) - scale(low || (isLog ? 1 : 0)));
  const y = (rate) => place.bottom - ((place.bottom - place.top) * rate) / top;
  const at = (isLog ? logTicks(low, high) : ticks(0, high, 6)).map((v) => [x(v), number(v)]);
  const up = ticks(0, 100 * top, 4).map((v) => [y(v / 100), `${number(v)}`]);
  const metric = measured[0].metric.toUpperCase();
  const parts = [...axes(place, at, up, 'RTFx: seconds of audio a second', `${metric}, %`), front(dots, x, y)];
  parts.push(...dots.map((dot) => speedMark(dot, x(dot.speed), y(dot.score.rate))));
  const key = el('ol', { class: 'key' }, ...dots.map(({ score, speed }) => el('li', {}, modelName(score.model),
    `: ${percent(score.rate)} at ${number(Number(speed.toPrecision(3)))}${isPartly(score) ? ' (part of the set; the rest from the cache)' : ''}`)));
  return el('div', {}, canvas(width, height, `Error rate against speed on ${set}`, ...parts), key);
}

function isPartly(score) {
  return score.cost.cached_utterances > 0;
}

// A mark with the number that stands in the list below: names never lie over each other.
function speedMark({ score, speed, mark: place }, cx, cy) {
  const colour = colourOf(score.model);
  const title = `${score.model}: ${percent(score.rate)}, RTFx ${number(Number(speed.toPrecision(3)))}`;
  const hollow = isPartly(score) ? { fill: 'var(--card)', stroke: colour, 'stroke-width': 2 } : { fill: colour, class: 'mark' };
  return draw('g', {}, draw('circle', { cx, cy, r: 6, ...hollow }, draw('title', {}, title)),
    text(cx, cy - 10, String(place), { class: 'label', 'text-anchor': 'middle' }));
}

function logTicks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const n of [1, 2, 5]) found.push(n * 10 ** power);
  }
  return found.filter((v) => v >= low && v <= high);
}

function axes(place, at, up, across, upwards) {
  const parts = [];
  for (const [x, label] of at) {
    parts.push(draw('line', { x1: x, x2: x, y1: place.top, y2: place.bottom, class: 'grid' }));
    parts.push(text(x, place.bottom + 16, label, { class: 'tick', 'text-anchor': 'middle' }));
  }
  for (const [y, label] of up) {
    parts.push(draw('line', { x1: place.left, x2: place.right, y1: y, y2: y, class: 'grid' }));
    parts.push(text(place.left - 6, y + 4, label, { class: 'tick', 'text-anchor': 'end' }));
  }
  parts.push(text(place.right, place.bottom + 32, across, { class: 'tick', 'text-anchor': 'end' }));
  parts.push(text(4, place.top - 12, upwards, { class: 'tick' }));
  return parts;
}

function front(dots, x, y) {
  const best = [];
  for (const dot of [...dots].sort((a, b) => b.speed - a.speed)) {
    if (!best.length || dot.score.rate < best[best.length - 1].score.rate) best.push(dot);
  }
  const path = best.map((d) => `${x(d.speed)},${y(d.score.rate)}`).join(' ');
  return draw('polyline', { points: path, class: 'front' });
}

// A value over the steps of one or several trainings.
function curveChart(width, name, scale, unit) {
  const runs = overview.analyses.curves || [];
  const lines = runs
    .map((run) => ({ run: run.name, dots: run.events.filter((e) => e[name] !== undefined && e[name] !== null) }))
    .filter((line) => line.dots.length);
  if (!lines.length) return null;
  const height = 240;
  const place = { left: 46, right: width - 12, top: 24, bottom: height - 40 };
  const last = Math.max(...lines.flatMap((l) => l.dots.map((d) => d.step)), 1);
  const top = 1.08 * scale * Math.max(...lines.flatMap((l) => l.dots.map((d) => d[name])), 1e-9);
  const x = (step) => place.left + ((place.right - place.left) * step) / last;
  const y = (value) => place.bottom - ((place.bottom - place.top) * value * scale) / top;
  const at = ticks(0, last, 5).map((v) => [x(v), number(v)]);
  const up = ticks(0, top, 5).map((v) => [y(v / scale), number(v)]);
  const parts = axes(place, at, up, 'step', unit);
  lines.forEach((line, i) => {
    const points = line.dots.map((d) => `${x(d.step)},${y(d[name])}`).join(' ');
    parts.push(draw('polyline', { points, fill: 'none', stroke: COLOURS[i % COLOURS.length], 'stroke-width': 2 }));
    const end = line.dots[line.dots.length - 1];
    parts.push(mark('circle', x(end.step), y(end[name]), 4, COLOURS[i % COLOURS.length], line.run));
    if (lines.length > 1) {
      parts.push(text(place.right, place.top + 12 + 15 * i, line.run, {
        class: 'label', 'text-anchor': 'end', fill: COLOURS[i % COLOURS.length] }));
    }
  });
  return canvas(width, height, `${name} over the training`, ...parts);
}

const CURVES = [
  ['loss', 'Training loss', 1, 'nats a token'],
  ['dev_cer', 'Dev set, CER', 100, '%'],
  ['dev_wer', 'Dev set, WER', 100, '%'],
];

function showCharts() {
  const box = $('charts');
  const whole = box.clientWidth;
  const columns = whole > 900 ? 2 : 1;
  const width = Math.floor((whole - (columns - 1) * 16) / columns) - 34;
  const sets = overview.sets.filter(({ name }) => overview.scores.some((s) => setOf(s) === name && s.rate !== null));
  const speedNote = 'right and down is better; nothing beats the models on the dashed line';
  const speedFigure = (name) => {
    const picture = speedChart(width, name);
    return picture && figure(`Accuracy against speed on ${name}`, speedNote, picture);
  };
  const trendFigure = (name) => {
    const picture = trendChart(width, name);
    return picture && figure(`${name} over time`, 'each run with its 95 % interval', picture);
  };
  const shown = [
    ...sets.map(({ name, metric }) => figure(`${metric.toUpperCase()} on ${name}`, 'with 95 % intervals; left is better', intervalsChart(width, name))),
    ...sets.map(({ name }) => trendFigure(name)),
    ...sets.map(({ name }) => speedFigure(name)),
    ...sets.map(({ name }) => pairChart(width, name)),
  ].filter(Boolean);
  for (const [name, title, scale, unit] of CURVES) {
    const picture = curveChart(width, name, scale, unit);
    if (picture) shown.push(figure(title, 'over the steps of the training', picture));
  }
  box.replaceChildren(...shown);
}
