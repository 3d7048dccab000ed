// Short messages at the foot of the page. A newer one of the same subject takes the older's place.
import { el } from "./dom.js";

const SHOWN = 3;
const TOLD = 6000;
const ACTED_ON = 12000;
const boxes = new Map();
const place = document.getElementById("notices");

// `subject` names what it is about; `action` is {label, run}: such a notice stays longer.
export function notice(subject, text, { error = false, action = null } = {}) {
  dismiss(subject);
  const box = el("div", { className: error ? "notice error" : "notice", role: error ? "alert" : "status" });
  if (action) {
    box.append(el("button", { type: "button", onclick: () => { dismiss(subject); action.run(); } }, action.label));
  }
  place.append(box);
  // After it is there: screen readers tell what changes in a region, not a region that appears.
  requestAnimationFrame(() => box.prepend(el("span", {}, text)));
  const timer = setTimeout(() => expire(subject), action ? ACTED_ON : TOLD);
  boxes.set(subject, { box, timer });
  while (boxes.size > SHOWN) dismiss(boxes.keys().next().value);
}

// Nothing vanishes under the pointer or from under the keyboard.
function expire(subject) {
  const entry = boxes.get(subject);
  if (entry?.box.matches(":hover, :focus-within")) entry.timer = setTimeout(() => expire(subject), 1000);
  else dismiss(subject);
}

export function dismiss(subject) {
  const entry = boxes.get(subject);
  if (!entry) return;
  clearTimeout(entry.timer);
  entry.box.remove();
  boxes.delete(subject);
}
