// Questions to the server, and what it tells by itself.

// The JSON that a path gives, if it is JSON; an error in the server's words, with its status.
export async function ask(path, options = {}) {
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Error("the server does not answer");
  }
  const content = await reply.json().catch(() => ({}));
  if (reply.ok) return content;
  const error = new Error(content.error || `the server answers ${reply.status}`);
  throw Object.assign(error, {status: reply.status});
}

export const scorePath = id => `/api/scores/${encodeURIComponent(id)}`;

// Calls `tell` with every event, and `connected` with whether the server is there, or why it refuses
// this page.
export function watch(tell, connected) {
  let source = null;
  const open = () => {
    source = new EventSource("/api/events");
    source.onopen = () => connected(true);
    source.onmessage = event => tell(JSON.parse(event.data));
    source.onerror = () => {
      connected(false);
      if (source.readyState !== EventSource.CLOSED) return;
      ask("/api/jobs").catch(error => { if (error.status) connected(false, error.message); });
      setTimeout(open, 3000);
    };
  };
  // A page that is kept for the Back button would keep its connection, of which there are few.
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", event => { if (event.persisted) open(); });
  open();
}
