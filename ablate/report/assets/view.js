// The view in the address: every named control of an article that is not as it was, as in #block_types?filter=B(3,3)&log=1.

const controlsOf = (article) => [...article.querySelectorAll("input[name], select[name]")];
const valueOf = (control) => (control.type === "checkbox" ? String(+control.checked) : control.value);

function usualOf(control) {
  if (control.type === "checkbox") return String(+control.defaultChecked);
  return control.tagName === "SELECT" ? control.options[0].value : control.defaultValue;
}

function linkTo(article) {
  const changed = new URLSearchParams();
  for (const control of controlsOf(article)) {
    const value = valueOf(control);
    if (value !== (control.dataset.usual ?? usualOf(control))) changed.set(control.name, value);
  }
  return `#${article.id}${changed.size ? `?${changed}` : ""}`;
}

function show(article, wanted) {
  for (const control of controlsOf(article)) {
    const value = wanted.get(control.name);
    if (value === null || value === valueOf(control)) continue;
    if (control.type === "checkbox") control.checked = value === "1";
    else control.value = value;
    for (const name of ["input", "change"]) control.dispatchEvent(new Event(name, { bubbles: true }));
  }
  article.scrollIntoView();
}

function showAddress() {
  const [id, view] = decodeURI(location.hash.slice(1)).split(/\?(.*)/s), article = document.getElementById(id);
  if (view && article) show(article, new URLSearchParams(location.hash.split(/\?(.*)/s)[1]));
}

Promise.all([...plots]).then(() => {
  showAddress();
  addEventListener("hashchange", showAddress);
  for (const name of ["change", "input"]) {
    document.addEventListener(name, ({ target }) => {
      const article = target.name && target.closest("article");
      if (article) history.replaceState(null, "", linkTo(article));
    });
  }
  document.documentElement.dataset.ready = "";
});
