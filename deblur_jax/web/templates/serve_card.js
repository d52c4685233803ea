/* One picture on the page: sent, waited for, compared, downloaded, let go. */

import { Refused, follow, newTicket, send } from "./serve_api.js";
import { Line } from "./serve_line.js";
import { View } from "./serve_view.js";

export const restoring = new Line(2);
const uploading = new Line(1); /* one after the other, so that none overtakes another */
const previewing = new Line(1);
const PATIENCE = 20; /* tries while the server is busy */
const SHOWN = { "image/jpeg": "JPEG", "image/png": "PNG", "image/webp": "WebP", "image/tiff": "TIFF",
  "image/bmp": "BMP", "image/avif": "AVIF", "image/heic": "HEIC" };
const SUFFIXES = { "image/jpeg": ["jpg", "jpeg"], "image/png": ["png"], "image/webp": ["webp"],
  "image/tiff": ["tif", "tiff"], "image/bmp": ["bmp"], "image/avif": ["avif"], "image/heic": ["heic", "heif"] };
const percent = (share) => `${Math.round(100 * share)} %`;
const sleep = (seconds, signal) => new Promise((resolve, reject) => {
  setTimeout(resolve, 1000 * seconds);
  signal.addEventListener("abort", () => reject(new DOMException("cancelled", "AbortError")));
});

export class Card {
  #file;
  #results = new Map(); /* from "colours kept or not" to what the server gave for it */
  #addresses = new Set();
  #work = null; /* of what is being done: an AbortController */
  #closed = new AbortController();

  /** `tell` is called with a sentence for the reader whenever the state is another one. */
  constructor(file, tell) {
    this.#file = file;
    this.tell = tell;
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    const find = (selector) => this.element.querySelector(selector);
    this.parts = {
      state: find(".state"), bar: find("progress"), about: find(".about"), again: find(".again"),
      save: find(".save"), remove: find(".remove"), enlarge: find(".enlarge"), zoom: find(".zoom"),
      settings: find(".settings"), strength: find(".strength input"), amount: find("output"),
      colours: find(".switch input"),
    };
    find("h3").textContent = find("h3").title = file.name;
    this.view = new View(find(".compare"), find(".level"));
    this.view.line.setAttribute("aria-label", `${file.name}: place of the line`);
    this.parts.remove.setAttribute("aria-label", `Remove ${file.name}`);
    this.parts.strength.setAttribute("aria-label", `Strength, ${file.name}`);
    this.view.before.alt = `${file.name}, before`;
    this.view.over.alt = `${file.name}, restored`;
    this.#listen(find);
  }

  #listen(find) {
    const { parts } = this;
    find(".out").addEventListener("click", () => this.view.step(-1));
    find(".in").addEventListener("click", () => this.view.step(1));
    find(".level").addEventListener("click", () => this.view.toggle());
    parts.strength.addEventListener("input", () => this.#mix());
    parts.colours.addEventListener("change", () => this.restore());
    parts.save.addEventListener("click", () => this.save());
    parts.again.addEventListener("click", () => this.restore());
    parts.enlarge.addEventListener("click", () => {
      const wide = this.element.classList.toggle("wide");
      parts.enlarge.setAttribute("aria-pressed", wide);
      parts.enlarge.textContent = wide ? "smaller" : "enlarge";
    });
  }

  get done() {
    return this.#results.has(this.parts.colours.checked);
  }

  get busy() {
    return this.#work !== null;
  }

  /** Ends what is being done; the button that removes a card at rest first does this. */
  cancel() {
    this.#work?.abort();
  }

