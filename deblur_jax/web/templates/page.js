for (const box of document.querySelectorAll(".compare")) {
  const slider = box.querySelector("input");
  const place = () => box.style.setProperty("--cut", slider.value + "%");
  slider.addEventListener("input", place);
  place();
}

/* What stands on each side of the line, for all pictures of a group at once. A picture without the
   chosen layer keeps the one that it came with. */
for (const choice of document.querySelectorAll(".choice")) {
  const side = choice.dataset.side;
  const boxes = choice.closest("section, main").querySelectorAll(".compare");
  const show = (input) => {
    if (!input.checked) return;
    for (const box of boxes) {
      const images = [...box.querySelectorAll("img")];
      const wanted = images.find((image) => image.dataset.layer === input.value)
        ?? images.find((image) => image.dataset.layer === box.dataset[side]);
      for (const image of images) image.classList.toggle(side, image === wanted);
      box.querySelector(`.tag.${side[0]}`).textContent = wanted.dataset.layer;
    }
  };
  for (const input of choice.querySelectorAll("input")) {
    input.addEventListener("change", () => show(input));
    show(input);
  }
}

for (const button of document.querySelectorAll("button.enlarge")) {
  button.addEventListener("click", () => {
    const wide = button.closest("figure").classList.toggle("wide");
    button.setAttribute("aria-pressed", wide);
    button.textContent = wide ? "smaller" : "enlarge";
  });
}

/* A click on a head sorts by its column, another one the other way; what has no value stays last. */
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const body = head.closest("table").tBodies[0];
    const column = head.cellIndex;
    const numeric = !head.classList.contains("text");
    const first = numeric ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort");
    const next = !order ? first : order === "ascending" ? "descending" : "ascending";
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", next);
    const key = (row) => row.cells[column].dataset.value ?? "";
    const sign = next === "ascending" ? 1 : -1;
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const [m, n] = [Number(x), Number(y)]; /* compared: two infinities have no difference */
      return sign * (numeric ? (m > n) - (m < n) : x.localeCompare(y, undefined, { numeric: true }));
    });
    body.append(...rows);
  });
}
