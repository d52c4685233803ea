/* Two pictures of one size under a line that moves, with zoom: pointer, touch, wheel and keys. */

const GRIP = 26; /* CSS pixels around the line that take hold of it while zoomed */
const LEVELS = [0.05, 0.1, 0.17, 0.25, 0.33, 0.5, 0.67, 1, 1.5, 2, 3, 4, 6, 8]; /* of real pixels */
const STEP = 48; /* CSS pixels that a key moves the picture */
const CRISP = 2; /* from here on each pixel is drawn as a square */

export class View {
  #size = [1, 1];
  #scale = 1; /* CSS pixels a pixel */
  #place = [0, 0]; /* of the picture's corner, in CSS pixels */
  #fitted = true;
  #pointers = new Map();
  #hold = null;

  /** `box` is the element .compare, `level` the button that shows the zoom. */
  constructor(box, level) {
    this.box = box;
    this.level = level;
    this.images = [...box.querySelectorAll("img")];
    [this.before, this.under, this.over] = this.images;
    this.line = box.querySelector(".line");
    this.line.addEventListener("input", () => this.#cut());
    box.addEventListener("mousedown", (event) => event.preventDefault()); /* would take the focus */
    box.addEventListener("pointerdown", (event) => this.#down(event));
    box.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      box.addEventListener(name, (event) => this.#up(event));
    }
    box.addEventListener("dblclick", (event) => this.toggle(this.#at(event)));
    box.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    box.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("dragstart", (event) => event.preventDefault());
    this.resized = new ResizeObserver(() => (this.#fitted ? this.fit() : this.#draw()));
    this.resized.observe(box);
    this.#cut();
  }

  /** Shows the picture as it was, of `width` x `height` pixels. */
  showBefore(address, width, height) {
    this.#size = [width, height];
    this.box.style.setProperty("--aspect", width / height);
    this.box.style.setProperty("--high", height);
    this.before.src = this.under.src = address;
    this.box.hidden = false;
    this.box.classList.toggle("single", !this.over.getAttribute("src"));
    this.fit();
  }

  /** Shows the restored picture beside it. */
  showAfter(address) {
    this.over.src = address;
    this.box.classList.remove("single");
  }

  /** Takes `share`, 0 to 1, of the restored picture. */
  mix(share) {
    this.under.style.opacity = 1 - share;
    this.over.style.opacity = share;
  }

  /** The whole picture. */
  fit() {
    this.#fitted = true;
    this.#scale = this.#fitScale();
    this.#draw();
  }

  /** Real pixels, each on one of the screen, around a point of the box; or back to the whole. */
  toggle(point) {
    if (this.#fitted) this.#zoom(1 / devicePixelRatio, point);
    else this.fit();
  }

  /** The next level up (1) or down (-1). */
  step(direction, point) {
    const now = this.#scale * devicePixelRatio;
    const further = direction > 0 ? LEVELS.find((each) => each > now * 1.01)
      : LEVELS.findLast((each) => each < now / 1.01);
    if (further) this.#zoom(further / devicePixelRatio, point);
  }

  /** Lets go of what would keep the element alive. */
  close() {
    this.resized.disconnect();
    for (const image of this.images) image.removeAttribute("src");
  }

  #fitScale() {
    return Math.min(this.box.clientWidth / this.#size[0], this.box.clientHeight / this.#size[1]) || 1;
  }

  #zoom(scale, point = [this.box.clientWidth / 2, this.box.clientHeight / 2]) {
    const [least, most] = [this.#fitScale(), LEVELS.at(-1) / devicePixelRatio];
    const next = Math.min(Math.max(scale, Math.min(least, 1 / devicePixelRatio)), Math.max(least, most));
    const ratio = next / this.#scale;
    this.#place = this.#place.map((corner, axis) => point[axis] - (point[axis] - corner) * ratio);
    this.#scale = next;
    this.#fitted = Math.abs(next / least - 1) < 0.005;
    if (this.#fitted) this.#scale = least;
    this.#draw();
  }

  /* What is smaller than the box stands in its middle, what is larger covers it. */
  #draw() {
    const room = [this.box.clientWidth, this.box.clientHeight];
    const size = this.#size.map((length) => length * this.#scale);
    const whole = (value) => Math.round(value * devicePixelRatio) / devicePixelRatio;
    this.#place = this.#place.map((corner, axis) => {
      const left = room[axis] - size[axis];
      return left >= 0 ? left / 2 : Math.min(0, Math.max(left, corner));
    });
    for (const image of this.images) {
      image.style.width = `${size[0]}px`;
      image.style.height = `${size[1]}px`;
      image.style.transform = `translate(${whole(this.#place[0])}px, ${whole(this.#place[1])}px)`;
    }
    const share = this.#scale * devicePixelRatio;
    this.box.classList.toggle("zoomed", size[0] > room[0] + 1 || size[1] > room[1] + 1);
    this.box.classList.toggle("crisp", share >= CRISP);
    this.level.textContent = `${share < 0.1 ? (100 * share).toFixed(1) : Math.round(100 * share)} %`;
    this.level.setAttribute("aria-label", `zoom, ${this.level.textContent} of real pixels`);
  }

  #cut() {
    this.box.style.setProperty("--cut", `${this.line.value}%`);
  }

  #moveLine(x) {
    this.line.value = (100 * x) / this.box.clientWidth;
    this.#cut();
  }

  #at(event) {
    const box = this.box.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    if (event.button > 0) return;
    this.line.focus({ preventScroll: true });
    this.box.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, this.#at(event));
    const [x] = this.#at(event);
    const near = Math.abs(x - (this.line.value / 100) * this.box.clientWidth) < GRIP;
    const zoomed = this.box.classList.contains("zoomed");
    this.#hold = this.#pointers.size > 1 ? "pinch" : zoomed && !near ? "picture" : "line";
    this.box.classList.toggle("panning", this.#hold === "picture");
    if (this.#hold === "line" && event.pointerType === "mouse") this.#moveLine(x);
  }

  #move(event) {
    const old = this.#pointers.get(event.pointerId);
    if (!old) return;
    const now = this.#at(event);
    if (this.#hold === "line") this.#moveLine(now[0]);
    if (this.#hold === "picture") this.#pan(now[0] - old[0], now[1] - old[1]);
    if (this.#hold === "pinch" && this.#pointers.size === 2) {
      const [, other] = [...this.#pointers].find(([id]) => id !== event.pointerId);
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
      this.#zoom((this.#scale * apart(now)) / apart(old), middle);
      this.#pan((now[0] - old[0]) / 2, (now[1] - old[1]) / 2);
    }
    this.#pointers.set(event.pointerId, now);
  }

  #up(event) {
    const at = this.#pointers.get(event.pointerId);
    /* A tap of a finger moves the line, a swipe over the page does not. */
    if (at && this.#hold === "line" && event.type === "pointerup") this.#moveLine(at[0]);
    this.#pointers.delete(event.pointerId);
    this.box.classList.remove("panning");
    if (!this.#pointers.size) this.#hold = null;
  }

  #pan(right, down) {
    this.#place = [this.#place[0] + right, this.#place[1] + down];
    this.#draw();
  }

  /* The wheel scrolls the page until a picture is chosen by a click; a trackpad's pinch comes as a
     wheel with the control key. */
  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !this.box.contains(document.activeElement)) return;
    event.preventDefault();
    const pixels = event.deltaY * [1, 33, 400][event.deltaMode];
    this.#zoom(this.#scale * Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), this.#at(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const pans = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, STEP], ArrowDown: [0, -STEP] };
    const acts = { "+": () => this.step(1), "=": () => this.step(1), "-": () => this.step(-1),
      0: () => this.fit(), 1: () => this.#zoom(1 / devicePixelRatio) };
    const pan = event.shiftKey && pans[event.key];
    if (pan) this.#pan(...pan);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
  }
}
