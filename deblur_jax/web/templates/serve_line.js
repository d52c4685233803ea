/* Tasks in order, a few at a time: browsers open six connections to a server, and some must stay
   free for questions. Two restorations keep the server busy: one is restored, one is sent. */

export class Line {
  #waiting = [];
  #running = 0;
  #changed = () => {};

  constructor(atOnce) {
    this.atOnce = atOnce;
  }

  /** `changed` is called whenever somebody's place is another one. */
  set onchange(changed) {
    this.#changed = changed;
  }

  /** Runs `task`, a function that gives a promise, in its turn; until then `signal` can end it. */
  run(task, signal) {
    return new Promise((resolve, reject) => {
      const entry = { task, resolve, reject, signal };
      signal?.addEventListener("abort", () => {
        const place = this.#waiting.indexOf(entry);
        if (place < 0) return;
        this.#waiting.splice(place, 1);
        reject(new DOMException("cancelled", "AbortError"));
        this.#changed();
      });
      this.#waiting.push(entry);
      this.#next();
    });
  }

  /** How many tasks come before the one with this signal; -1 where it does not wait. */
  ahead(signal) {
    const place = this.#waiting.findIndex((entry) => entry.signal === signal);
    return place < 0 ? -1 : place + this.#running;
  }

  #next() {
    while (this.#running < this.atOnce && this.#waiting.length) {
      const { task, resolve, reject } = this.#waiting.shift();
      this.#running++;
      Promise.resolve()
        .then(task)
        .then(resolve, reject)
        .finally(() => {
          this.#running--;
          this.#next();
        });
    }
    this.#changed();
  }
}
