// The sound of an utterance: its player, its waveform, and the times of everything that was said.

let sounds = null;

function soundOf(number) {
  sounds = sounds || json('sound');
  const embedded = sounds.embedded[number];
  if (embedded) return { url: embedded, from: 0 };
  const entry = sounds.files[number];
  if (typeof entry === 'number') return { missing: sounds.reasons[entry] };
  const [folder, file, start, end] = entry;
  const times = start === undefined ? '' : `#t=${start}${end === null || end === undefined ? '' : `,${end}`}`;
  return { url: overview.folders[folder] + file + times, from: start || 0, name: decodeURIComponent(overview.folders[folder] + file) };
}

let drawnTimes = null;

function player(number, width) {
  const sound = soundOf(number);
  if (sound.missing) return el('p', { class: 'note' }, sound.missing);
  const box = el('div', { class: 'player' });
  const gone = () => box.replaceChildren(el('p', { class: 'note' },
    `The audio ${sound.name || ''} cannot be played. It was moved or removed, or this browser does not support its format.`));
  const audio = el('audio', { controls: true, preload: 'none', src: sound.url, onerror: gone });
  box.append(audio, ...timeline(number, audio, sound.from || 0, width));
  return box;
}

// Waveform and segments on one axis of time. A click plays from there.
function timeline(number, audio, from, width) {
  drawnTimes = drawnTimes || json('timelines');
  const bytes = drawnTimes.waves[number] ? Uint8Array.from(atob(drawnTimes.waves[number]), (c) => c.charCodeAt(0)) : null;
  const segments = drawnTimes.segments[number] || {};
  const seconds = data.seconds[number];
  if (!seconds || (!bytes && !Object.keys(segments).length)) return [];
  const names = Object.keys(segments);
  const wave = bytes ? 48 : 0;
  const left = names.length ? 70 : 0;
  const x = (time) => left + ((width - left) * time) / seconds;
  const height = wave + 18 * names.length + 18;
  const play = (time) => {
    audio.currentTime = from + time;
    audio.play();
  };
  const parts = [];
  if (bytes) parts.push(draw('path', { d: wavePath(bytes, left, width, wave), class: 'wave' }));
  names.forEach((name, i) => parts.push(...segmentRow(name, segments[name], wave + 18 * i, x, play, left)));
  const step = ticks(0, seconds, Math.max(2, (width - left) / 80));
  parts.push(...step.map((t) => text(x(t), height - 4, timeWords(t, seconds), { class: 'tick', 'text-anchor': t ? 'middle' : 'start' })));
  const head = draw('line', { x1: left, x2: left, y1: 0, y2: height - 16, class: 'playhead' });
  const picture = canvas(width, height, `Waveform of ${clock(seconds)}`, ...parts, head);
  picture.addEventListener('click', (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) * width) / box.width;
    if (at >= left) play(((at - left) / (width - left)) * seconds);
  });
  audio.addEventListener('timeupdate', () => {
    const at = x(Math.min(Math.max(audio.currentTime - from, 0), seconds));
    head.setAttribute('x1', at);
    head.setAttribute('x2', at);
  });
  return [picture];
}

function wavePath(bytes, left, width, height) {
  const middle = height / 2;
  const step = (width - left) / bytes.length;
  return Array.from(bytes, (v, i) => {
    const h = Math.max(0.5, (v / 255) * (middle - 2));
    return `M${(left + (i + 0.5) * step).toFixed(1)} ${(middle - h).toFixed(1)}V${(middle + h).toFixed(1)}`;
  }).join('');
}

function segmentRow(name, segments, top, x, play, left) {
  const label = text(left - 6, top + 13, shortened(name || 'REF', left - 8), { class: 'tick', 'text-anchor': 'end' });
  const colour = name ? colourOf(name) : 'var(--ink)';
  return [label, ...segments.map(([start, end, words]) => {
    const title = `${name || 'REF'} ${start.toFixed(2)} to ${end.toFixed(2)} s: ${words}`;
    const open = (event) => {
      event.stopPropagation();
      event.preventDefault();
      play(start);
    };
    const onkeydown = (event) => (event.key === 'Enter' || event.key === ' ') && open(event);
    return draw('rect', { x: x(start), y: top + 3, width: Math.max(2, x(end) - x(start) - 1), height: 12, rx: 3, fill: colour,
      class: 'segment', tabindex: 0, role: 'button', 'aria-label': title, onclick: open, onkeydown }, draw('title', {}, title));
  })];
}

function timeWords(time, seconds) {
  if (seconds < 60) return `${number(time)} s`;
  const whole = Math.round(time);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
