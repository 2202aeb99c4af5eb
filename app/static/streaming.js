// Gradio loses an event that is sent just as its stream of answers closes: it takes that stream for one that still
// serves it. So what was sent is taken as received only when the stream is closed, or has shown that it stays open.
const STAYS_OPEN_MS = 200;
const request = window.fetch;
let stream;

window.fetch = async (what, options) => {
  const address = what.url || String(what);
  if (address.includes('/queue/data')) stream = what.signal;
  const reply = await request(what, options);
  if (address.includes('/queue/join') && stream && !stream.aborted)
    await new Promise((go) => {
      stream.addEventListener('abort', go);
      setTimeout(go, STAYS_OPEN_MS);
    });
  return reply;
};
