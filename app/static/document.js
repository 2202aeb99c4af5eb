// The document: reading, finding, selecting, and what is erased. Offsets are UTF-16 units of props.doc.
const SEPARATOR = '\n\n';
const highlights = globalThis.Highlight && CSS.highlights;
let blocks = [];
let selection = null;
let hits = [];
let hit = -1;

root.className = 'root reader';
const tools = make('div', 'tools', undefined, root);
const search = make('input', 'find', undefined, tools);
search.type = 'search';
search.placeholder = search.ariaLabel = say('find');
const count = make('span', 'count', '', tools);
count.setAttribute('aria-live', 'polite');
for (const [name, sign, step] of [['previous', '↑', -1], ['next', '↓', 1]])
  button('quiet', sign, tools, () => goToHit(hit + step)).ariaLabel = say(name);
const pageBox = make('label', 'page-box', say('page') + ' ', tools);
const page = make('input', 'page-number', undefined, pageBox);
page.type = 'number';
page.min = 1;
const pageCount = make('span', '', '', pageBox);
const frame = make('div', 'frame', undefined, root);
const host = make('div', 'doc', undefined, frame);
host.tabIndex = 0;
host.setAttribute('role', 'region');
host.setAttribute('aria-label', say('document'));
const hint = make('p', 'hint', say('document_hint'), root);
hint.id = 'document-hint';
host.setAttribute('aria-describedby', hint.id);
const strip = make('div', 'strip', undefined, frame);
strip.setAttribute('aria-hidden', 'true');
const bar = make('div', 'bar', undefined, frame);
bar.setAttribute('role', 'toolbar');
bar.setAttribute('aria-label', say('actions'));
bar.hidden = true;
for (const [name, event] of [['erase', 'erase'], ['similar', 'similar'], ['ask_about', 'askabout']])
  button(name === 'erase' ? 'primary' : '', say(name), bar, () => act(event));

const erased = () => props.value?.erased || [];

function isHeading(text, next) {
  if (/^#{1,6} /.test(text)) return true;
  return text.length <= 72 && !text.includes('\n') && !/[.,;:!?]$/.test(text) && /^[\p{Lu}\d]/u.test(text) && !!next;
}

function draw() {
  host.textContent = '';
  blocks = [];
  const parts = (props.doc || '').split(SEPARATOR);
  const pages = props.pages || [0];
  let start = 0;
  let mark = 1;
  parts.forEach((part, at) => {
    while (mark < pages.length && pages[mark] <= start) pageMark(++mark);
    if (part) {
      const heading = isHeading(part, parts[at + 1]);
      const block = make('p', heading ? 'heading' : '', part, host);
      if (heading) {
        block.setAttribute('role', 'heading');
        block.setAttribute('aria-level', '3');
      }
      blocks.push({ block, start, end: start + part.length });
    }
    start += part.length + SEPARATOR.length;
  });
  if (!blocks.length) make('div', 'empty', say('empty'), host);
  page.max = pages.length;
  page.value = 1;
  pageBox.hidden = pages.length < 2;
  pageCount.textContent = ' ' + say('of', { n: pages.length });
  host.scrollTop = 0;
  search.value = '';
  find();
  paint();
}

function pageMark(number) {
  const mark = make('div', 'page-mark', undefined, host);
  mark.setAttribute('role', 'separator');
  mark.dataset.page = mark.ariaLabel = `${say('page')} ${number}`;
}

function rangesOf(from, to) {
  const ranges = [];
  for (const { block, start, end } of blocks) {
    if (to <= start || from >= end) continue;
    const range = new Range();
    range.setStart(block.firstChild, Math.max(from, start) - start);
    range.setEnd(block.firstChild, Math.min(to, end) - start);
    ranges.push(range);
  }
  return ranges;
}

function highlight(name, spans) {
  if (highlights) CSS.highlights.set(name, new Highlight(...spans.flatMap(([from, to]) => rangesOf(from, to))));
}

function paint() {
  for (const { block } of blocks) block.replaceChildren(block.textContent);
  highlight('erased', erased());
  highlight('pending', []);
  highlight('found', hits);
  const length = Math.max((props.doc || '').length, 1);
  strip.textContent = '';
  const tick = (kind, [from, to]) => {
    const made = make('i', kind, undefined, strip);
    made.style.top = `${(100 * from) / length}%`;
    made.style.height = `max(3px, ${(100 * (to - from)) / length}%)`;
    made.addEventListener('click', () => goTo(from, to));
  };
  hits.forEach((span) => tick('tick-found', span));
  erased().forEach((span) => {
    tick('tick-erased', span);
    restoreButton(span);
  });
  if (!highlights)
    for (const range of erased().flatMap(([from, to]) => rangesOf(from, to)).reverse())
      range.surroundContents(document.createElement('mark'));
  place();
}

function restoreButton([from, to]) {
  const last = blocks.findLast(({ start }) => start < to);
  if (!last) return;
  const text = props.doc.slice(from, to);
  const made = button('restore', '', last.block, () => trigger('restore', { start: from, end: to, text }));
  made.ariaLabel = made.title = `${say('restore')}: ${text.slice(0, 60)}`;
  made.dataset.to = Math.min(to, last.end) - last.start;
}

function place() {
  for (const made of host.querySelectorAll('.restore')) {
    const text = made.parentElement.firstChild;
    if (text.nodeType !== Node.TEXT_NODE) continue;
    const range = new Range();
    range.setStart(text, Math.max(Math.min(made.dataset.to, text.length) - 1, 0));
    range.setEnd(text, Math.min(made.dataset.to, text.length));
    made.style.top = `${range.getBoundingClientRect().top - made.parentElement.getBoundingClientRect().top}px`;
  }
}

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
  const box = frame.getBoundingClientRect();
  const rects = chosen.getRangeAt(0).getClientRects();
  const last = rects[rects.length - 1] || host.getBoundingClientRect();
  const top = Math.min(last.bottom - box.top + 8, host.clientHeight - bar.offsetHeight - 8);
  bar.style.top = `${Math.max(top, 8)}px`;
  bar.style.left = `${Math.max(8, Math.min(last.right - box.left - 60, box.width - bar.offsetWidth - 24))}px`;
}

