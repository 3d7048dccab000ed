import { locale, say } from "./words.js";

// Builds elements. Text is only ever text, so that nothing a counter is called can become markup.
function fill(node, children) {
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list" && name !== "form") node[name] = value;
    else node.setAttribute(name, value);
  }
  return fill(node, children);
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return fill(node, children);
}

// A drawing of strokes that says nothing which the words beside it do not say.
export const drawing = (...paths) => svg(
  "svg",
  { viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": "1.8", "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true" },
  paths.map((d) => svg("path", { d })));

export const number = (value) => value.toLocaleString(locale);
export const signed = (value) => (value > 0 ? "+" : "") + number(value);
export const clock = (milliseconds) => new Date(milliseconds).toLocaleTimeString(locale);

export function ago(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = units.find(([, length]) => seconds >= length) ?? units.at(-1);
  return Math.max(0, Math.floor(seconds / size)).toLocaleString(locale, { style: "unit", unit, unitDisplay: "long" });
}

// Leaves a text alone that says so already: screen readers tell what is written into a live region.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Draws the eye to a number that has just become another.
export function pop(node) {
  if (!still()) node.animate([{ transform: "scale(1.06)" }, { transform: "none" }], { duration: 220, easing: "ease-out" });
}

export function shake(node) {
  if (still()) return;
  const steps = [0, -7, 6, -4, 2, 0].map((x) => ({ transform: `translateX(${x}px)` }));
  node.animate(steps, { duration: 320, easing: "ease-out" });
}

export function state(kind, title, words, paths, ...more) {
  return el("section", { className: `card state ${kind}` }, drawing(...paths), el("h2", {}, title), el("p", {}, words), more);
}

// Asks before what cannot be undone. Resolves to whether it is to be done.
export function confirmed(title, words, verb) {
  const dialog = el("dialog", { ariaLabel: title },
    el("h2", {}, title), el("p", {}, words),
    el("form", { method: "dialog" },
      el("button", { value: "", autofocus: true }, say("Cancel")),
      el("button", { className: "danger", value: "yes" }, verb)));
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); }, { once: true });
  });
}
