// The head of the page: what is loaded, how full the window is, and how loading gets on.
root.className = 'root status';
const name = make('div', 'name', undefined, root);
make('h1', '', 'KVEraser', name);
make('p', 'tagline', say('tagline'), name);
const about = make('div', 'about', undefined, root);
const line = make('span', 'line', undefined, about);
line.setAttribute('role', 'status');
const cancel = button('cancel', say('cancel'), about, () => trigger('cancel'));
const facts = make('span', 'facts', undefined, about);
const warnings = make('details', 'warnings', undefined, root);
const count = make('summary', '', undefined, warnings);
const list = make('ul', '', undefined, warnings);
const meter = make('div', 'meter', undefined, root);
meter.setAttribute('role', 'progressbar');
meter.setAttribute('aria-valuemin', '0');
const fill = make('div', 'fill', undefined, meter);

function progress({ title, place, done, total, rate = 0, left = 0 }) {
  if (place) return placeOf(place);
  if (!done) return say('waiting', { title });
  const percent = number((100 * done) / total);
  return say('reading', { title, percent, rate: number(rate), left: number(left, left < 10 ? 1 : 0) });
}

function warn(sentences) {
  warnings.hidden = !sentences.length;
  count.textContent = say('warnings', { n: sentences.length });
  list.replaceChildren(...sentences.map((sentence) => make('li', '', sentence)));
}

function draw() {
  const state = props.value || {};
  const reading = state.state === 'reading';
  const tokens = reading ? state.total : state.tokens || 0;
  const [part, whole] = reading ? [state.done, state.total || 1] : [tokens, state.window || 1];
  line.textContent = reading ? progress(state) : state.title || say('no_document');
  cancel.hidden = !reading;
  const page = root.closest('.gradio-container')?.classList;
  if (!reading) page?.toggle('blank', !state.title);
  page?.toggle('previewing', Boolean(reading && state.shown));
  warn(state.warnings || []);
  fill.style.width = `${Math.min(100, (100 * part) / whole)}%`;
  meter.className = reading ? 'meter busy' : 'meter';
  const used = say('meter', { tokens: number(tokens), window: number(state.window || 0) });
  meter.ariaLabel = used;
  meter.setAttribute('aria-valuemax', whole);
  meter.setAttribute('aria-valuenow', part);
  const shown = [used, say('memory', { mb: number(state.memory_mb || 0, 1) })];
  if (state.pages > 1) shown.push(say('pages', { n: state.pages }));
  facts.textContent = [...shown, state.model, state.device].filter(Boolean).join(' · ');
}
