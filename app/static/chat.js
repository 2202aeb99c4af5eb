// Questions and their answers, the newest last.
root.className = 'root chat';

function draw() {
  const { turns = [], questions = [] } = props.value || {};
  const old = root.querySelector('.log');
  const following = !old || old.scrollTop + old.clientHeight > old.scrollHeight - 60;
  root.textContent = '';
  make('h2', '', say('conversation'), root);
  for (const question of questions)
    button('tip', say('suggested', { question }), root, () => trigger('suggest', { text: question }));
  if (!turns.length) return make('p', 'said', say('no_turns'), root);
  const log = make('div', 'log', undefined, root);
  log.tabIndex = 0;
  log.setAttribute('role', 'log');
  log.setAttribute('aria-label', say('conversation'));
  for (const turn of turns) {
    const box = make('div', turn.stale ? 'turn stale' : 'turn', undefined, log);
    make('div', 'asked', turn.question, box);
    make('div', 'answer', turn.answer || (turn.running ? say('answering') : ''), box);
    const meta = make('div', 'meta', undefined, box);
    if (turn.stale) make('span', 'badge', say('stale'), meta);
    if (!turn.running && turn.ttft_ms !== undefined) {
      const figures = { method: turn.method, ttft: number(turn.ttft_ms), rate: number(turn.rate || 0, 1) };
      make('span', 'figures', say(turn.rate ? 'line' : 'line_short', figures), meta);
    }
    if (turn.stopped) make('span', '', say('stopped'), meta);
    if (turn.edits.length) {
      const then = make('details', '', undefined, meta);
      make('summary', '', say('edits_then', { n: turn.edits.length }), then);
      for (const text of turn.edits) make('div', 'quote', text.length > 300 ? `${text.slice(0, 299)}…` : text, then);
    }
    if (!turn.running && turn.answer) copyButton(turn.answer, meta);
  }
  if (following) log.scrollTop = log.scrollHeight;
}

watch('value', draw);
draw();
