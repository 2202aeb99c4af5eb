// The chart of a comparison: the time to the first token of each method on a line of its own, on a log axis.
const seconds = (s) => `${number(s, s < 10 ? 2 : 1)} s`;

function timeDots(cards, parent) {
  const times = cards.map(({ ttft_s }) => Math.max(ttft_s, 0.001));
  const low = Math.floor(Math.log10(Math.min(...times)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...times))), low + 1);
  const powers = Array.from({ length: high - low + 1 }, (_, at) => 10 ** (low + at));
  const place = (box, s) => (box.style.left = `${(100 * (Math.log10(s) - low)) / (high - low)}%`);
  const chart = make('figure', 'dots', undefined, parent);
  make('figcaption', '', say('charts'), chart);
  const body = make('div', 'body', undefined, chart);
  body.setAttribute('role', 'img');
  const said = cards.map(({ method }, at) => `${methodName(method)} ${seconds(times[at])}`);
  body.ariaLabel = `${say('charts')}: ${said.join('; ')}`;
  cards.forEach(({ method, reference }, at) => {
    make('span', 'method', methodName(method), body);
    const track = make('span', 'track', undefined, body);
    for (const power of powers) place(make('i', 'grid', undefined, track), power);
    place(make('i', reference ? 'dot reference' : 'dot', undefined, track), times[at]);
    make('span', 'sum', seconds(times[at]), body);
  });
  const axis = make('span', 'axis', undefined, body);
  for (const power of powers) place(make('span', '', `${Number(power.toPrecision(1))} s`, axis), power);
}

// All figures of a comparison, folded away. What is still to be measured is said to be.
function figures(cards, soon, parent) {
  const box = make('details', 'figures', undefined, parent);
  make('summary', '', say('figures'), box);
  const scroll = make('div', 'scroll', undefined, box);
  scroll.tabIndex = 0;
  scroll.setAttribute('role', 'group');
  scroll.ariaLabel = say('figures');
  const table = make('table', '', undefined, scroll);
  const head = make('tr', '', undefined, make('thead', '', undefined, table));
  for (const name of ['method', 'erase_time', 'ttft', 'rate', 'agreement', 'kl', 'extra']) make('th', '', say(name), head).scope = 'col';
  const body = make('tbody', '', undefined, table);
  for (const card of cards) {
    const row = make('tr', '', undefined, body);
    make('th', '', card.method, row).scope = 'row';
    const measured = (value, digits, factor = 1) => (value === null ? say(soon ? 'soon' : 'unknown') : number(factor * value, digits));
    make('td', '', number(card.erase_ms), row);
    make('td', '', number(1000 * card.ttft_s), row);
    make('td', '', card.rate ? number(card.rate, 1) : say('unknown'), row);
    make('td', '', measured(card.agreement, 0, 100), row);
    make('td', '', measured(card.kl, 4), row);
    make('td', '', number(card.extra_mb, 1), row);
  }
}
