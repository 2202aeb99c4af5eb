// What every widget's script begins with: translation, elements, sending data to the server.
const words = WORDS[navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'];
const say = (key, values = {}) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
const number = (value, digits = 0) =>
  Number(value).toLocaleString(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
const root = element.querySelector('.root');

function make(tag, className, text, parent) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  if (parent) parent.appendChild(made);
  return made;
}

function button(className, label, parent, onclick) {
  const made = make('button', className, label, parent);
  made.type = 'button';
  made.addEventListener('click', onclick);
  return made;
}

function copyButton(text, parent) {
  const made = button('quiet', say('copy'), parent, async () => {
    await navigator.clipboard.writeText(text);
    made.textContent = say('copied');
    setTimeout(() => (made.textContent = say('copy')), 1500);
  });
}

// An erase method in plain words.
const methodName = (method) => say(`n_${method.split(':')[0]}`);

const placeOf = ([position, size]) => say('queue', { position, size });

// The question box is Gradio's: it is told as if somebody had typed.
function startQuestion(text) {
  const box = document.querySelector('#question textarea');
  box.value = text;
  box.dispatchEvent(new Event('input', { bubbles: true }));
  box.focus();
  box.setSelectionRange(text.length, text.length);
}

const showPassage = (start, end) =>
  window.dispatchEvent(new CustomEvent('kveraser:show', { detail: { start, end } }));
