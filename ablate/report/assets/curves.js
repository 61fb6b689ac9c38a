// Every seed's curve, drawn from the JSON beside it: the measure that the study decides by (`error`) solid on the
// right axis, training loss dashed on the left.

const SHAPES = [ // the markers of the figures, in their order: corners, turn in degrees, inner radius of a star
  [24, 0], [4, 45], [4, 0], [3, -90], [3, 90], [4, 0, 0.4],
  [4, 45, 0.4], [5, -90, 0.45], [3, 180], [3, 0], [6, 0], [5, -90],
];
const PARTS = { all: 0, "last half": 0.5, "last tenth": 0.9 }; // of the epochs: where they start

function drawn(parent, name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return parent.appendChild(made);
}

function drawMarker(parent, number, x, y, radius = 3.6) {
  const [corners, turn, inner] = SHAPES[number % SHAPES.length], count = inner ? 2 * corners : corners;
  const points = Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count + (turn * Math.PI) / 180, r = radius * (inner && i % 2 ? inner : 1) * 1.15;
    return `${(x + r * Math.cos(angle)).toFixed(1)},${(y + r * Math.sin(angle)).toFixed(1)}`;
  });
  drawn(parent, "polygon", { class: "marker", points: points.join(" ") });
}

const look = (variant) => `variant ${variant.imported ? "imported" : `c${variant.colour}`}`;

function scale(low, high, from, to) {
  return Object.assign((value) => from + ((value - low) / (high - low)) * (to - from), { low, high });
}

function ticks({ low, high }, most) {
  const least = (high - low) / Math.max(2, most), power = 10 ** Math.floor(Math.log10(least));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= least * 0.999);
  const first = Math.ceil(low / step - 1e-9), count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => +((first + i) * step).toPrecision(6));
}

// The range of an axis for some values: from zero, unless they all lie far from it.
function range(values) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity), high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!values.length) return [0, 1];
  const margin = 0.06 * (high - low) || 0.1 * Math.abs(high) || 1;
  return [low < high / 3 ? 0 : low - margin, high + margin];
}

