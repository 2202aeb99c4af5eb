// What is loaded, how full the window is, and how reading gets on.
root.className = 'root status';
const line = make('div', 'line', undefined, root);
const meter = make('div', 'meter', undefined, root);
meter.setAttribute('role', 'progressbar');
meter.setAttribute('aria-valuemin', '0');
const fill = make('div', 'fill', undefined, meter);
const facts = make('div', 'facts', undefined, root);
line.setAttribute('role', 'status');

function draw() {
  const state = props.value || {};
  const reading = state.state === 'reading';
  const [part, whole] = reading ? [state.done, state.total] : [state.tokens || 0, state.window || 1];
  line.textContent = reading
    ? say(state.done ? 'reading' : 'waiting', { title: state.title, percent: number((100 * part) / (whole || 1)), rate: number(state.rate || 0), left: number(state.left || 0, state.left < 10 ? 1 : 0) })
    : state.title || say('no_document');
  fill.style.width = `${Math.min(100, (100 * part) / (whole || 1))}%`;
  meter.className = reading ? 'meter busy' : 'meter';
  meter.ariaLabel = say('meter', { tokens: number(part), window: number(whole) });
  meter.setAttribute('aria-valuemax', whole);
  meter.setAttribute('aria-valuenow', part);
  const shown = [say('meter', { tokens: number(reading ? state.total : state.tokens || 0), window: number(state.window || 0) }), say('memory', { mb: number(state.memory_mb || 0, 1) })];
  if (state.pages > 1) shown.push(say('pages', { n: state.pages }));
  facts.textContent = [...shown, state.model, state.device].filter(Boolean).join(' · ');
}

watch('value', draw);
draw();