  /** Lets go of everything: the request, the pictures in the browser's memory. */
  close() {
    this.#closed.abort();
    this.cancel();
    this.view.close();
    for (const address of this.#addresses) URL.revokeObjectURL(address);
    this.#results.clear();
    this.element.remove();
  }

  /** Refuses the picture before anything is sent. */
  refuse(sentence) {
    this.#rest("failed", `failed: ${sentence}`);
    this.parts.again.hidden = true;
  }

  /** Shows the picture as it was: by the browser, or where it cannot, by the server. */
  async showBefore() {
    try {
      const shown = await this.#shown(this.#file, this.#file.type !== "image/gif");
      this.view.showBefore(...shown);
      this.parts.zoom.hidden = this.parts.enlarge.hidden = false;
    } catch (error) {
      if (error.name !== "AbortError") this.parts.enlarge.hidden = true; /* restoring names it */
    }
  }

  /** Restores the picture by what is chosen, unless that has been done already. */
  async restore() {
    const kept = this.parts.colours.checked;
    this.cancel();
    if (this.#results.has(kept)) {
      this.#show(kept);
      return;
    }
    const work = (this.#work = new AbortController());
    try {
      const answer = await this.#ask({ luminance_only: kept }, work.signal);
      const [address] = await this.#shown(answer.blob, true, work.signal);
      this.#results.set(kept, { ...answer, address });
      if (this.#work === work) this.#show(kept);
    } catch (error) {
      if (this.#work !== work) return; /* something newer is under way */
      if (error.name === "AbortError") this.#rest("", "cancelled");
      else this.#fail("failed", error);
    }
  }

  /** Hands the picture over as a file, at full size; less than all of it is made by the server. */
  async save() {
    const share = Number(this.parts.strength.value) / 100;
    const kept = this.parts.colours.checked;
    if (!this.#results.has(kept)) return;
    let { blob } = this.#results.get(kept);
    if (share < 1) {
      const work = (this.#work = new AbortController());
      try {
        ({ blob } = await this.#ask({ strength: share, luminance_only: kept }, work.signal));
      } catch (error) {
        if (this.#work !== work) return;
        if (error.name === "AbortError") this.#show(kept);
        else this.#fail("the download failed", error);
        return;
      }
      if (this.#work === work) this.#show(kept);
    }
    hand(blob, nameFor(this.#file.name, blob.type));
  }

  /* An answer for the picture, once it is its turn; a busy server is asked again. */
  #ask(options, signal) {
    const query = new URLSearchParams(options);
    this.#busy("waiting");
    this.waits = signal;
    return restoring.run(async () => {
      this.waits = null;
      for (let tries = 1; ; tries++) {
        try {
          return await this.#send(`api/restore?${query}`, signal);
        } catch (error) {
          if (error.status !== 503 || !error.wait || tries > PATIENCE || signal.aborted) throw error;
          this.#busy(`the server is busy, tries again in ${error.wait} s`);
          await sleep(error.wait, signal);
        }
      }
    }, signal);
  }

  async #send(path, signal) {
    const ticket = newTicket();
    const over = new AbortController();
    signal.addEventListener("abort", () => over.abort());
    const arrived = await this.#turn(signal);
    const told = (answer) => {
      if (!["uploading", "unknown"].includes(answer.state)) arrived();
      this.#told(answer);
    };
    const tell = (share) => {
      if (share < 1) this.#busy(`uploading ${percent(share)}`, share);
      else follow(ticket, over.signal, told);
    };
    tell(0);
    try {
      return await send(path, this.#file, { ticket, signal, tell });
    } finally {
      arrived();
      over.abort();
    }
  }

  /* Waits until this picture may be sent; gives what to call once the server has it. */
  #turn(signal) {
    return new Promise((resolve, reject) => {
      uploading.run(() => new Promise((arrived) => resolve(arrived)), signal).catch(reject);
    });
  }

  #told({ state, ahead, share, estimated }) {
    if (state === "waiting") this.#busy(ahead ? `waiting: ${ahead} ahead` : "waiting");
    if (state === "restoring") {
      const known = share > 0;
      this.#busy(known ? `restoring, ${estimated ? "about " : ""}${percent(share)}` : "restoring", known ? share : undefined);
    }
    if (state === "sending") this.#busy("receiving", 1);
  }

  /** Says how many of this page's own pictures come before it. */
  place() {
    const ahead = this.waits ? restoring.ahead(this.waits) : -1;
    if (ahead > 0) this.#busy(`waiting: ${ahead} ahead`);
  }

  #busy(words, share) {
    const { parts } = this;
    if (!this.#work) return;
    this.#state("busy", words);
    parts.bar.hidden = false;
    if (share === undefined) parts.bar.removeAttribute("value");
    else parts.bar.value = 100 * share;
    parts.remove.textContent = "Cancel";
    parts.remove.setAttribute("aria-label", `Cancel ${this.#file.name}`);
    parts.again.hidden = true;
    parts.save.disabled = true;
  }

  #rest(kind, words) {
    const { parts } = this;
    this.#work = null;
    this.#state(kind, words);
    parts.bar.hidden = true;
    parts.remove.textContent = "Remove";
    parts.remove.setAttribute("aria-label", `Remove ${this.#file.name}`);
    parts.again.hidden = kind === "done";
    parts.save.disabled = false;
    this.tell(`${this.#file.name}: ${words}`);
  }

  /* What the server refuses once it refuses again, but for what is a matter of time. */
  #fail(what, error) {
    this.#rest("failed", `${what}: ${error.message}`);
    this.parts.again.hidden = error.status >= 400 && error.status < 500 && error.status !== 408;
  }

  #state(kind, words) {
    for (const each of ["busy", "done", "failed"]) this.element.classList.toggle(each, each === kind);
    this.parts.state.textContent = words;
  }

  #show(kept) {
    const { parts } = this;
    const { told, blob, address } = this.#results.get(kept);
    this.view.showAfter(address);
    this.#mix();
    parts.settings.hidden = parts.save.hidden = false;
    const seconds = Number(told("X-Seconds"));
    const time = `done in ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
    const size = `${told("X-Width")} × ${told("X-Height")}`;
    this.#rest("done", [time, size, SHOWN[blob.type] ?? blob.type].join(" · "));
    const [before, after] = ["Before", "After"].map((when) => Number(told(`X-Sharpness-${when}`)));
    const sharp = before >= Number(document.body.dataset.sharp);
    parts.about.textContent = `sharpness ${before.toFixed(2)} → ${after.toFixed(2)}`
      + (sharp ? "; it seems to be sharp already, so there is little to gain" : "");
    parts.about.hidden = false;
  }

  #mix() {
    const share = Number(this.parts.strength.value) / 100;
    this.parts.amount.textContent = percent(share);
    this.view.mix(share);
  }

  /* An address, width and height of a picture for the browser to show. */
  async #shown(blob, directly, signal = this.#closed.signal) {
    if (directly) {
      const found = await this.#sized(blob);
      if (found) return found;
    }
    const answer = await previewing.run(() => send("api/preview", blob, { signal }), signal);
    const found = await this.#sized(answer.blob);
    if (!found) throw new Refused("the browser cannot show it");
    return found;
  }

  async #sized(blob) {
    const address = URL.createObjectURL(blob);
    const image = new Image();
    const found = await new Promise((resolve) => {
      image.onload = () => resolve([address, image.naturalWidth, image.naturalHeight]);
      image.onerror = () => resolve(null);
      image.src = address;
    });
    if (found && !this.#closed.signal.aborted) this.#addresses.add(address);
    else URL.revokeObjectURL(address);
    return found;
  }
}

/** The file's own name, with another extension where the format is another one. */
export function nameFor(name, type) {
  const known = SUFFIXES[type];
  const dot = name.lastIndexOf(".");
  if (!known || known.includes(name.slice(dot + 1).toLowerCase())) return name;
  return `${dot > 0 ? name.slice(0, dot) : name}.${known[0]}`;
}

function hand(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); /* by then it has been taken */
}
