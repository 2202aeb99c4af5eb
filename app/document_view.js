// The document view. Document text is put in with textContent only; nothing of it is ever parsed.
const host = element.querySelector('.doc');
const SEPARATOR = '\n\n';
let blocks = [];

function draw() {
  host.textContent = '';
  blocks = [];
  let start = 0;
  for (const part of (props.doc || '').split(SEPARATOR)) {
    if (part) {
      const block = document.createElement('p');
      block.textContent = part;
      host.appendChild(block);
      blocks.push({ block, start, end: start + part.length });
    }
    start += part.length + SEPARATOR.length;
  }
  host.scrollTop = 0;
  paint();
}

function paint() {
  const ranges = [];
  for (const { block, start, end } of blocks) {
    if (block.querySelector('mark')) block.textContent = block.textContent;
    for (const [from, to] of props.value || []) {
      if (to <= start || from >= end) continue;
      const range = new Range();
      range.setStart(block.firstChild, Math.max(from, start) - start);
      range.setEnd(block.firstChild, Math.min(to, end) - start);
      ranges.push(range);
    }
  }
  if (globalThis.Highlight && CSS.highlights) {
    CSS.highlights.set('erased', new Highlight(...ranges));
  } else {
    for (const range of ranges.reverse()) range.surroundContents(document.createElement('mark'));
  }
}

function offset(node, at) {
  for (const { block, start, end } of blocks) {
    if (block.contains(node)) {
      const before = new Range();
      before.setStart(block, 0);
      before.setEnd(node, at);
      return start + before.toString().length;
    }
    const place = new Range();
    place.setStart(node, at);
    if (place.comparePoint(block, 0) > 0) return start;
  }
  return blocks.length ? blocks[blocks.length - 1].end : 0;
}

function report() {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return;
  const range = selection.getRangeAt(0);
  if (!host.contains(range.commonAncestorContainer)) return;
  const start = offset(range.startContainer, range.startOffset);
  const end = offset(range.endContainer, range.endOffset);
  if (end > start) trigger('span', { start, end, text: props.doc.slice(start, end) });
}

host.addEventListener('pointerup', () => setTimeout(report, 0));
host.addEventListener('keyup', report);
watch('doc', draw);
watch('value', () => {
  getSelection().removeAllRanges();
  paint();
});
draw();
