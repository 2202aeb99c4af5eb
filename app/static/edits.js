// What is erased, how to take it back, and passages elsewhere about the same thing.
root.className = 'root edits';

function passage(kind, item, parent) {
  const row = make('li', `row ${kind}`, undefined, parent);
  const text = flat(item.text);
  make('span', 'quote', short(text), row);
  if (item.new_text) make('span', 'new', short(flat(item.new_text)), row);
  return make('span', 'actions', undefined, row);
}

const short = (text) => (text.length > 200 ? `${text.slice(0, 199)}…` : text);

const flat = (text) => text.replace(/\s+/g, ' ');

const where = ({ start, end, text }) => ({ start, end, text });

let line, drawn, pointed, found;

// Another tab may have this document too.
window.addEventListener('focus', () => props.value?.edits && trigger('look'));

// What was found about the edits that are shown stays while something else is done with them.
function relatedTo(edits, similar) {
  const of = JSON.stringify(edits);
  if (similar) found = { of, similar };
  return similar || (edits.length && found?.of === of ? found.similar : undefined);
}

function draw() {
  const { searching, ...state } = props.value || {};
  const looking = searching !== null && searching !== undefined;
  const progress = looking ? say('searching', { percent: number(searching) }) : '';
  const now = JSON.stringify(state);
  // The buttons stay as they are under mouse and keyboard.
  if (looking && line && now === drawn) return (line.textContent = progress);
  line = undefined;
  drawn = now;
  const edits = state.edits || [];
  root.textContent = '';
  const head = make('div', 'head', undefined, root);
  make('h2', '', say('edits'), head);
  const history = make('span', 'actions', undefined, head);
  for (const [name, event, on] of [['undo', 'undo', state.undo], ['redo', 'redo', state.redo], ['restore_all', 'restoreall', edits.length]])
    button(event, say(name), history, () => trigger(event)).disabled = !on;
  if (edits.length) button('', say('report'), history, () => trigger('report'));
  const said = make('p', 'said', state.said ? say(state.said, { ...state.with, ms: number(state.with?.ms || 0), tokens: number(state.with?.tokens || 0), s: number(state.with?.s || 0, 1) }) : '', root);
  said.setAttribute('role', 'status');
  const measuring = state.measuring !== undefined;
  if (measuring) said.textContent = say('measuring', { percent: number(state.measuring) });
  else if (state.place) said.textContent = placeOf(state.place);
  else if (!edits.length && !state.said) said.textContent = say('nothing_erased');
  const [first] = state.tips || [];
  if (first && first.text !== pointed) setTimeout(() => showPassage(first.start, first.end), 100); // once it is drawn
  pointed = first?.text;
  for (const tip of state.tips || [])
    button('tip', say('suggestion'), root, () => {
      showPassage(tip.start, tip.end);
      trigger('erase', where(tip));
    });
  if (edits.length) {
    const list = make('ul', '', undefined, root);
    for (const edit of edits) {
      const actions = passage('edit', edit, list);
      make('small', '', say('tokens', { n: number(edit.tokens) }), actions);
      button('', say('show'), actions, () => showPassage(edit.start, edit.end));
      button('', say('restore'), actions, () => trigger('restore', where(edit)));
    }
  }
  const similar = relatedTo(edits, state.similar);
  if (state.report) drawReport(state.report, root);
  if (!looking && !similar) return;
  if (!looking) return drawRelated(similar, root);
  make('h3', '', say('similar_title'), root);
  line = make('p', 'said', progress, root);
}
