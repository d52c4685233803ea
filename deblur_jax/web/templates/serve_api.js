/* The server's API as promises: sending a picture with its progress, and asking how far it is. */

/** What the server, or the way to it, refuses: a sentence for the reader. */
export class Refused extends Error {
  /** @param {number} status of HTTP, 0 where there was no answer; wait: seconds until another try */
  constructor(sentence, status = 0, wait = 0) {
    super(sentence);
    Object.assign(this, { status, wait });
  }
}

/** Sends bytes to `path`; `tell` hears the share that is uploaded, 0 to 1.
    Resolves to { blob, told }, `told` being a function from a header's name to its value. */
export function send(path, body, { ticket, signal, tell = () => {} } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); /* fetch does not tell how far an upload is */
    request.open("POST", path);
    request.responseType = "blob";
    if (ticket) request.setRequestHeader("X-Ticket", ticket);
    request.upload.onprogress = (event) => event.lengthComputable && tell(event.loaded / event.total);
    request.upload.onload = () => tell(1);
    request.onload = async () => {
      if (request.status === 200) {
        resolve({ blob: request.response, told: (name) => request.getResponseHeader(name) });
      } else {
        const wait = Number(request.getResponseHeader("Retry-After")) || 0;
        reject(new Refused(await sentence(request), request.status, wait));
      }
    };
    request.onerror = () => reject(new Refused("the server cannot be reached"));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) request.abort();
    else request.send(body);
  });
}

async function sentence(request) {
  try {
    return JSON.parse(await request.response.text()).error;
  } catch {
    return `the server answered ${request.status}`;
  }
}

/** Asks how far the request with a ticket is, again and again, until `signal` says it is over. */
export async function follow(ticket, signal, tell, pause = 300) {
  while (!signal.aborted) {
    try {
      const answer = await fetch(`api/queue/${ticket}`, { signal });
      const told = await answer.json();
      if (answer.ok && !signal.aborted) tell(told);
    } catch {
      if (signal.aborted) return; /* a question that got lost is asked again */
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** A ticket that nobody else has. */
export function newTicket() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
