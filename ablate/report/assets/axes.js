// The variants of a study of many axes: a vertical axis each, the measure last, a line a variant, the best ones in colour.
// Dragging along an axis chooses the lines that cross it there; a click on the axis lets all through again.

const words = new Intl.Collator("en", { numeric: true });

async function makeAxes(box) {
  const { axes, rows, measure, maximized } = await unpack(box.querySelector("script")), article = box.closest("article");
  const shown = rows.filter(([, , value]) => value !== null);
  const chosen = memory("axes"), svg = drawn(box, "svg", { class: "lines" });
  const top = 40, bottom = 330, width = Math.max(640, 190 * axes.length + 160), names = [...axes, measure];
  const at = (i) => 60 + (i * (width - 160)) / (names.length - 1);
  const values = (i) => shown.map(([, on, value]) => (i < axes.length ? on[i] : value));
  const ranked = [...shown].sort((a, b) => (maximized ? b[2] - a[2] : a[2] - b[2]));
  let brushes = new Map(), filter = "", from = null;
  box.querySelector("p").remove();
  box.append(chosen);
  svg.setAttribute("viewBox", `0 0 ${width} ${bottom + 20}`);
  svg.setAttribute("width", width);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${shown.length} variants on ${names.join(", ")}; the table has the same values.`);

  const scales = names.map((_, i) => {
    const all = values(i), kinds = [...new Set(all)].sort((a, b) => words.compare(a, b));
    if (all.every((value) => typeof value === "number")) {
      const low = Math.min(...all), high = Math.max(...all), place = scale(low, high > low ? high : low + 1, bottom - 8, top + 8, low > 0 && high > 20 * low);
      return Object.assign(place, { marks: kinds.length <= 8 ? kinds : ticks(place, 6) });
    }
    return Object.assign((value) => bottom - ((kinds.indexOf(value) + 0.5) * (bottom - top)) / kinds.length, { marks: kinds });
  });
  const lines = [...ranked].reverse().map((row) => { // the best are drawn last
    const [name, on, value] = row, share = ranked.length > 1 ? ranked.indexOf(row) / (ranked.length - 1) : 0;
    const beside = (share - 0.5) * Math.min(16, shown.length); // lines through one value lie side by side, the best above
    const ys = names.map((_, i) => (i < axes.length ? scales[i](on[i]) + beside : scales[i](value)));
    const line = drawn(svg, "path", { d: `M${ys.map((y, i) => `${at(i).toFixed(1)} ${y.toFixed(1)}`).join("L")}` });
    line.style.setProperty("--share", `${Math.round(100 * share ** 0.5)}%`);
    drawn(line, "title", {}, `${name}: ${measure} ${value}`);
    return { name, ys, line };
  });
  names.forEach((name, i) => {
    const group = drawn(svg, "g", { class: "axis" });
    drawn(group, "path", { d: `M${at(i)} ${top}V${bottom}` });
    drawn(group, "text", { class: "name", x: at(i), y: 20, "text-anchor": "middle" }, name);
    for (const mark of scales[i].marks) drawn(group, "text", { x: at(i) + 7, y: scales[i](mark) + 4 }, String(mark).replace(/^(.{18}).{3,}$/, "$1…"));
    drawn(group, "rect", { class: "brush", x: at(i) - 7, width: 14, visibility: "hidden" });
    const handle = drawn(group, "rect", { class: "handle", x: at(i) - 14, y: top - 8, width: 28, height: bottom - top + 16 });
    const pixel = ({ clientY }) => {
      const frame = svg.getBoundingClientRect();
      return ((clientY - frame.top) / frame.height) * svg.viewBox.baseVal.height;
    };
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      from = pixel(event);
    });
    handle.addEventListener("pointerup", (event) => {
      const ends = [from, pixel(event)].sort((a, b) => a - b);
      brushes.delete(i);
      if (ends[1] - ends[0] > 4) brushes.set(i, ends);
      chosen.value = [...brushes].map(([n, [a, b]]) => `${n}:${a.toFixed(0)}:${b.toFixed(0)}`).join(",");
      chosen.dispatchEvent(new Event("change", { bubbles: true }));
    });
  });

  function draw() {
    brushes = new Map(chosen.value.split(",").filter(Boolean).map((text) => text.split(":").map(Number)).map(([n, a, b]) => [n, [a, b]]));
    for (const { name, ys, line } of lines) {
      const inside = [...brushes].every(([i, [a, b]]) => ys[i] >= a - 1 && ys[i] <= b + 1);
      line.setAttribute("class", inside && matches(name, filter) ? "" : "out");
    }
    svg.querySelectorAll(".brush").forEach((rect, i) => {
      const [a, b] = brushes.get(i) ?? [0, 0];
      for (const [key, value] of Object.entries({ y: a, height: b - a, visibility: b > a ? "visible" : "hidden" })) rect.setAttribute(key, value);
    });
  }

  chosen.addEventListener("change", draw);
  article.addEventListener("filter", ({ detail }) => {
    filter = detail;
    draw();
  });
}

plots.push(...[...document.querySelectorAll(".axes")].map(makeAxes));
