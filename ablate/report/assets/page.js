// What a table and a figure can do beyond being seen: a table sorts, filters, folds, is copied, and a cell shows the trials
// behind it; a figure is saved. Every text goes in as text, never as HTML.
// A control has a name, which view.js keeps in the address.
"use strict";

document.documentElement.className = "js";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The values that page.py packed into a script element.
async function unpack(script) {
  const bytes = Uint8Array.from(atob(script.textContent), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
}

function save(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function copyText(button, text) {
  const was = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser forbids it";
  }
  setTimeout(() => (button.textContent = was), 1500);
}

// A button that opens a short list of buttons; the browser does the rest.
function menu(title, actions) {
  const made = element("details", { class: "menu", name: "menu" }, element("summary", {}, title));
  const list = made.appendChild(element("div", {}));
  for (const [text, act] of Object.entries(actions)) {
    const button = list.appendChild(element("button", { type: "button" }, text));
    button.addEventListener("click", () => act(button));
  }
  return made;
}

document.addEventListener("click", ({ target }) => {
  for (const open of document.querySelectorAll(".menu[open]")) open.contains(target) || open.removeAttribute("open");
});

function checkbox(name, text, checked, act) {
  const input = element("input", { type: "checkbox", name, ...(checked && { checked: "" }) });
  input.addEventListener("change", () => act(input.checked));
  return element("label", {}, input, text);
}

// A control without a look of its own, for what a table or a plot remembers; empty at first.
const memory = (name) => element("input", { type: "hidden", name, value: "", "data-usual": "" });

// Whether a text has every word of a filter.
const matches = (text, filter) => filter.toLowerCase().split(/\s+/).every((word) => text.toLowerCase().includes(word));

// Tables ------------------------------------------------------------------------------------------------------------

const rowsOf = (table) => [...table.querySelectorAll("tbody:not(.group) > tr")];

function makeTable(box, index) {
  const table = box.querySelector("table"), rows = rowsOf(table), article = box.closest("article");
  const key = (name) => `${name}${index || ""}`, tools = element("p", { class: "tools" });
  table.querySelectorAll("[data-trials]").forEach(makeTraceable);
  if (!index && rows.length > 5) tools.append(makeFilter(article));
  if (table.querySelector(".folded")) {
    tools.append(checkbox(key("columns"), "all columns", false, (all) => table.classList.toggle("unfolded", all)));
  }
  if (rows.some((row) => row.className === "more")) {
    tools.append(checkbox(key("rows"), `all ${rows.length} rows`, false, (all) => table.classList.toggle("whole", all)));
  }
  tools.append(makeSortable(table, key("sort")), makeCopies(box, `${article.id}${index ? `-${index + 1}` : ""}`));
  article.addEventListener("filter", ({ detail }) => {
    table.classList.toggle("filtered", detail !== "");
    rows.forEach((row) => (row.hidden = !matches(row.textContent, detail)));
  });
  box.prepend(tools);
  makeRoving(table);
}

// One filter for the variants of an article: its tables and its curves listen to it.
function makeFilter(article) {
  const input = element("input", { type: "search", name: "filter", placeholder: "words of a name or a row" });
  input.addEventListener("input", () => article.dispatchEvent(new CustomEvent("filter", { detail: input.value.trim() })));
  return element("label", {}, "filter", input);
}

function makeCopies(box, name) {
  const copies = unpack(box.querySelector(".copies"));
  const copy = (kind) => async (button) => copyText(button, (await copies)[kind]);
  return menu("Copy", {
    LaTeX: copy("LaTeX"), Markdown: copy("Markdown"), CSV: copy("CSV"),
    "Save as CSV": async () => save(`${name}.csv`, new Blob([(await copies).CSV], { type: "text/csv" })),
  });
}

function makeSortable(table, name) {
  const original = rowsOf(table), heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator("en", { numeric: true }), state = memory(name);
  heads.forEach((head, column) => {
    const button = element("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const order = { ascending: "descending", descending: "" }[head.ariaSort] ?? "ascending";
      state.value = order && `${column} ${order}`;
      state.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });
  state.addEventListener("change", () => {
    const [column, order] = state.value.split(" ");
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    if (order) heads[column].setAttribute("aria-sort", order);
    const numeric = heads[column]?.classList.contains("number");
    const rows = order ? sorted(Number(column), numeric, order === "ascending" ? 1 : -1) : original;
    const many = original.some((row) => row.className === "more"), most = original.findIndex((row) => row.className === "more");
    rows.forEach((row) => row.parentNode.append(row)); // each within its group
    if (many) rows.forEach((row, place) => row.classList.toggle("more", place >= most));
  });
  return state;

  function sorted(column, numeric, sign) { // cells without a number come last either way
    const value = (row) => parseFloat(row.cells[column].dataset.value), text = (row) => row.cells[column].textContent;
    if (!numeric) return [...original].sort((a, b) => sign * words.compare(text(a), text(b)));
    const known = original.filter((row) => !isNaN(value(row))), unknown = original.filter((row) => isNaN(value(row)));
    return [...known.sort((a, b) => (value(a) === value(b) ? 0 : sign * (value(a) - value(b)))), ...unknown];
  }
}

// A table is one stop of the Tab key; arrow keys move within it.
function makeRoving(table) {
  const buttons = [...table.querySelectorAll("button")];
  const stop = (button) => buttons.forEach((other) => (other.tabIndex = other === button ? 0 : -1));
  const box = table.closest(".scroll");
  stop(buttons[0]);
  box.removeAttribute("tabindex");
  table.addEventListener("focusin", ({ target }) => stop(target));
  table.addEventListener("keydown", (event) => {
    const [down, right] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key] ?? [];
    const cell = event.target.closest("th, td");
    if (down === undefined || !cell) return;
    const rows = [...table.rows].filter((row) => row.getClientRects().length), line = rows.indexOf(cell.parentNode);
    const ahead = right
      ? [...cell.parentNode.cells].slice(right > 0 ? cell.cellIndex + 1 : 0, right > 0 ? undefined : cell.cellIndex)
      : rows.slice(down > 0 ? line + 1 : 0, down > 0 ? undefined : line).map((row) => row.cells[cell.cellIndex]);
    if (right < 0 || down < 0) ahead.reverse();
    ahead.map((each) => each.querySelector("button")).find((button) => button?.getClientRects().length)?.focus();
    event.preventDefault();
  });
}

// Trials of a cell --------------------------------------------------------------------------------------------------

const dialog = document.body.appendChild(element("dialog", { "aria-labelledby": "trials-of" }));
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop

const provenances = new Map(); // the trials of each article, unpacked when they are first asked for

function trialsOf(article) {
  if (!provenances.has(article)) provenances.set(article, unpack(article.querySelector(".trials script")));
  return provenances.get(article);
}

function makeTraceable(cell) {
  const numbers = cell.dataset.trials.split(" "), count = numbers.length === 1 ? "1 trial" : `${numbers.length} trials`;
  const says = { type: "button", "aria-haspopup": "dialog", title: `Show ${count}` };
  const button = element("button", says, ...cell.childNodes);
  cell.replaceChildren(button);
  button.addEventListener("click", () => showTrials(cell, numbers, count));
}

async function showTrials(cell, numbers, count) {
  const heads = cell.closest("table").tHead.rows[0].cells, value = cell.querySelector("button").cloneNode(true);
  value.querySelectorAll("sup").forEach((mark) => mark.remove());
  const row = cell.parentNode.cells[0].cloneNode(true);
  row.querySelectorAll("sup").forEach((mark) => mark.remove());
  const what = cell.cellIndex ? `${heads[cell.cellIndex].textContent}: ${value.textContent}` : "";
  const close = element("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(
    close,
    element("h2", { id: "trials-of" }, row.textContent),
    element("p", { class: "soft" }, [what, count].filter(Boolean).join(" · ")),
    ...provenance(await trialsOf(cell.closest("article")), numbers),
  );
  dialog.showModal();
}

// What all have in common once, as a list; the rest as a table, a row a trial.
function provenance({ titles, numeric, rows }, numbers) {
  const shown = numbers.map((number) => rows[number]), columns = [...titles.keys()];
  const common = shown.length > 1 ? columns.filter((i) => shown.every((row) => row[i] === shown[0][i])) : columns.slice(1);
  const own = columns.filter((i) => !common.includes(i));
  const facts = common.filter((i) => shown[0][i]).flatMap((i) => [
    element("dt", {}, titles[i]), element("dd", {}, shown[0][i]),
  ]);
  const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trials" });
  scroll.append(plainTable(own.map((i) => titles[i]), own.map((i) => numeric[i]), shown.map((row) => own.map((i) => row[i]))));
  return [scroll, ...(facts.length ? [element("h3", {}, "The same for all"), element("dl", {}, ...facts)] : [])];
}

function plainTable(titles, numeric, rows) {
  const kind = (i) => (numeric[i] ? { class: "number" } : {});
  const header = titles.map((title, i) => element("th", { scope: "col", ...kind(i) }, title));
  const lines = rows.map((row) => element("tr", {}, ...row.map((text, i) => element(i ? "td" : "th", kind(i), text))));
  return element("table", {}, element("thead", {}, element("tr", {}, ...header)), element("tbody", {}, ...lines));
}

function makeTrials(details) {
  details.addEventListener("toggle", async () => {
    const { titles, numeric, rows } = await trialsOf(details.closest("article"));
    if (!rows.length || details.querySelector("table")) return;
    const scroll = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trials" });
    scroll.append(plainTable(titles, numeric, rows));
    details.append(scroll);
  });
}

// Figures -----------------------------------------------------------------------------------------------------------

function makeFigure(figure) {
  const image = figure.querySelector("img"), name = figure.dataset.name, isSvg = image.src.startsWith("data:image/svg");
  const asPng = () => {
    const canvas = element("canvas"), times = isSvg ? 3 : 1;
    [canvas.width, canvas.height] = [image.naturalWidth * times, image.naturalHeight * times];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => save(`${name}.png`, blob));
  };
  const asSvg = () => save(`${name}.svg`, new Blob([decodeURIComponent(image.src.split(/,(.*)/s)[1])], { type: "image/svg+xml" }));
  figure.append(menu("Save", { ...(isSvg && { SVG: asSvg }), PNG: asPng }));
}

for (const article of document.querySelectorAll("article")) {
  article.querySelectorAll(".table").forEach(makeTable);
  article.querySelectorAll("figure").forEach(makeFigure);
  article.querySelectorAll(".trials").forEach(makeTrials);
}
for (const image of document.querySelectorAll("img[data-of]")) {
  image.src = document.getElementById(image.dataset.of).querySelector("img").src; // in the page once
}
