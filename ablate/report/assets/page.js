// What a table can do beyond being read: it sorts, and a cell shows the trials behind it.
// Every text goes in as text, never as HTML.
"use strict";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Tables ------------------------------------------------------------------------------------------------------------

function makeSortable(table) {
  const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const words = new Intl.Collator("en", { numeric: true });
  heads.forEach((head, column) => {
    const button = element("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const order = { ascending: "descending", descending: "" }[head.ariaSort] ?? "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order) head.setAttribute("aria-sort", order);
      body.append(...(order ? sorted(column, head.className === "number", order === "ascending" ? 1 : -1) : original));
    });
  });

  function sorted(column, numeric, sign) { // cells without a number come last either way
    const value = (row) => parseFloat(row.cells[column].dataset.value), text = (row) => row.cells[column].textContent;
    if (!numeric) return [...original].sort((a, b) => sign * words.compare(text(a), text(b)));
    const known = original.filter((row) => !isNaN(value(row))), unknown = original.filter((row) => isNaN(value(row)));
    return [...known.sort((a, b) => (value(a) === value(b) ? 0 : sign * (value(a) - value(b)))), ...unknown];
  }
}

// Trials of a cell --------------------------------------------------------------------------------------------------

const dialog = document.body.appendChild(element("dialog", { "aria-labelledby": "trials-of" }));
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop

function makeTraceable(cell) {
  const ids = cell.dataset.trials.split(" "), count = ids.length === 1 ? "1 trial" : `${ids.length} trials`;
  const says = { type: "button", "aria-haspopup": "dialog", title: `Show ${count}` };
  const button = element("button", says, ...cell.childNodes);
  cell.replaceChildren(button);
  button.addEventListener("click", () => showTrials(cell, ids, count));
}

function showTrials(cell, ids, count) {
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
    ...provenance(cell.closest("article").querySelector(".trials table"), ids),
  );
  dialog.showModal();
}

// What all have in common once, as a list; the rest as a table, a row a trial.
function provenance(table, ids) {
  const names = [...table.tHead.rows[0].cells].map((head) => head.textContent);
  const rows = [...table.tBodies[0].rows].filter((row) => ids.includes(row.cells[0].dataset.trial));
  rows.sort((a, b) => ids.indexOf(a.cells[0].dataset.trial) - ids.indexOf(b.cells[0].dataset.trial));
  const text = (row, column) => row.cells[column].textContent;
  const columns = names.map((_, column) => column);
  const common = columns.filter((column) => rows.every((row) => text(row, column) === text(rows[0], column)));
  const own = columns.filter((column) => !common.includes(column));
  const copy = (cell) => cell.cloneNode(true);
  const facts = common.filter((column) => text(rows[0], column)).flatMap((column) => [
    element("dt", {}, names[column]), element("dd", {}, text(rows[0], column)),
  ]);
  if (!own.length) return [element("dl", {}, ...facts)];
  const kind = (column) => rows[0].cells[column].className;
  const header = own.map((column) => element("th", { scope: "col", class: kind(column) }, names[column]));
  const lines = rows.map((row) => element("tr", {}, ...own.map((column) => copy(row.cells[column]))));
  const grid = element("table", {}, element("thead", {}, element("tr", {}, ...header)), element("tbody", {}, ...lines));
  return [
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Trials" }, grid),
    ...(facts.length ? [element("h3", {}, "The same for all"), element("dl", {}, ...facts)] : []),
  ];
}

document.querySelectorAll("[data-trials]").forEach(makeTraceable);
document.querySelectorAll("main table").forEach(makeSortable);
