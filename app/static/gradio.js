// Gradio's own English, put into the page's words wherever it shows: the place in the queue, and messages.
const REWORDED = [
  [/^queue: (?<position>\d+)\/(?<size>\d+) \|$/, 'queue'],
  [/^Error$/, 'error'],
  [/^File\(s\) exceed the maximum allowed size of (?<most>[\d.]+ \w+)/, 'too_big'],
  [/^(Connection to the server was lost|Connection errored out)/, 'lost'],
  [/^Queue is full/, 'full'],
];
const RENAMED = { Close: 'close', 'Click to upload or drop files': 'file', 'File upload': 'file' };

function reword(place) {
  const texts = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  for (let text; (text = texts.nextNode()); ) {
    const said = text.data.trim();
    const [pattern, key] = REWORDED.find(([pattern]) => pattern.test(said)) || [];
    if (key) text.data = say(key, pattern.exec(said).groups) + (key === 'queue' ? ' ·' : '');
  }
}

// Only who asked for something and really waits is told so: everybody is in the queue for a moment.
let acted = false;
for (const action of ['click', 'keydown', 'drop']) window.addEventListener(action, () => (acted = true), true);

function showPlace(tracker) {
  const [, seconds] = /· ([\d.]+)/.exec(tracker.textContent) || [];
  const before = tracker.hasAttribute('data-queued');
  const queued = tracker.toggleAttribute('data-queued', acted && seconds >= 0.5);
  if (queued && !before && tracker.closest('#asking, #comparing')) tracker.scrollIntoView({ block: 'nearest' });
}

new MutationObserver(() => {
  document.querySelectorAll('.progress-text, .toast-body').forEach(reword);
  document.querySelectorAll('.progress-text').forEach(showPlace);
  for (const named of document.querySelectorAll('[aria-label]'))
    if (RENAMED[named.ariaLabel]) named.ariaLabel = say(RENAMED[named.ariaLabel]);
}).observe(document.body, { childList: true, characterData: true, subtree: true });
