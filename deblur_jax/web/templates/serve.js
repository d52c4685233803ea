/* The page: takes pictures by choice, drop and paste, and keeps their cards in order. */

import { Card, restoring } from "./serve_card.js";

const find = (id) => document.getElementById(id);
const { bytes, megabytes, pictures: most } = document.body.dataset;
const cards = new Set();

function add(files) {
  const left = Number(most) - cards.size;
  notice(files.length > left ? `${most} pictures at a time are the most; ${files.length - left} were left out` : "");
  for (const file of files.slice(0, Math.max(0, left))) addOne(file);
}

function addOne(file) {
  const card = new Card(file, (sentence) => {
    find("said").textContent = sentence;
    count();
  });
  cards.add(card);
  find("pictures").append(card.element);
  card.parts.remove.addEventListener("click", () => (card.busy ? card.cancel() : remove(card)));
  if (file.size === 0) card.refuse("the file is empty, or a folder");
  else if (file.size > Number(bytes)) card.refuse(`the file is larger than ${megabytes} MB, the most that is taken`);
  else {
    card.showBefore();
    card.restore();
  }
  count();
}

function remove(card) {
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
  const focused = card.element.contains(document.activeElement);
  card.close();
  cards.delete(card);
  if (focused) (next?.querySelector(".remove") ?? find("choose")).focus();
  count();
}

function count() {
  const all = [...cards];
  const [done, busy] = [all.filter((card) => card.done).length, all.filter((card) => card.busy).length];
  document.body.classList.toggle("filled", all.length > 0);
  find("bar").hidden = all.length < 2;
  find("count").textContent = `${all.length} pictures, ${busy ? `${busy} to go` : `${done} restored`}`;
  find("save-all").hidden = done < 2;
  find("save-all").disabled = busy > 0;
  document.title = busy ? `(${busy}) Deblur photographs` : "Deblur photographs";
}

function notice(sentence) {
  find("notice").textContent = sentence;
  find("notice").hidden = !sentence;
}

restoring.onchange = () => {
  for (const card of cards) card.place();
};

find("choose").addEventListener("click", () => find("files").click());
find("files").addEventListener("change", (event) => {
  add([...event.target.files]);
  event.target.value = ""; /* so that the same file can be chosen again */
});
find("remove-all").addEventListener("click", () => {
  for (const card of [...cards]) remove(card);
  find("choose").focus();
});
find("save-all").addEventListener("click", async () => {
  for (const card of cards) await card.save();
});

/* A drag over the elements of the page leaves one when it enters the next: they are counted. */
let over = 0;
const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => {
  if (!holdsFiles(event)) return;
  over++;
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (event) => {
  if (holdsFiles(event) && --over <= 0) undrop();
});
addEventListener("dragover", (event) => holdsFiles(event) && event.preventDefault());
addEventListener("drop", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  undrop();
  add([...event.dataTransfer.files]);
});
addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (files.length) add(files);
});

function undrop() {
  over = 0;
  document.body.classList.remove("dropping");
}