function act(event) {
  if (!selection) return;
  trigger(event, selection);
  if (event === 'erase') highlight('pending', [[selection.start, selection.end]]);
  getSelection().removeAllRanges();
  readSelection();
}

function goTo(from, to) {
  const [range] = rangesOf(from, Math.max(to, from + 1));
  if (!range) return;
  const rect = range.getBoundingClientRect();
  host.scrollTop += rect.top - host.getBoundingClientRect().top - host.clientHeight / 3;
}

function find() {
  const wanted = search.value.toLowerCase();
  const text = (props.doc || '').toLowerCase();
  hits = [];
  if (wanted && text.length === props.doc.length)
    for (let at = text.indexOf(wanted); at >= 0 && hits.length < 2000; at = text.indexOf(wanted, at + wanted.length))
      hits.push([at, at + wanted.length]);
  goToHit(0);
}

function goToHit(which) {
  hit = hits.length ? (which + hits.length) % hits.length : -1;
  count.textContent = !search.value ? '' : hits.length ? say('found', { at: hit + 1, n: hits.length }) : say('none_found');
  highlight('current', hit < 0 ? [] : [hits[hit]]);
  if (hit >= 0) goTo(...hits[hit]);
}

function sentences() {
  const cut = new Intl.Segmenter(undefined, { granularity: 'sentence' });
  return blocks.flatMap(({ block, start }) =>
    [...cut.segment(block.firstChild?.data || '')].map(({ index, segment }) => [start + index, start + index + segment.trimEnd().length]),
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
let findSoon;
search.addEventListener('input', () => {
  clearTimeout(findSoon);
  findSoon = setTimeout(() => {
    find();
    paint();
  }, 150);
});
search.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') goToHit(hit + (event.shiftKey ? -1 : 1));
});
page.addEventListener('change', () => {
  const start = (props.pages || [0])[page.value - 1];
  if (start !== undefined) goTo(start, start + 1);
});
host.addEventListener(
  'scroll',
  () => {
    if (selection) requestAnimationFrame(readSelection);
    if ((props.pages || []).length < 2 || document.activeElement === page) return;
    const top = host.getBoundingClientRect().top + 40;
    const first = blocks.find(({ block }) => block.getBoundingClientRect().bottom > top);
    if (first) page.value = (props.pages.findLastIndex((start) => start <= first.start) ?? 0) + 1;
  },
  { passive: true },
);
window.addEventListener('kveraser:show', ({ detail }) => {
  goTo(detail.start, detail.end);
  highlight('current', [[detail.start, detail.end]]);
  setTimeout(() => highlight('current', []), 2500);
});
new ResizeObserver(place).observe(host);
watch('doc', draw);
watch('value', () => {
  getSelection().removeAllRanges();
  paint();
});
draw();
