// Every seed's curve: the measure that the study decides by (`error`) above, the training loss below. All lines are drawn
// once on a canvas; what the pointer or the keyboard is at is drawn again above it, so a move redraws a few lines only.

const SHAPES = { // matplotlib's markers: corners, turn in degrees, inner radius of a star
  o: [24, 0], s: [4, 45], D: [4, 0], "^": [3, -90], v: [3, 90], P: [4, 0, 0.4], X: [4, 45, 0.4], "*": [5, -90, 0.45],
  "<": [3, 180], ">": [3, 0], h: [6, 0], p: [5, -90],
};
const SMOOTHING = { "": 0, light: 0.6, strong: 0.9 };
const FEW = 12, MANY = 48; // variants: whose names stand at the ends of their lines; whose medians are thin

function drawn(parent, name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return parent.appendChild(made);
}

function outline(marker, x, y, radius) {
  const [corners, turn, inner] = SHAPES[marker] ?? SHAPES.o, count = inner ? 2 * corners : corners;
  const points = Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count + (turn * Math.PI) / 180, r = radius * (inner && i % 2 ? inner : 1) * 1.15;
    return `${(x + r * Math.cos(angle)).toFixed(1)} ${(y + r * Math.sin(angle)).toFixed(1)}`;
  });
  return `M${points.join("L")}Z`;
}

function scale(low, high, from, to, log = false) {
  const at = log ? Math.log : Number, [a, b] = [at(low), at(high)];
  const scaled = (value) => from + ((at(value) - a) / (b - a)) * (to - from);
  const back = (pixel) => a + ((pixel - from) / (to - from)) * (b - a);
  return Object.assign(scaled, { low, high, log, back: log ? (pixel) => Math.exp(back(pixel)) : back });
}

function ticks({ low, high, log }, most) {
  if (log && high / low > 3) {
    const powers = Array.from({ length: 40 }, (_, i) => 10 ** (i - 20)), ratio = high / low;
    const steps = ratio > 10 ** (most / 2) ? [1] : ratio > 20 ? [1, 2, 5] : [1, 2, 3, 4, 5, 6, 8];
    return powers.flatMap((power) => steps.map((step) => +(step * power).toPrecision(1))).filter((v) => v >= low && v <= high);
  }
  const least = (high - low) / Math.max(2, most), power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= least * 0.999);
  const first = Math.ceil(low / step - 1e-9), count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, i) => +((first + i) * step).toPrecision(6));
}

// The range of an axis for some values: from zero, unless they all lie far from it or the axis is logarithmic.
function range(values, log) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity), high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!values.length) return [log ? 0.1 : 0, 1];
  if (log) return [low / 1.1, high * 1.1];
  const margin = 0.06 * (high - low) || 0.1 * Math.abs(high) || 1;
  return [low >= 0 && low < high / 3 ? 0 : low - margin, high + margin];
}

// The exponential mean of a line, with the first values weighted right; a value that is missing stays missing.
function smoothed(values, keep) {
  if (!keep) return values;
  let sum = 0, weight = 0;
  return values.map((value) => {
    if (value === null) return null;
    [sum, weight] = [keep * sum + (1 - keep) * value, keep * weight + 1 - keep];
    return sum / weight;
  });
}

function allEpochs(variants) { // the first and the last epoch stand for all between them
  for (const variant of variants) variant.name = variant.label;
  for (const line of variants.flatMap((variant) => variant.lines)) {
    const [first, last] = line.epoch;
    if (line.error.length > line.epoch.length) line.epoch = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  }
  return variants;
}

