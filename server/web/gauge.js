// A counter's value between its bounds: as a bar on a card, as a dial on its page.
import { el, number, pop, svg } from "./dom.js";
import { many, say } from "./words.js";

const LONG = 7;
const ENDLESS = 16;

// Where the value stands from 0 to 1, or null where there is no ceiling to stand below.
export function share({ value, floor, ceiling }) {
  if (ceiling === null) return null;
  const low = Number(floor ?? 0);
  const span = Number(ceiling) - low;
  return span > 0 ? Math.min(1, Math.max(0, (Number(value) - low) / span)) : 1;
}

export const isFull = ({ value, ceiling }) => ceiling !== null && value >= ceiling;
// Long numbers break between their groups of digits only.
export const breakable = (text) => text.split(/(?<=\D)(?=\d)/).flatMap((part, i) => (i ? [el("wbr"), part] : [part]));
// A class for what has many digits.
export const length = (text) => (text.length > ENDLESS ? " endless" : text.length > LONG ? " long" : "");
const isLow = ({ value, floor }) => floor !== null && value <= floor;

function meterOf(node, counter, part) {
  const { name, value, floor, ceiling } = counter;
  if (part === null) {
    for (const attribute of ["role", "aria-label", "aria-valuemin", "aria-valuemax", "aria-valuenow", "aria-valuetext"]) node.removeAttribute(attribute);
    return;
  }
  node.setAttribute("role", "meter");
  node.setAttribute("aria-label", say("{name}, between its bounds", { name }));
  node.setAttribute("aria-valuemin", String(floor ?? 0));
  node.setAttribute("aria-valuemax", String(ceiling));
  node.setAttribute("aria-valuenow", String(value));
  node.setAttribute("aria-valuetext", say("{value} of {ceiling}", { value: number(value), ceiling: number(ceiling) }));
}

function boundsOf({ floor, ceiling, value, shards }) {
  const low = floor === null ? say("no floor") : say("from {n}", { n: number(floor) });
  const high = ceiling === null ? say("no ceiling") : say("to {n}", { n: number(ceiling) });
  const middle = isFull({ value, ceiling }) ? el("b", {}, say("full")) : isLow({ value, floor }) ? el("b", {}, say("at its floor")) : shards > 1 ? el("span", {}, many(shards, "{n} shard", "{n} shards")) : "";
  return [el("span", {}, ...breakable(low)), middle, el("span", {}, ...breakable(high))];
}

export function bar() {
  const inner = el("i", {});
  const track = el("div", { className: "bar" }, inner);
  const bounds = el("div", { className: "bounds" });
  return {
    node: el("div", {}, track, bounds),
    update(counter) {
      const part = share(counter);
      track.hidden = part === null;
      inner.style.transform = `scaleX(${part ?? 0})`;
      meterOf(track, counter, part);
      bounds.replaceChildren(...boundsOf(counter));
    },
  };
}

export function dial() {
  const d = "M 20 120 A 100 100 0 0 1 220 120";
  const arc = svg("path", { d, class: "arc", pathLength: "100", "stroke-dasharray": "0 200" });
  const face = svg("svg", { viewBox: "0 0 240 128", "aria-hidden": "true" }, svg("path", { d }), arc);
  const value = el("div", { className: "value", id: "value" }, "…");
  const bounds = el("div", { className: "bounds" });
  const meter = el("div", {}, face);
  const node = el("div", { className: "dial" }, meter, el("div", { className: "reading" }, value), bounds);
  return {
    node,
    update(counter) {
      const part = share(counter);
      const text = number(counter.value);
      if (value.textContent !== text && value.textContent !== "…") pop(value);
      value.replaceChildren(...breakable(text));
      value.className = `value${length(text)}`;
      const sending = node.classList.contains("busy") ? " busy" : "";
      node.className = `dial${sending}${part === null ? " plain" : ""}${isFull(counter) ? " full" : ""}`;
      meter.hidden = part === null;
      // A round cap would show a dot at nothing.
      arc.setAttribute("stroke-dasharray", `${(part ?? 0) * 100} 200`);
      arc.style.opacity = part ? 1 : 0;
      meterOf(meter, counter, part);
      bounds.replaceChildren(...boundsOf(counter));
    },
  };
}
