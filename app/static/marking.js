// Passages that are marked while the text is still prefilled: they are erased, all at once, as soon as it is.
let marked = [];

const meets = (one) => selection && one.start < selection.end && selection.start < one.end;

// Marks what is selected, or takes back the marks that it touches.
function mark() {
  const kept = marked.filter((one) => !meets(one));
  marked = kept.length < marked.length ? kept : [...marked, selection];
  highlight('pending', marked.map(({ start, end }) => [start, end]));
}

const markingText = () => say(marked.some(meets) ? 'keep' : 'erase_soon');

// Called whenever the document is drawn: once it can be edited, the server knows it too, if it was not cancelled.
function eraseMarked() {
  const now = marked.filter(({ start, end, text }) => props.doc.slice(start, end) === text);
  marked = [];
  if (now.length) setTimeout(() => trigger('erase', { all: now }), 100);
  highlight('pending', now.map(({ start, end }) => [start, end]));
}
