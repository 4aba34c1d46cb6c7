// Rates over time: each run is a point with its interval, each model a line, each test set a picture.

function trendChart(width, set) {
  const trend = (overview.analyses.trend || []).filter((each) => each.set === set && each.rate !== null);
  const runs = [...new Set(trend.map(runKey))];
  if (runs.length < 2) return null;
  const place = { left: 46, right: width - 16, top: 24, bottom: 200 };
  const most = 1.08 * Math.max(...trend.map((p) => (p.interval ? Math.min(p.interval[1], 3 * p.rate + 0.05) : p.rate)), 0.001);
  const x = (point) => place.left + ((place.right - place.left) * (runs.indexOf(runKey(point)) + 0.5)) / runs.length;
  const y = (rate) => place.bottom - ((place.bottom - place.top) * Math.min(rate, most)) / most;
  // As many names as fit beside each other.
  const every = Math.ceil(runs.length / Math.max(1, Math.floor((place.right - place.left) / 84)));
  const names = new Map(trend.map((point) => [runKey(point), point]));
  const at = runs.filter((_, i) => i % every === 0).map((run) => [x(names.get(run)), shortened(names.get(run).run, 80)]);
  const up = ticks(0, 100 * most, 4).map((v) => [y(v / 100), number(v)]);
  const parts = axes(place, at, up, 'runs, by date', `${trend[0].metric.toUpperCase()}, %`);
  const shown = models.filter((model) => trend.some((point) => point.model === model));
  for (const model of shown) parts.push(...trendLine(trend.filter((point) => point.model === model), x, y));
  const key = el('ul', { class: 'key' }, ...shown.map((model) => el('li', {}, modelName(model))));
  return el('div', {}, canvas(width, 240, `Error rates on ${set} over ${runs.length} runs`, ...parts), key);
}

function runKey(point) {
  return `${point.date} ${point.run}`;
}

// The line breaks where the test set or its scoring has changed: such rates do not compare.
function trendLine(dots, x, y) {
  const colour = colourOf(dots[0].model);
  const parts = [];
  dots.forEach((point, i) => {
    const before = dots[i - 1];
    if (before && before.scoring === point.scoring) {
      parts.push(draw('line', { x1: x(before), x2: x(point), y1: y(before.rate), y2: y(point.rate), stroke: colour, 'stroke-width': 2 }));
    }
    const [low, high] = point.interval || [point.rate, point.rate];
    parts.push(draw('line', { x1: x(point), x2: x(point), y1: y(low), y2: y(high), stroke: colour, 'stroke-width': 2, opacity: 0.6 }));
    parts.push(mark('circle', x(point), y(point.rate), 4, colour,
      `${point.model}, ${point.run}${point.date ? `, ${point.date}` : ''}: ${percent(point.rate)}, 95 % ${rangeOf(point.interval)}`));
  });
  return parts;
}
