// Keys of the whole page, where nothing is being typed, and the list of them.
const KEYS = [
  ['/', 'key_find'], ['↑ ↓', 'key_sentence'], ['Shift ↑ ↓', 'key_more'], ['Enter', 'key_actions'], ['Delete', 'key_erase'],
  ['Ctrl Z', 'key_undo'], ['Ctrl Shift Z', 'key_redo'], ['?', 'key_help'], ['Esc', 'key_close'],
];
const help = make('dialog', 'keys', undefined, element);
help.setAttribute('aria-label', say('keys'));
make('h2', '', say('keys'), help);
const table = make('dl', '', undefined, help);
for (const [key, text] of KEYS) {
  make('dt', '', '', table).append(...key.split(' ').map((one) => make('kbd', '', one)));
  make('dd', '', say(text), table);
}
button('', say('close'), help, () => help.close());
window.addEventListener('kveraser:keys', () => help.showModal());

document.addEventListener('keydown', (event) => {
  if (help.open || event.altKey || event.target.closest?.('input, textarea, select, [contenteditable="true"]')) return;
  const held = event.ctrlKey || event.metaKey;
  if (held && event.key.toLowerCase() === 'z') press(event.shiftKey ? 'redo' : 'undo');
  else if (held) return;
  else if (event.key === '/') document.querySelector('.finder .find')?.focus();
  else if (event.key === '?') help.showModal();
  else return;
  event.preventDefault();
});

// As its button, which is off where there is nothing to do.
const press = (name) => root.querySelector(`button.${name}`)?.click();
