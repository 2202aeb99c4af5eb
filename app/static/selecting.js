// Selecting in the document, by mouse, finger or keyboard, and the bar that says what to do with it.
let selection = null;
const QUOTED = 160;

const bar = make('div', 'bar', undefined, frame);
bar.setAttribute('role', 'toolbar');
bar.setAttribute('aria-label', say('actions'));
bar.hidden = true;
const first = button('primary', say('erase'), bar, () => act('erase'));
const others = [button('', say('replace'), bar, () => startReplacing())];
others.push(button('', say('similar'), bar, () => act('similar')), button('', say('ask_about'), bar, askAbout));

function offset(node, at) {
  for (const { block, start, end } of blocks) {
    if (block.contains(node)) {
      const before = new Range();
      before.setStart(block, 0);
      before.setEnd(node, at);
      return Math.min(start + before.toString().length, end);
    }
    const place = new Range();
    place.setStart(node, at);
    if (place.comparePoint(block, 0) > 0) return start;
  }
  return blocks.length ? blocks[blocks.length - 1].end : 0;
}

function readSelection() {
  const chosen = getSelection();
  selection = null;
  if (chosen.rangeCount && !chosen.isCollapsed && blocks.length) {
    const range = chosen.getRangeAt(0);
    if (host.contains(range.commonAncestorContainer)) {
      const start = offset(range.startContainer, range.startOffset);
      const end = offset(range.endContainer, range.endOffset);
      if (end > start) selection = { start, end, text: props.doc.slice(start, end) };
    }
  }
  bar.hidden = !selection;
  if (!selection) return;
  first.textContent = props.value?.reading ? markingText() : say('erase');
  for (const other of others) other.hidden = Boolean(props.value?.reading);
  const box = frame.getBoundingClientRect();
  const rects = chosen.getRangeAt(0).getClientRects();
  const last = rects[rects.length - 1] || host.getBoundingClientRect();
  const top = Math.min(last.bottom - box.top + 8, host.clientHeight - bar.offsetHeight - 8);
  bar.style.top = `${Math.max(top, 8)}px`;
  bar.style.left = `${Math.max(8, Math.min(last.right - box.left - 60, box.width - bar.offsetWidth - 24))}px`;
}

function act(event) {
  if (!selection) return;
  if (props.value?.reading) mark();
  else {
    trigger(event, selection);
    if (event === 'erase') highlight('pending', [[selection.start, selection.end]]);
  }
  getSelection().removeAllRanges();
  readSelection();
}

function askAbout() {
  const text = selection.text.replace(/\s+/g, ' ').trim();
  startQuestion(say('about', { text: text.length > QUOTED ? `${text.slice(0, QUOTED - 1)}…` : text }));
  getSelection().removeAllRanges();
  readSelection();
}

function sentences() {
  const cut = new Intl.Segmenter(undefined, { granularity: 'sentence' });
  return blocks.flatMap(({ block, start }) =>
    [...cut.segment(block.textContent)].map(({ index, segment }) => [start + index, start + index + segment.trimEnd().length]),
  );
}

function selectSentence(step, extend) {
  const all = sentences();
  const top = host.getBoundingClientRect().top;
  const visible = blocks.find(({ block }) => block.getBoundingClientRect().bottom > top)?.start ?? 0;
  const edge = selection ? (step > 0 ? selection.end : selection.start) : visible;
  const next = step > 0 ? all.find(([from]) => from >= edge) : all.findLast(([, to]) => to <= edge);
  if (!next) return;
  const from = extend && selection ? Math.min(selection.start, next[0]) : next[0];
  const to = extend && selection ? Math.max(selection.end, next[1]) : next[1];
  const ranges = rangesOf(from, to);
  const first = ranges[0];
  const last = ranges[ranges.length - 1];
  getSelection().setBaseAndExtent(first.startContainer, first.startOffset, last.endContainer, last.endOffset);
  goTo(...next);
  readSelection();
}

host.addEventListener('keydown', (event) => {
  if (event.target !== host) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && !event.ctrlKey && !event.metaKey && !event.altKey) selectSentence(step, event.shiftKey);
  else if (event.key === 'Enter' && selection) bar.querySelector('button').focus();
  else if (event.key === 'Delete' && selection) act('erase');
  else if (event.key === 'Escape') getSelection().removeAllRanges();
  else return;
  event.preventDefault();
});
let waiting;
let dragging = false;
host.addEventListener('pointerdown', () => (dragging = true));
for (const name of ['pointerup', 'pointercancel'])
  document.addEventListener(name, () => {
    dragging = false;
    setTimeout(readSelection, 0);
  });
document.addEventListener('selectionchange', () => {
  clearTimeout(waiting);
  if (!dragging) waiting = setTimeout(readSelection, 120);
});
bar.addEventListener('pointerdown', (event) => event.preventDefault());
host.addEventListener(
  'scroll',
  () => {
    if (selection) requestAnimationFrame(readSelection);
  },
  { passive: true },
);