function makeCurves(box, index) {
  const { measure, unit } = box.dataset;
  const AXES = { loss: "training loss, nats (dashed)", error: `${measure}${unit && `, ${unit}`} (solid)`, epoch: "epoch" };
  const variants = JSON.parse(box.querySelector("script").textContent);
  const lines = variants.flatMap((variant) => variant.lines);
  const has = (kind) => lines.some((line) => line[kind].some((value) => value !== null));
  const last = lines.reduce((most, line) => Math.max(most, ...line.epoch.slice(-1)), 1);
  const shown = { loss: has("loss"), error: has("error"), seeds: true, from: 0 };
  const hidden = new Set(), pinned = new Set();
  let series = [], at = null; // what is drawn, with its points in pixels; the point that the pointer or the keyboard is at

  const svg = drawn(element("div", { class: "plot" }), "svg", {
    tabindex: 0, role: "group",
    "aria-label": "Training curves. Arrow keys move along and between them, Enter pins a variant.",
  });
  const plot = svg.parentNode, tip = plot.appendChild(element("div", { class: "tip", role: "status" }));
  box.querySelector("p").remove(); // it says that this script is needed
  box.append(makeControls(), plot, makeLegend());

  function draw(room = plot.clientWidth) {
    const width = Math.max(280, room), height = Math.round(Math.min(460, Math.max(280, width / 2)));
    const left = shown.loss ? 56 : 14, right = width - (shown.error ? 50 : 14);
    const frame = { left, right, top: 10, bottom: height - 46, height };
    const visible = variants.filter((variant) => !hidden.has(variant));
    const x = scale(1 + shown.from * (last - 1), Math.max(2, last), left + 8, right - 8);
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const clip = { x: left, y: frame.top, width: right - left, height: frame.bottom - frame.top };
    drawn(drawn(svg, "clipPath", { id: `frame-${index}` }), "rect", clip);
    drawAxis("epoch", x, ticks(x, clip.width / 80).filter(Number.isInteger), frame);
    series = [];
    for (const kind of ["error", "loss"].filter((kind) => shown[kind])) {
      // The first tenth of the training would press the rest flat, so it may leave the frame.
      const start = Math.max(x.low, last / 10) - 1e-9;
      const judged = (line) => line[kind].filter((value, i) => value !== null && line.epoch[i] >= start);
      const values = visible.flatMap((variant) => variant.lines.flatMap(judged));
      const y = scale(...range(values), frame.bottom, frame.top);
      drawAxis(kind, y, ticks(y, frame.bottom / 45), frame);
      for (const variant of visible) {
        for (const line of variant.lines.filter((line) => line.bold || shown.seeds)) {
          const known = [...line.epoch.keys()].filter((i) => line[kind][i] !== null && line.epoch[i] >= x.low);
          const points = known.map((i) => ({ x: x(line.epoch[i]), y: y(line[kind][i]), i }));
          if (points.length) series.push({ variant, line, kind, points });
        }
      }
    }
    series.sort((a, b) => a.line.bold - b.line.bold || (a.kind === "error") - (b.kind === "error")); // medians on top
    series.forEach(drawSeries);
    drawn(svg, "circle", { class: "dot", r: 4.5 });
    light();
  }

  function drawAxis(kind, scaled, values, { left, right, top, bottom, height }, middle = (top + bottom) / 2) {
    const group = drawn(svg, "g", { class: "axis" });
    const upright = (x) => ({ x, y: middle, transform: `rotate(-90 ${x} ${middle})` });
    const { tick, name } = {
      epoch: {
        tick: (p) => ({ x: p, y: bottom + 18, "text-anchor": "middle" }), name: { x: (left + right) / 2, y: height - 6 },
      },
      loss: { tick: (p) => ({ x: left - 8, y: p + 4, "text-anchor": "end" }), name: upright(13) },
      error: { tick: (p) => ({ x: right + 8, y: p + 4 }), name: upright(right + 45) },
    }[kind];
    if (kind === "epoch") drawn(group, "path", { d: `M${left} ${top}V${bottom}H${right}V${top}` });
    for (const value of values) {
      if (kind === "error") drawn(group, "path", { class: "grid", d: `M${left} ${scaled(value)}H${right}` });
      drawn(group, "text", tick(scaled(value)), String(value));
    }
    drawn(group, "text", { class: "name", "text-anchor": "middle", ...name }, AXES[kind]);
  }

  function drawSeries(one) {
    const { variant, line, kind, points } = one;
    const classes = `${look(variant)} ${kind} ${line.bold ? "bold" : "thin"}`;
    one.group = drawn(svg, "g", { class: classes, "clip-path": `url(#frame-${index})` });
    const step = (p, n) => `${n && p.i === points[n - 1].i + 1 ? "L" : "M"}${p.x.toFixed(1)} ${p.y.toFixed(1)}`; // M: a gap
    drawn(one.group, "path", { class: "curve", d: points.map(step).join("") });
    if (kind === "loss" || !line.bold) return;
    const every = Math.max(1, Math.floor(points.length / 8));
    points.forEach((p, n) => n % every === variant.number % every && drawMarker(one.group, variant.number, p.x, p.y));
  }

  // The variant at hand and the pinned ones stay bright, the others fade.
  function light(only = at?.variant) {
    const bright = new Set(only ? [...pinned, only] : pinned), dot = svg.querySelector(".dot");
    svg.classList.toggle("faded", bright.size > 0);
    for (const one of series) {
      one.group.classList.toggle("bright", bright.has(one.variant));
      one.group.classList.toggle("at", at?.line === one.line);
    }
    tip.hidden = !at;
    dot.setAttribute("visibility", at ? "visible" : "hidden");
    if (at) tell(at, dot);
  }

  function tell({ variant, line, point }, dot) {
    const [epoch, error, loss] = [line.epoch, line.error, line.loss].map((values) => values[point.i]);
    const said = [`${line.name}, epoch ${epoch}`];
    if (error !== null) said.push(`${measure} ${error} ${unit}`.trim());
    if (loss !== null) said.push(`training loss ${loss} nats`);
    tip.replaceChildren(element("b", {}, variant.label), ...said.map((text) => element("div", {}, text)));
    if (line.trial) tip.append(element("code", {}, line.trial));
    const beside = point.x > plot.clientWidth / 2 ? point.x - tip.offsetWidth - 16 : point.x + 16;
    tip.style.left = `${Math.max(0, Math.min(beside, plot.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, Math.min(point.y - tip.offsetHeight / 2, plot.clientHeight - tip.offsetHeight))}px`;
    dot.setAttribute("cx", point.x);
    dot.setAttribute("cy", point.y);
  }

  // The curve nearest above or below the pointer, at its epoch nearest to it; null if none is near.
  function nearest({ clientX, clientY }) {
    const corner = svg.getBoundingClientRect(), x = clientX - corner.left, y = clientY - corner.top;
    let found = null, least = 30;
    for (const one of series) {
      const after = one.points.findIndex((p) => p.x >= x), n = after < 0 ? one.points.length - 1 : after;
      const a = one.points[Math.max(0, n - 1)], b = one.points[n], beside = Math.max(0, a.x - x, x - b.x);
      const along = b.x > a.x ? Math.max(0, Math.min(1, (x - a.x) / (b.x - a.x))) : 1, point = along < 0.5 ? a : b;
      const away = Math.hypot(a.y + along * (b.y - a.y) - y, beside);
      if (away <= least) [found, least] = [{ ...one, point }, away]; // of equals the last, drawn on top
    }
    return found;
  }

  function pin() {
    if (at && !pinned.delete(at.variant)) pinned.add(at.variant);
  }

  function press(event) {
    const [down, right] = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key] ?? [];
    const listed = series.filter((one) => one.kind === (shown.error ? "error" : "loss"));
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

  function change(key, value) {
    shown[key] = value;
    at = null;
    draw();
  }

  function makeControls() {
    const check = (key, text) => {
      const input = element("input", { type: "checkbox", checked: "" });
      input.addEventListener("change", () => change(key, input.checked));
      return element("label", {}, input, text);
    };
    const part = element("select", {}, ...Object.keys(PARTS).map((text) => element("option", {}, text)));
    part.addEventListener("change", () => change("from", PARTS[part.value]));
    const losses = shown.loss && shown.error ? [check("loss", "training loss")] : [];
    const epochs = element("label", {}, "epochs", part);
    return element("p", { class: "controls" }, check("seeds", "every seed"), ...losses, epochs);
  }

  function makeLegend() {
    return element("ul", { class: "legend" }, ...variants.map((variant) => {
      const button = element("button", { type: "button", "aria-pressed": "true", title: "Show or hide" });
      const size = { viewBox: "0 0 30 12", width: 30, height: 12, "aria-hidden": "true" };
      const swatch = drawn(button, "svg", { class: look(variant), ...size });
      drawn(swatch, "path", { class: "curve", d: "M1 6H29" });
      drawMarker(swatch, variant.number, 15, 6);
      button.append(variant.label);
      button.addEventListener("click", () => {
        if (!hidden.delete(variant)) hidden.add(variant);
        button.setAttribute("aria-pressed", String(!hidden.has(variant)));
        at = null;
        draw();
      });
      const point = () => light(hidden.has(variant) ? null : variant), leave = () => light();
      for (const name of ["pointerenter", "focus"]) button.addEventListener(name, point);
      for (const name of ["pointerleave", "blur"]) button.addEventListener(name, leave);
      return element("li", {}, button);
    }));
  }

  function moveTo(found) {
    at = found;
    light();
  }

  svg.addEventListener("pointermove", (event) => moveTo(nearest(event)));
  svg.addEventListener("pointerleave", () => moveTo(null));
  svg.addEventListener("click", (event) => {
    moveTo(nearest(event));
    pin();
    light();
  });
  svg.addEventListener("keydown", press);
  new ResizeObserver(() => draw()).observe(plot);
  addEventListener("beforeprint", () => draw(640)); // else a wide window's small letters
  addEventListener("afterprint", () => draw());
}

document.querySelectorAll(".curves").forEach(makeCurves);
