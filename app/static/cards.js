// A comparison: one card a method, filled in as the methods finish.
root.className = 'root comparison';

function figure(list, name, value) {
  make('dt', '', say(name), list);
  make('dd', '', value, list);
}

function draw() {
  const state = props.value || {};
  root.textContent = '';
  make('h2', '', say('comparison'), root);
  if (!state.cards) return make('p', 'said', say('no_cards'), root);
  make('p', 'asked', state.question, root);
  make('p', 'said', [state.edits ? say('edits_then', { n: state.edits }) : '', say('change_hint')].filter(Boolean).join(' · '), root);
  const cards = make('div', 'cards', undefined, root);
  for (const card of state.cards) {
    const box = make('article', card.reference ? 'card reference' : 'card', undefined, cards);
    box.dataset.method = card.method;
    box.ariaLabel = card.method;
    make('h3', '', card.method, box);
    if (card.error) {
      make('div', 'answer error', card.error, box);
      continue;
    }
    const answer = make('div', 'answer', undefined, box);
    answer.tabIndex = 0;
    answer.setAttribute('role', 'group');
    answer.ariaLabel = card.method;
    for (const [text, differs] of card.words) make(differs ? 'mark' : 'span', '', text, answer);
    if (card.reference) make('div', 'faster', say('reference'), box);
    else if (card.faster) {
      const faster = card.faster >= 1;
      make('div', 'faster', say(faster ? 'faster' : 'slower', { n: number(faster ? card.faster : 1 / card.faster, 1) }), box);
    }
    const list = make('dl', '', undefined, box);
    figure(list, 'erase_time', `${number(card.erase_ms)} ms`);
    figure(list, 'ttft', `${number(card.ttft_ms)} ms`);
    figure(list, 'rate', card.rate ? number(card.rate, 1) : '–');
    figure(list, 'agreement', card.agreement === null ? '–' : `${number(100 * card.agreement)}%`);
    figure(list, 'extra', `${number(card.extra_mb, 1)} MB`);
    copyButton(card.words.map(([text]) => text).join(''), box);
  }
  if (state.running) {
    const box = make('article', 'card', undefined, cards);
    make('h3', '', state.running, box);
    make('p', 'said', say('running', { method: state.running }), box).setAttribute('role', 'status');
  }
}

watch('value', draw);
draw();
