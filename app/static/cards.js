// A comparison: one card a method, filled in as the methods finish, and its charts.
root.className = 'root comparison';

function verdict(card, box) {
  if (card.reference) return make('div', 'faster', say('reference'), box);
  if (card.verdict) make('div', `verdict ${card.verdict.key}`, say(card.verdict.key, { words: card.verdict.words.join(', ') }), box);
  if (!card.faster) return;
  const faster = card.faster >= 1;
  make('div', 'faster', say(faster ? 'faster' : 'slower', { n: number(faster ? card.faster : 1 / card.faster, 1) }), box);
}

// In plain words, and as the method is called.
function title(method, parent) {
  const name = make('h3', '', methodName(method), parent);
  make('code', '', method, name);
}

function drawCard(card, cards) {
  const box = make('article', card.reference ? 'card reference' : 'card', undefined, cards);
  box.dataset.method = card.method;
  box.ariaLabel = card.method;
  const head = make('div', 'head', undefined, box);
  title(card.method, head);
  if (card.error) return make('div', 'answer error', card.error, box);
  copyButton(card.words.map(([text]) => text).join(''), head);
  const answer = make('div', 'answer', undefined, box);
  answer.tabIndex = 0;
  answer.setAttribute('role', 'group');
  answer.ariaLabel = card.method;
  for (const [text, differs] of card.words) make(differs ? 'mark' : 'span', '', text, answer);
  verdict(card, box);
  if (card.ran) make('p', 'said ran', say(card.ran), box);
  make('p', 'time', say('first_token_after', { s: seconds(card.ttft_s) }), box);
}

let erasedToo = false;

function drawHead() {
  const head = make('div', 'head', undefined, root);
  make('h2', '', say('comparison'), head);
  const actions = make('span', 'actions', undefined, head);
  const whole = make('label', '', undefined, actions);
  const box = make('input', '', undefined, whole);
  box.type = 'checkbox';
  box.checked = erasedToo;
  box.addEventListener('change', () => (erasedToo = box.checked));
  whole.append(` ${say('with_erased')}`);
  make('small', '', say('take_away'), actions);
  for (const form of ['md', 'html', 'csv', 'json'])
    button(`take-${form}`, say(`download_${form}`), actions, () => trigger('take', { form, erased_text: erasedToo }));
}

function draw() {
  const state = props.value || {};
  root.textContent = '';
  drawHead();
  if (!state.cards) return make('p', 'said', say('no_cards'), root);
  make('p', 'asked', state.question, root);
  const hint = state.cards.some(({ words = [] }) => words.some(([, differs]) => differs)) && say('change_hint');
  const then = state.edits ? say('edits_then', { n: state.edits }) : say('nothing_then');
  make('p', 'said', [then, hint].filter(Boolean).join(' · '), root);
  const cards = make('div', 'cards', undefined, root);
  for (const card of state.cards) drawCard(card, cards);
  (state.coming || []).forEach(({ method, s }, at) => {
    const box = make('article', 'card coming', undefined, cards);
    title(method, box);
    if (s >= 1) make('p', 'said', say('expected', { s: number(s) }), box);
    if (at) return make('p', 'said', say('comes_later'), box);
    make('p', 'said', state.place ? placeOf(state.place) : say('running', { method: methodName(method) }), box).setAttribute('role', 'status');
    button('stop', say('stop'), box, () => trigger('stop'));
  });
  const whole = state.cards.filter(({ error }) => !error);
  if (whole.length) {
    timeDots(whole, root);
    figures(whole, state.measuring, root);
  }
  if (state.coming?.length && !state.cards.length) root.scrollIntoView({ block: 'start' });
}
