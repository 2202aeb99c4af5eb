// The erase methods: which one answers, and which ones are compared. The choice outlives what the server sends.
root.className = 'root methods';
const FRONT = 2;
let method, compare;

// A digit after the point, and none beyond ten seconds.
const about = (s) => number(Math.max(s, 0.1), s < 10 ? 1 : 0);

function named(name) {
  const s = props.value.seconds[name];
  return s === undefined ? methodName(name) : say('takes_about', { method: methodName(name), s: about(s) });
}

function choice(kind, className, checked, box, onchange) {
  const label = make('label', className, undefined, box);
  const input = make('input', '', undefined, label);
  input.type = kind;
  input.checked = checked;
  input.addEventListener('change', () => {
    onchange(input.checked);
    show();
  });
  return [label, input];
}

function row(name, parent) {
  const box = make('div', 'choice', undefined, parent);
  box.dataset.method = name;
  const [by, radio] = choice('radio', 'by', name === method, box, () => (method = name));
  radio.name = 'answer-by';
  make('span', 'name', undefined, by);
  const [also, tick] = choice('checkbox', 'also', compare.includes(name), box, (on) => {
    compare = on ? [...compare, name] : compare.filter((other) => other !== name);
  });
  tick.ariaLabel = `${say('to_compare')}: ${methodName(name)}`;
  also.append(say('to_compare'));
  make('small', '', say(`m_${name}`), box);
  make('code', '', name, box);
}

function build({ offered, compare_first }) {
  method = offered[0];
  compare = compare_first.filter((name) => offered.includes(name));
  const chip = make('details', 'chip', undefined, root);
  make('summary', '', undefined, chip);
  const list = make('fieldset', '', undefined, chip);
  make('legend', '', say('method'), list);
  for (const name of offered.slice(0, FRONT)) row(name, list);
  const more = make('details', 'more', undefined, list);
  make('summary', '', say('more_methods', { n: offered.length - FRONT }), more);
  for (const name of offered.slice(FRONT)) row(name, more);
}

// Write what is chosen, and how long it takes, without drawing anew what somebody is about to press.
function show() {
  root.querySelector('.chip > summary').textContent = say('answer_by', { method: named(method) });
  for (const box of root.querySelectorAll('.choice')) box.querySelector('.name').textContent = named(box.dataset.method);
  if (props.value.method !== method || props.value.compare !== compare) props.value = { ...props.value, method, compare };
}

function draw() {
  if (!props.value?.offered) return;
  if (!root.firstChild) build(props.value);
  show();
}
