// Small things that every other file uses. Text reaches the page only as text nodes and attributes.

const $ = (id) => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const MINUS = '\u2212';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function option(value, text) {
  return el('option', { value }, text);
}

function json(id) {
  return JSON.parse($(id).textContent);
}

function percent(rate) {
  return rate === null || rate === undefined ? '–' : `${(100 * rate).toFixed(2)} %`;
}

function points(difference) {
  if (difference === null || difference === undefined) return '–';
  const sign = difference < 0 ? MINUS : '+';
  return `${sign}${Math.abs(100 * difference).toFixed(2)}`;
}

function count(number) {
  return number.toLocaleString('en').replaceAll(',', '\u202f');
}

function clock(seconds) {
  return `${seconds.toFixed(1)} s`;
}

function later(milliseconds, work) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, milliseconds);
  };
}
