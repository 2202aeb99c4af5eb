// The document as text, and what is erased in it. Offsets are UTF-16 units of props.doc.
const SEPARATOR = '\n\n';
const highlights = globalThis.Highlight && CSS.highlights;
let blocks = [];
let drawn;

root.className = 'root reader';
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

const erased = () => props.value?.erased || [];

function headingLevel(text, next) {
  const marked = /^(#{1,6}) /.exec(text);
  if (marked) return marked[1].length;
  const short = text.length <= 72 && !text.includes('\n') && !/[.,;:!?]$/.test(text);
  return short && /^[\p{Lu}\d]/u.test(text) && next ? 3 : 0;
}

function drawText() {
  host.textContent = '';
  blocks = [];
  const marks = [];
  const headings = [];
  const parts = (props.doc || '').split(SEPARATOR);
  const pages = props.pages || [0];
  let start = 0;
  let mark = 1;
  parts.forEach((part, at) => {
    while (mark < pages.length && pages[mark] <= start) pageMark(++mark);
    if (part) {
      const level = headingLevel(part, parts[at + 1]);
      const block = make('p', level ? `heading level-${level}` : '', undefined, host);
      if (level || !highlights) block.append(part);
      else structured(block, part);
      block.dir = 'auto';
      if (level) {
        block.setAttribute('role', 'heading');
        block.setAttribute('aria-level', Math.min(level + 1, 6));
        headings.push({ text: part.replace(/^#+ /, ''), level, start });
      }
      blocks.push({ block, start, end: start + part.length });
      if (part.startsWith('#') && level) marks.push([start, start + level]);
    }
    start += part.length + SEPARATOR.length;
  });
  if (!blocks.length) make('div', 'empty', say('empty'), host);
  highlight('marks', marks);
  countPages(pages);
  drawOutline(headings);
  search.value = '';
  find();
}

function pageMark(number) {
  const mark = make('div', 'page-mark', undefined, host);
  mark.setAttribute('role', 'separator');
  mark.dataset.page = mark.ariaLabel = `${say('page')} ${number}`;
}

// The text node of a block, and the place in it: new text stands between such nodes, and is not counted.
function textAt(block, offset) {
  const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
  let left = offset;
  while (texts.nextNode() && left > texts.currentNode.length) left -= texts.currentNode.length;
  return [texts.currentNode, left];
}

function rangesOf(from, to) {
  const ranges = [];
  for (const { block, start, end } of blocks) {
    if (to <= start || from >= end) continue;
    const range = new Range();
    range.setStart(...textAt(block, Math.max(from, start) - start));
    range.setEnd(...textAt(block, Math.min(to, end) - start));
    ranges.push(range);
  }
  return ranges;
}

function highlight(name, spans) {
  if (highlights) CSS.highlights.set(name, new Highlight(...spans.flatMap(([from, to]) => rangesOf(from, to))));
}

function paint() {
  for (const added of host.querySelectorAll('.restore, .new')) added.remove();
  for (const { block } of blocks) block.normalize();
  if (!highlights) for (const { block } of blocks) block.replaceChildren(block.textContent);
  erased().forEach(newText);
  highlight('erased', erased());
  if (!props.value?.reading) eraseMarked();
  highlight('found', hits);
  erased().forEach(restoreButton);
  if (!highlights)
    for (const range of erased().flatMap(([from, to]) => rangesOf(from, to)).reverse())
      range.surroundContents(document.createElement('mark'));
  place();
}

function drawStrip() {
  strip.textContent = '';
  strip.style.right = `${frame.clientWidth - host.clientWidth + 2}px`;
  const height = Math.max(host.scrollHeight, 1);
  const placeOf = (offset) => {
    const { block, start, end } = blocks.findLast((one) => one.start <= offset) || blocks[0];
    return (100 * (block.offsetTop + (block.offsetHeight * Math.min(offset - start, end - start)) / (end - start))) / height;
  };
  const tick = (kind, [from, to]) => {
    const made = make('i', kind, undefined, strip);
    made.style.top = `${placeOf(from)}%`;
    made.style.height = `max(4px, ${placeOf(to) - placeOf(from)}%)`;
    made.addEventListener('click', () => goTo(from, to));
  };
  hits.forEach((span) => tick('tick-found', span));
  erased().forEach((span) => tick('tick-erased', span));
}

// Drawn by the style, so that it is no part of the document's text.
function newText([, to, text]) {
  const last = text && blocks.findLast(({ start }) => start < to);
  if (!last) return;
  const [node, at] = textAt(last.block, Math.min(to, last.end) - last.start);
  const made = document.createElement('span');
  made.className = 'new';
  made.role = 'img';
  made.dataset.text = text;
  made.ariaLabel = say('replaced_by', { text });
  node.parentNode.insertBefore(made, node.splitText(at));
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
  drawStrip();
  for (const made of host.querySelectorAll('.restore')) {
    const [text, at] = textAt(made.parentElement, Number(made.dataset.to));
    const range = new Range();
    range.setStart(text, Math.max(Math.min(at, text.length) - 1, 0));
    range.setEnd(text, Math.min(at, text.length));
    made.style.top = `${range.getBoundingClientRect().top - made.parentElement.getBoundingClientRect().top}px`;
  }
}

function goTo(from, to) {
  const [range] = rangesOf(from, Math.max(to, from + 1));
  if (!range) return;
  const rect = range.getBoundingClientRect();
  host.scrollTop += rect.top - host.getBoundingClientRect().top - host.clientHeight / 3;
}

function draw() {
  if (props.doc !== drawn) {
    getSelection().removeAllRanges();
    const place = drawn && props.doc.startsWith(drawn) ? host.scrollTop : 0; // it may only have grown
    drawn = props.doc;
    drawText();
    host.scrollTop = place;
  }
  paint();
}

host.addEventListener('scroll', followPage, { passive: true });
window.addEventListener('kveraser:show', ({ detail }) => {
  goTo(detail.start, detail.end);
  frame.scrollIntoView({ block: 'nearest' });
  highlight('current', [[detail.start, detail.end]]);
  setTimeout(() => highlight('current', []), 2000);
});
new ResizeObserver(place).observe(host);
watch('doc', draw);
