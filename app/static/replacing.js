// The box in which a selected passage is corrected. What is typed goes to the server as it is.
let replaced = null;

const form = make('form', 'replacing', undefined, frame);
form.setAttribute('aria-label', say('replace'));
form.hidden = true;
const corrected = make('textarea', '', undefined, form);
corrected.rows = 3;
corrected.setAttribute('aria-label', say('new_text'));
const choices = make('span', 'actions', undefined, form);
make('button', 'primary', say('replace'), choices).type = 'submit';
button('', say('leave'), choices, stopReplacing);

function startReplacing() {
  if (!selection) return;
  replaced = selection;
  corrected.value = replaced.text;
  form.style.top = bar.style.top;
  bar.hidden = true;
  form.hidden = false;
  form.style.left = `${Math.max(8, Math.min(parseFloat(bar.style.left), frame.clientWidth - form.offsetWidth - 24))}px`;
  form.style.top = `${Math.max(8, Math.min(parseFloat(bar.style.top), host.clientHeight - form.offsetHeight - 8))}px`;
  highlight('pending', [[replaced.start, replaced.end]]);
  corrected.focus();
  corrected.select();
}

function stopReplacing() {
  form.hidden = true;
  replaced = null;
  highlight('pending', []);
  host.focus();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const wanted = { ...replaced, new_text: corrected.value };
  stopReplacing();
  highlight('pending', [[wanted.start, wanted.end]]);
  trigger(wanted.new_text ? 'replace' : 'erase', wanted);
});
form.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') stopReplacing();
  else if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
