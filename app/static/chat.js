// Questions and their answers, the newest last.
root.className = 'root chat';
let drawn = '';
let listed = 0;

function drawHead(turns) {
  const head = make('div', 'head', undefined, root);
  make('h2', '', say('conversation'), head);
  if (turns.length) button('clear', say('clear'), head, () => trigger('clear'));
}

const coming = ({ answer, place }) => answer || (place ? placeOf(place) : say('answering'));

// Words that the answer given before did not have are marked.
function drawAnswer(turn, box) {
  if (turn.running || !(turn.words || []).length) return make('div', 'answer', turn.running ? coming(turn) : turn.answer, box);
  const answer = make('div', 'answer', undefined, box);
  for (const [text, differs] of turn.words) make(differs ? 'mark' : 'span', '', text, answer);
  const changed = turn.words.some(([, differs]) => differs);
  make('div', 'meta', say(changed ? 'before_said' : 'before_same', { text: turn.earlier }), box);
}

function drawTurn(turn, at, log) {
  const box = make('div', turn.stale ? 'turn stale' : 'turn', undefined, log);
  make('div', 'asked', turn.question, box);
  drawAnswer(turn, box);
  const meta = make('div', 'meta', undefined, box);
  if (turn.running) return button('stop', say('stop'), meta, () => trigger('stop'));
  if (turn.stale) make('span', 'badge', say('stale'), meta);
  if (turn.ttft_ms !== undefined) {
    const figures = { method: turn.method, ttft: number(turn.ttft_ms), rate: number(turn.rate || 0, 1) };
    make('span', 'figures', say(turn.rate ? 'line' : 'line_short', figures), meta);
    if (turn.ran) make('span', 'ran', say(turn.ran), meta);
    else make('span', 'exactness', say(turn.exact ? 'exact' : 'approximate'), meta);
    if (turn.surpassed) make('span', 'badge', say('surpassed'), meta);
  }
  if (turn.remembered) make('span', 'remembered', say('remembered'), meta);
  if (turn.stopped) make('span', '', say(turn.stopped), meta);
  if (turn.edits.length) {
    const then = make('details', '', undefined, meta);
    make('summary', '', say('edits_then', { n: turn.edits.length }), then);
    for (const text of turn.edits) make('div', 'quote', text.length > 300 ? `${text.slice(0, 299)}…` : text, then);
  }
  if (turn.answer) copyButton(turn.answer, meta);
  if (turn.goes_on) button('longer', say('longer'), meta, () => trigger('again', { number: at, longer: true }));
  if (turn.stale || turn.surpassed) button('again', say('ask_again'), meta, () => trigger('again', { number: at }));
  if (turn.evidence) drawEvidence(turn, box);
}

// Passages that the answer may rest on; a press shows one in the document.
function drawEvidence({ evidence, absent }, box) {
  const list = make('div', 'evidence', undefined, box);
  make('span', 'meta', say(evidence.length ? 'rests_on' : 'nothing_says_so'), list);
  for (const { start, end, text, page } of evidence) {
    const short = text.length > 160 ? `${text.slice(0, 159)}…` : text;
    button('passage', page ? `${say('page_number', { page })} ${short}` : short, list, () => showPassage(start, end));
  }
  if (absent.length) make('span', 'meta', say('absent_words', { words: absent.join(', ') }), list);
}

// Only the text of what is coming changes: its Stop button must stay the one that is being pressed.
function stream(turns) {
  const log = root.querySelector('.log');
  if (!log) return;
  const following = log.scrollTop + log.clientHeight > log.scrollHeight - 60;
  const boxes = log.querySelectorAll('.turn .answer');
  turns.forEach((turn, at) => {
    if (turn.running) boxes[at].textContent = coming(turn);
  });
  if (following) log.scrollTop = log.scrollHeight;
}

function draw() {
  const { turns = [], questions = [] } = props.value || {};
  const steady = JSON.stringify([questions, turns.map((turn) => (turn.running ? { ...turn, answer: '', place: null } : turn))]);
  if (steady === drawn) return stream(turns);
  drawn = steady;
  const old = root.querySelector('.log');
  const before = old?.scrollTop;
  const following = !old || turns.length > listed || old.scrollTop + old.clientHeight > old.scrollHeight - 60;
  listed = turns.length;
  root.textContent = '';
  drawHead(turns);
  if (turns.length) {
    const log = make('div', 'log', undefined, root);
    log.tabIndex = 0;
    log.setAttribute('role', 'log');
    log.setAttribute('aria-label', say('conversation'));
    turns.forEach((turn, at) => drawTurn(turn, at, log));
    log.scrollTop = following ? log.lastChild.offsetTop - log.offsetTop : before; // the newest question stays in sight
  } else make('p', 'said', say(questions.length ? 'no_turns_tips' : 'no_turns'), root);
  for (const question of questions) button('tip', question, root, () => startQuestion(question));
}