async function makeCurves(box, index) {
  const { measure, unit } = box.dataset, article = box.closest("article");
  const { variants: own, every } = await unpack(box.querySelector("script"));
  allEpochs(own);
  let variants = own, filter = "", series = [], panels = [], lit = [], at = null, zoomed = null;
  const has = (kind) => own.some(({ lines }) => lines.some((line) => line[kind].some((value) => value !== null)));
  const kinds = ["error", "loss"].filter(has), hidden = new Set(), pinned = new Set(), dark = matchMedia("(prefers-color-scheme: dark)");
  const last = Math.max(2, ...own.flatMap(({ lines }) => lines.flatMap(({ epoch }) => epoch.slice(-1))));
  const titles = { error: `${measure}${unit && `, ${unit}`}`, loss: "training loss, nats" };

  const plot = element("div", { class: "plot" }), canvas = plot.appendChild(element("canvas", { "aria-hidden": "true" }));
  const svg = drawn(plot, "svg", {
    tabindex: 0, role: "group",
    "aria-label": "Training curves. Arrow keys move along and between them, Enter pins a variant, Escape lets go.",
  });
  const axes = drawn(svg, "g", {}), hot = drawn(svg, "g", {}), dot = drawn(svg, "circle", { class: "dot", r: 4.5 });
  const brush = drawn(svg, "rect", { class: "brush", visibility: "hidden" });
  const tip = plot.appendChild(element("div", { class: "tip", role: "status" }));
  const controls = {}, legend = element("ul", { class: "legend" });
  box.querySelector("p").remove(); // it says that this script is needed
  box.append(makeControls(), plot, makeLegend());

  function visible() {
    return variants.filter((variant) => !hidden.has(variant) && matches(variant.label, filter));
  }

  function draw(room = plot.clientWidth, ratio = Math.max(devicePixelRatio, 1)) {
    const width = Math.max(280, room), shown = visible(), named = width > 700 && shown.length <= FEW;
    const style = getComputedStyle(box), context = canvas.getContext("2d");
    const left = 58, right = width - (named ? Math.min(260, 30 + 7 * Math.max(...shown.map(({ name }) => name.length), 0)) : 14);
    const shownKinds = kinds.filter((kind) => kind === "error" || controls.loss?.checked !== false);
    const tall = Math.round(Math.min(420, Math.max(250, width * 0.42)));
    const [from, to] = [Math.max(1, +controls.from.value), Math.min(last, +controls.to.value)];
    const x = scale(from, Math.max(from + 1, to), left + 8, right - 8);
    const height = shownKinds.reduce((sum, kind) => sum + (kind === "error" || shownKinds.length < 2 ? tall : tall / 2), 0) + 44;
    [canvas.width, canvas.height] = [width * ratio, height * ratio];
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    context.scale(ratio, ratio);
    axes.replaceChildren();
    [series, panels] = [[], []];
    let top = 8;
    for (const kind of shownKinds) {
      const bottom = top + (kind === "error" || shownKinds.length < 2 ? tall : tall / 2) - 14;
      panels.push({ kind, top, bottom, ...addSeries(kind, shown, x, top, bottom) });
      top = bottom + 14;
    }
    for (const panel of panels) drawPanel(context, panel, x, left, right, style);
    drawEpochs(x, left, right, height);
    if (named) drawNames(shown, right);
    plot.dataset.lines = series.length;
    lit = [];
    light();
  }

  // The lines of a panel in pixels, and the scale of its values.
  function addSeries(kind, shown, x, top, bottom) {
    const keep = SMOOTHING[controls.smooth.value], lines = [];
    const start = Math.max(x.low, x.low === 1 ? last / 10 : 0) - 1e-9; // the first tenth would press the rest flat
    const judged = [];
    for (const variant of shown) {
      for (const line of variant.lines) {
        if (!line.bold && !controls.seeds.checked) continue;
        const values = smoothed(line[kind], keep);
        values.forEach((value, i) => value !== null && line.epoch[i] >= start && line.epoch[i] <= x.high && judged.push(value));
        lines.push({ variant, line, kind, values });
      }
    }
    const log = (kind === "loss" || controls.log.checked) && judged.every((value) => value > 0);
    const y = scale(...range(judged, log), bottom, top, log);
    for (const one of lines) {
      const known = one.values.map((_, i) => i).filter((i) =>
        one.values[i] !== null && one.line.epoch[i] >= x.low && one.line.epoch[i] <= x.high && !(log && one.values[i] <= 0));
      one.points = known.map((i) => ({ x: x(one.line.epoch[i]), y: y(one.values[i]), i }));
      if (one.points.length) series.push(one);
    }
    return { y, log };
  }

  function colourOf({ colour }) {
    return dark.matches ? `color-mix(in oklab, ${colour}, white 35%)` : colour;
  }

  function path({ points }) { // a new start after a gap
    return points.map((p, n) => `${n && p.i === points[n - 1].i + 1 ? "L" : "M"}${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join("");
  }

  function drawPanel(context, { kind, top, bottom, y }, x, left, right, style) {
    for (const value of ticks(y, (bottom - top) / 40)) {
      drawn(axes, "path", { class: "grid", d: `M${left} ${y(value).toFixed(1)}H${right}` });
      drawn(axes, "text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, String(value));
    }
    drawn(axes, "path", { class: "frame", d: `M${left} ${top}V${bottom}H${right}` });
    const middle = (top + bottom) / 2;
    drawn(axes, "text", { class: "name", "text-anchor": "middle", x: 13, y: middle, transform: `rotate(-90 13 ${middle})` }, titles[kind]);
    const clip = drawn(axes, "clipPath", { id: `frame-${index}-${kind}` });
    drawn(clip, "rect", { x: left, y: top, width: right - left, height: bottom - top });
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.clip();
    const many = new Set(series.map(({ variant }) => variant)).size > MANY;
    for (const bold of [false, true]) {
      for (const one of series) {
        if (one.kind !== kind || one.line.bold !== bold) continue;
        context.globalAlpha = bold && !many ? 1 : 0.35;
        context.lineWidth = bold && !many ? 2.2 : 1;
        context.setLineDash(one.variant.imported || one.variant.foreign ? [7, 3] : []);
        context.strokeStyle = context.fillStyle = one.variant.imported ? style.getPropertyValue("--soft") : colourOf(one.variant);
        context.stroke(new Path2D(path(one)));
        if (!bold || many || kind === "loss") continue;
        const step = Math.max(1, Math.floor(one.points.length / 8));
        context.strokeStyle = style.getPropertyValue("--paper");
        context.lineWidth = 0.8;
        context.setLineDash([]);
        one.points.forEach((p, n) => {
          if (n % step !== one.variant.number % step) return;
          const mark = new Path2D(outline(one.variant.marker, p.x, p.y, 3.6));
          context.fill(mark);
          context.stroke(mark);
        });
      }
    }
    context.restore();
  }

  function drawEpochs(x, left, right, height) {
    for (const value of ticks(x, (right - left) / 80).filter(Number.isInteger)) {
      drawn(axes, "text", { class: "epoch", x: x(value), y: height - 24, "text-anchor": "middle" }, String(value));
    }
    drawn(axes, "text", { class: "name", x: (left + right) / 2, y: height - 4, "text-anchor": "middle" }, "epoch");
  }

  // The names at the ends of their lines, in the order of the last values, none above another.
  function drawNames(shown, right) {
    const panel = panels[0], ends = series.filter((one) => one.kind === panel.kind && one.line.bold);
    const placed = ends.map((one) => ({ one, y: Math.min(panel.bottom, Math.max(panel.top + 6, one.points.at(-1).y)) }));
    placed.sort((a, b) => a.y - b.y);
    const step = Math.min(15, (panel.bottom - panel.top) / Math.max(1, placed.length));
    placed.forEach((each, n) => n && (each.y = Math.max(each.y, placed[n - 1].y + step)));
    placed.reverse().forEach((each, n) => (each.y = Math.min(each.y, n ? placed[n - 1].y - step : panel.bottom)));
    for (const { one, y } of placed) {
      const group = drawn(axes, "g", { class: "end" });
      group.style.setProperty("--line", one.variant.imported ? "var(--soft)" : colourOf(one.variant));
      drawn(group, "path", { class: "marker", d: outline(one.variant.marker, right + 10, y, 3.6) });
      drawn(group, "text", { x: right + 20, y: y + 4 }, one.variant.name.replace(/^(.{32}).{3,}$/, "$1…"));
    }
  }

  // The variant at hand and the pinned ones stay bright, the others fade. Their lines change only where the variants do.
  function light(only = at?.variant) {
    const bright = new Set(only ? [...pinned, only] : pinned);
    const lines = series.filter((one) => bright.has(one.variant)), key = [at?.line, ...lines];
    if (key.length !== lit.length || key.some((one, n) => one !== lit[n])) {
      lit = key;
      canvas.classList.toggle("faded", bright.size > 0);
      hot.replaceChildren(...lines.map((one) => {
        const line = drawn(hot, "path", {
          class: `curve ${one.line.bold ? "bold" : "thin"} ${at?.line === one.line ? "at" : ""}`,
          d: path(one), "clip-path": `url(#frame-${index}-${one.kind})`,
        });
        line.style.setProperty("--line", one.variant.imported ? "var(--soft)" : colourOf(one.variant));
        return line;
      }));
      plot.dataset.bright = lines.length;
    }
    tip.hidden = !at;
    dot.setAttribute("visibility", at ? "visible" : "hidden");
    if (at) tell(at);
  }

  function tell({ variant, line, point }) {
    const [epoch, error, loss] = [line.epoch, line.error, line.loss].map((values) => values[point.i]);
    const said = [`${line.name}, epoch ${epoch}`];
    if (error !== null) said.push(`${measure} ${error} ${unit}`.trim());
    if (loss !== null) said.push(`training loss ${loss} nats`);
    tip.replaceChildren(element("b", {}, variant.label), ...said.map((text) => element("div", {}, text)));
    if (line.trial !== null && !variant.foreign) {
      trialsOf(article).then(({ rows }) => at?.line === line && !tip.querySelector("code") && tip.append(element("code", {}, rows[line.trial][0])));
    }
    const beside = point.x > plot.clientWidth / 2 ? point.x - tip.offsetWidth - 16 : point.x + 16;
    tip.style.left = `${Math.max(0, Math.min(beside, plot.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, Math.min(point.y - tip.offsetHeight / 2, plot.clientHeight - tip.offsetHeight))}px`;
    dot.setAttribute("cx", point.x);
    dot.setAttribute("cy", point.y);
  }

  function place({ clientX, clientY }) {
    const corner = svg.getBoundingClientRect();
    return [clientX - corner.left, clientY - corner.top];
  }

  // The curve nearest above or below the pointer, at its epoch nearest to it; null if none is near.
  function nearest(event) {
    const [x, y] = place(event), panel = panels.find(({ bottom }) => y <= bottom + 14);
    let found = null, least = 30;
    for (const one of series) {
      if (one.kind !== panel?.kind) continue;
      const { points } = one;
      let low = 0, high = points.length - 1;
      while (low < high) [low, high] = points[(low + high) >> 1].x < x ? [((low + high) >> 1) + 1, high] : [low, (low + high) >> 1];
      const a = points[Math.max(0, low - 1)], b = points[low], beside = Math.max(0, a.x - x, x - b.x);
      const along = b.x > a.x ? Math.max(0, Math.min(1, (x - a.x) / (b.x - a.x))) : 1, point = along < 0.5 ? a : b;
      const away = Math.hypot(a.y + along * (b.y - a.y) - y, beside) - (one.line.bold ? 2 : 0); // of equals the median
      if (away <= least) [found, least] = [{ ...one, point }, away];
    }
    return found;
  }

  function moveTo(found) {
    if (found?.line === at?.line && found?.point.i === at?.point.i && found?.kind === at?.kind) return;
    at = found;
    light();
  }

  function pin() {
    if (at && !pinned.delete(at.variant)) pinned.add(at.variant);
    light();
  }

  function press(event) {
    const [down, right] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key] ?? [];
    const listed = series.filter((one) => one.kind === panels[0].kind);
    if (event.key === "Enter") pin();
    else if (event.key === "Escape") {
      pinned.clear();
      at = null;
    } else if (down === undefined || !listed.length) return;
    else {
      const one = listed.at((listed.findIndex((each) => each.line === at?.line) + (at ? down : 0)) % listed.length);
      const same = one.points.findIndex((p) => p.i >= at?.point.i), most = one.points.length - 1;
      at = { ...one, point: one.points[Math.max(0, Math.min((same < 0 ? most : same) + right, most))] };
    }
    event.preventDefault();
    light();
  }

  // Dragging across the plot chooses its epochs, a double click shows all of them again.
  function zoom(from, to) {
    [controls.from.value, controls.to.value] = [from, to];
    controls.to.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function drag(event) {
    if (zoomed === null) return false;
    const [x] = place(event), [low, high] = [Math.min(zoomed, x), Math.max(zoomed, x)];
    if (high - low < 6) return false;
    const { top } = panels[0], { bottom } = panels.at(-1);
    for (const [key, value] of Object.entries({ x: low, y: top, width: high - low, height: bottom - top, visibility: "visible" })) {
      brush.setAttribute(key, value);
    }
    moveTo(null);
    return true;
  }

  function drop(event) {
    const [x] = place(event), dragged = drag(event), from = zoomed;
    brush.setAttribute("visibility", "hidden");
    zoomed = null;
    if (!dragged) return;
    const [left, right] = svg.querySelector(".grid").getAttribute("d").match(/[\d.]+/g).filter((_, i) => i !== 1).map(Number);
    const across = scale(Math.max(1, +controls.from.value), Math.min(last, +controls.to.value), left + 8, right - 8);
    const [low, high] = [Math.min(from, x), Math.max(from, x)].map((pixel) => Math.round(across.back(pixel)));
    zoom(Math.max(1, low), Math.min(last, Math.max(low + 1, high)));
  }

  // The plot as it is, as a PNG: the canvas below the texts, with the styles that the page gives them.
  function savePicture() {
    const copy = svg.cloneNode(true), [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
    const styles = ["fill", "stroke", "stroke-width", "font-family", "font-size", "visibility"], all = copy.querySelectorAll("*");
    svg.querySelectorAll("*").forEach((each, n) => {
      const style = getComputedStyle(each);
      for (const name of styles) all[n].setAttribute(name, style.getPropertyValue(name));
    });
    const [picture, image] = [element("canvas", { width: 2 * width, height: 2 * height }), new Image()], context = picture.getContext("2d");
    image.onload = () => {
      context.fillStyle = getComputedStyle(box).getPropertyValue("--paper");
      context.fillRect(0, 0, picture.width, picture.height);
      context.drawImage(canvas, 0, 0, picture.width, picture.height);
      context.drawImage(image, 0, 0, picture.width, picture.height);
      picture.toBlob((blob) => save(`${article.id}-curves.png`, blob));
    };
    for (const [key, value] of Object.entries({ xmlns: "http://www.w3.org/2000/svg", width, height })) copy.setAttribute(key, value);
    image.src = `data:image/svg+xml,${encodeURIComponent(copy.outerHTML)}`;
  }

  function control(name, input, act = draw) {
    controls[name] = input;
    input.addEventListener("change", () => {
      at = null;
      act();
    });
    return input;
  }

  function makeControls() {
    const check = (name, text, checked) =>
      element("label", {}, control(name, element("input", { type: "checkbox", name, ...(checked && { checked: "" }) }), () => draw()), text);
    const number = (name, value) =>
      control(name, element("input", { type: "number", name, value, min: 1, max: last }), () => draw());
    const choice = (name, options) =>
      control(name, element("select", { name }, ...Object.entries(options).map(([value, text]) => element("option", { value }, text))), () => draw());
    const smooth = choice("smooth", { "": "none", light: "light", strong: "strong" });
    const others = [...document.querySelectorAll(".curves")].filter((other) => other !== box && other.dataset.measure === measure);
    const made = element("p", { class: "controls" }, check("seeds", "every seed", own.length <= FEW));
    if (kinds.length > 1) made.append(check("loss", "training loss", true));
    made.append(check("log", "log axis", false), element("label", {}, "smoothing", smooth));
    made.append(element("label", {}, "epochs", number("from", 1), "to", number("to", last)));
    if (others.length) {
      const titles = { "": "none", ...Object.fromEntries(others.map((other) => [other.closest("article").id, other.dataset.title])) };
      made.append(element("label", {}, "beside", choice("with", titles)));
      controls.with.addEventListener("change", () => compare(others.find((other) => other.closest("article").id === controls.with.value)));
    }
    made.append(...Object.entries({
      "all epochs": () => zoom(1, last),
      "copy link": (button) => copyText(button, new URL(linkTo(article), location.href).href),
      "save": savePicture,
    }).map(([text, act]) => {
      const button = element("button", { type: "button", class: "tool" }, text);
      button.addEventListener("click", () => act(button));
      return button;
    }));
    if (every > 1) made.append(element("span", {}, `every ${every} epochs are shown`));
    return made;
  }

  // Another study's curves in this plot, dashed.
  async function compare(other) {
    const theirs = other ? allEpochs((await unpack(other.querySelector("script"))).variants) : [];
    const title = other?.dataset.title;
    variants = [...own, ...theirs.map((variant) => ({ ...variant, label: `${variant.label} (${title})`, foreign: true }))];
    legend.replaceWith(makeLegend());
    draw();
  }

  function makeLegend() {
    legend.replaceChildren(...variants.map((variant, n) => {
      const box = element("input", { type: "checkbox", name: `show${n}`, ...(!hidden.has(variant) && { checked: "" }) });
      const label = element("label", {}, box), size = { viewBox: "0 0 30 12", width: 30, height: 12, "aria-hidden": "true" };
      const swatch = drawn(label, "svg", size);
      swatch.style.setProperty("--line", variant.imported ? "var(--soft)" : colourOf(variant));
      drawn(swatch, "path", { class: `curve ${variant.imported || variant.foreign ? "dashed" : ""}`, d: "M1 6H29" });
      drawn(swatch, "path", { class: "marker", d: outline(variant.marker, 15, 6, 3.6) });
      label.append(variant.label);
      box.addEventListener("change", () => {
        if (box.checked) hidden.delete(variant);
        else hidden.add(variant);
        at = null;
        draw();
      });
      label.addEventListener("pointerenter", () => light(hidden.has(variant) ? null : variant));
      label.addEventListener("pointerleave", () => light());
      return element("li", {}, label);
    }));
    return legend;
  }

  article.addEventListener("filter", ({ detail }) => {
    filter = detail;
    [...legend.children].forEach((item, n) => (item.hidden = !matches(variants[n].label, filter)));
    at = null;
    draw();
  });
  svg.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0) [zoomed] = place(event);
  });
  svg.addEventListener("pointermove", (event) => drag(event) || moveTo(nearest(event)));
  svg.addEventListener("pointerleave", (event) => {
    drop(event);
    moveTo(null);
  });
  svg.addEventListener("pointerup", (event) => {
    const brushed = zoomed !== null && Math.abs(place(event)[0] - zoomed) >= 6;
    drop(event);
    if (brushed) return;
    moveTo(nearest(event));
    pin();
  });
  svg.addEventListener("dblclick", () => {
    pinned.clear();
    zoom(1, last);
  });
  svg.addEventListener("keydown", press);
  dark.addEventListener("change", () => {
    legend.replaceWith(makeLegend());
    draw();
  });
  new ResizeObserver(() => draw()).observe(plot);
  addEventListener("beforeprint", () => draw(640, 4)); // else a wide window's small letters
  addEventListener("afterprint", () => draw());
}

const plots = [...document.querySelectorAll(".curves")].map(makeCurves);
