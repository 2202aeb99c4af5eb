// Passages elsewhere that repeat what is erased, or are about it and say something else.

// Never cut short: the word that differs may come last.
function related(item, parent) {
  const row = make('li', 'row found', undefined, parent);
  const quote = make('span', 'quote', undefined, row);
  for (const [piece, differs] of item.pieces) make(differs ? 'mark' : 'span', '', flat(piece), quote);
  if (item.missing.length) {
    const missing = make('small', 'missing', `${say('missing')} `, row);
    item.missing.forEach((words, at) => {
      if (at) missing.append(' · ');
      make('span', '', words, missing);
    });
  }
  const actions = make('span', 'actions', undefined, row);
  make('small', '', item.literal ? say('repeat') : say('alike', { percent: number(100 * item.score) }), actions);
  button('', say('show'), actions, () => showPassage(item.start, item.end));
  return actions;
}

// What says something else is erased by a second press only.
function eraseAsked(item, actions) {
  const made = button('', say('erase_too'), actions, () => {
    if (made.dataset.asked) return trigger('erase', where(item));
    made.dataset.asked = 'yes';
    made.textContent = say('erase_other');
  });
}

function drawRelated(similar, parent) {
  make('h3', '', say('similar_title'), parent);
  if (!similar.length) return make('p', 'said', say('no_similar'), parent);
  const [repeats, others] = [true, false].map((repeats) => similar.filter((item) => item.repeats === repeats));
  if (repeats.length) {
    const head = make('div', 'head', undefined, parent);
    make('h4', '', say('repeats'), head);
    if (repeats.length > 1) button('all', say('erase_repeats', { n: repeats.length }), head, () => trigger('erase', { all: repeats.map(where) }));
    const list = make('ul', '', undefined, parent);
    for (const item of repeats) button('', say('erase_too'), related(item, list), () => trigger('erase', where(item)));
  }
  if (others.length) {
    make('h4', '', say('other_facts'), parent);
    make('p', 'said', say('differ_hint'), parent);
    const list = make('ul', '', undefined, parent);
    for (const item of others) eraseAsked(item, related(item, list));
  }
}
