// Whether answers are approximate or exact, and how soon they will be.
root.className = 'root exactness';
const EVERY_MS = 1000;
const settled = make('p', 'said', '', root);
settled.setAttribute('role', 'status');
const counting = make('p', 'said', '', root); // read out once, not every second
let timer;

const left = ({ seconds }) => (seconds === null ? say('exact_soon') : say('exact_in', { s: number(Math.max(1, Math.ceil(seconds))) }));

function draw() {
  clearTimeout(timer);
  const { state = '', ...about } = props.value || {};
  const working = state === 'working';
  counting.textContent = working ? left(about) : '';
  settled.textContent = working || !state ? '' : say(`exactness_${state}`, { reason: about.reason });
  if (working || state === 'waiting') timer = setTimeout(() => trigger('poll'), EVERY_MS);
}
