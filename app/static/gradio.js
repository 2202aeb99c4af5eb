// Gradio's own English, put into the page's words wherever it shows.
const REWORDED = [
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
    if (key) text.data = say(key, pattern.exec(said).groups);
  }
}

new MutationObserver(() => {
  document.querySelectorAll('.toast-body').forEach(reword);
  for (const named of document.querySelectorAll('[aria-label]'))
    if (RENAMED[named.ariaLabel]) named.ariaLabel = say(RENAMED[named.ariaLabel]);
}).observe(document.body, { childList: true, characterData: true, subtree: true });
