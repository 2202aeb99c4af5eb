// The charts of a comparison: where the time went, and time against the suffix tokens.
const COLOURS = { full_recompute: 'var(--body-text-color)', none: '#8a8f9c', mask: '#b58a1b', delete_shift: '#2f8f5b', local_repair: '#3d74c7', erratum: '#a0522d', kveraser: '#b3322c', kveraser_lookahead: '#c2557f', kveraser_repair: '#7b4bb3' };
const PARTS = [['erase_time', '#b3322c'], ['question', '#3d74c7'], ['ttft', '#2f8f5b'], ['decode', '#b58a1b']];
const seconds = (value) => `${number(value, value < 10 ? 2 : 1)} s`;

function chart(kind, title, said, parent) {
  const box = make('figure', kind, undefined, parent);
  make('figcaption', '', title, box);
  const legend = make('div', 'legend', undefined, box);
  const body = make('div', 'body', undefined, box);
  body.setAttribute('role', 'img');
  body.ariaLabel = `${title}: ${said.join('; ')}`;
  return { legend, body };
}

function key(legend, label, colour, kind = '') {
  const entry = make('span', 'key', undefined, legend);
  make('i', kind, undefined, entry).style.setProperty('--colour', colour);
  make('span', '', label, entry);
}

function timeBars(cards, parent) {
  const sums = cards.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0));
  const said = cards.map(({ method }, at) => `${method} ${seconds(sums[at])}`);
  const { legend, body } = chart('bars', say('charts'), said, parent);
  for (const [name, colour] of PARTS) key(legend, say(name), colour);
  const longest = Math.max(...sums, 1e-9);
  cards.forEach(({ method, parts }, at) => {
    make('span', 'method', method, body);
    const track = make('span', 'track', undefined, body);
    parts.forEach((part, number) => {
      const piece = make('i', '', undefined, track);
      piece.style.width = `${(100 * part) / longest}%`;
      piece.style.setProperty('--colour', PARTS[number][1]);
      piece.title = `${say(PARTS[number][0])}: ${seconds(part)}`;
    });
    make('span', 'sum', seconds(sums[at]), body);
  });
}

function ticks(most) {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, at) => at * step);
}

function timeLine({ curve, points }, parent) {
  const methods = Object.keys(points);
  const said = methods.map((method) => `${method} ${points[method].map(([at, took]) => `${number(at)}: ${seconds(took)}`).join(', ')}`);
  const { legend, body } = chart('line', say('growth'), said, parent);
  key(legend, say('curve'), 'var(--body-text-color)', 'stroke');
  for (const method of methods) key(legend, method, COLOURS[method], 'dot');
  const all = [...curve, ...Object.values(points).flat()];
  const [width, height, left, bottom] = [Math.max(body.clientWidth, 280), 220, 44, 40];
  const most = [0, 1].map((axis) => 1.06 * Math.max(...all.map((point) => point[axis]), 1e-3));
  const x = (value) => left + ((width - left - 12) * value) / most[0];
  const y = (value) => height - bottom - ((height - bottom - 8) * value) / most[1];
  const svg = draw('svg', { viewBox: `0 0 ${width} ${height}`, width, height }, body);
  for (const value of ticks(most[1])) {
    draw('line', { class: 'grid', x1: left, x2: width - 12, y1: y(value), y2: y(value) }, svg);
    draw('text', { x: left - 6, y: y(value) + 4, 'text-anchor': 'end' }, svg).textContent = number(value, most[1] < 10 ? 1 : 0);
  }
  for (const value of ticks(most[0]))
    draw('text', { x: x(value), y: height - bottom + 16, 'text-anchor': 'middle' }, svg).textContent = number(value);
  draw('text', { x: (left + width) / 2, y: height - 6, 'text-anchor': 'middle' }, svg).textContent = say('suffix');
  draw('polyline', { class: 'curve', points: curve.map(([at, took]) => `${x(at)},${y(took)}`).join(' ') }, svg);
  for (const method of methods)
    for (const [at, took] of points[method])
      draw('circle', { cx: x(at), cy: y(took), r: 4.5, style: `--colour: ${COLOURS[method]}` }, svg);

  function draw(tag, attributes, into) {
    const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return into.appendChild(made);
  }
}
