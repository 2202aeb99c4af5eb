// Gradio closes its stream of answers after the last one, and loses an event that is sent just then: it takes that
// stream for one that serves it. So an event counts as sent only when the open stream has named it, or has ended.
const NAMED = /"event_id":"(\w+)"/g;
const CLOSING_MS = 200; // Gradio reads the last of a stream, then calls it closed

class Answers extends EventTarget {
  named = new Set();
  ended = false;

  end = () => {
    this.ended = true;
    this.dispatchEvent(new Event('change'));
  };

  async follow(body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (let part; !(part = await reader.read()).done; this.dispatchEvent(new Event('change')))
        for (const [, id] of part.value.matchAll(NAMED)) this.named.add(id);
    } catch {
      // A stream that breaks has ended, and Gradio says so.
    }
    setTimeout(this.end, CLOSING_MS);
  }

  async serve(id) {
    while (!this.ended && !this.named.has(id))
      await new Promise((go) => this.addEventListener('change', go, { once: true }));
  }
}

const request = window.fetch;
let open;

window.fetch = async (what, options) => {
  const address = what.url || String(what);
  if (address.includes('/queue/data')) {
    const answers = (open = new Answers());
    what.signal.addEventListener('abort', answers.end);
    const reply = await request(what, options).catch((error) => {
      answers.end();
      throw error;
    });
    const [read, followed] = reply.body.tee();
    answers.follow(followed);
    return new Response(read, reply);
  }
  const reply = await request(what, options);
  if (address.includes('/queue/join') && reply.ok) await open?.serve((await reply.clone().json()).event_id);
  return reply;
};
