// The parts of the context: the document, and what was appended since.
root.className = 'root segments';

function draw() {
  root.textContent = '';
  const { parts = [] } = props.value || {};
  if (!parts.length) return;
  make('h2', '', say('segments'), root);
  const list = make('ul', '', undefined, root);
  parts.forEach((part, number) => {
    const row = make('li', part.erased ? 'row edit' : 'row', undefined, list);
    const name = part.name.replace(/\s+/g, ' ');
    make('span', 'quote', name.length > 80 ? `${name.slice(0, 79)}…` : name, row);
    const actions = make('span', 'actions', undefined, row);
    make('small', '', `${say(`role_${part.role}`)} · ${say('tokens', { n: Number(part.tokens).toLocaleString() })}`, actions);
    button('', say('show'), actions, () => showPassage(part.start, part.end));
    if (number) button('', say('erase'), actions, () => trigger('drop', { number })).disabled = part.erased;
  });
}
