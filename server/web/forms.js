// What a form shows beside its fields: what was refused, at the field at fault, and that it is being sent.
import { el } from "./dom.js";

let made = 0;

// A place for what is refused below `form`; `fields` are the names that the API has for its fields.
export function faults(form, fields = {}) {
  const text = el("p", { className: "fault", id: `fault-${made += 1}`, role: "alert", hidden: true });
  form.append(text);
  let marked = null;

  function clear() {
    text.hidden = true;
    text.textContent = "";
    marked?.removeAttribute("aria-invalid");
    marked?.removeAttribute("aria-describedby");
    marked = null;
  }

  // What is mended is no longer wrong.
  form.addEventListener("input", clear);
  return { clear, show(error) {
    clear();
    text.hidden = false;
    text.textContent = error.message;
    marked = form.elements?.[fields[error.field] ?? error.field ?? fields.otherwise] ?? null;
    marked?.setAttribute("aria-invalid", "true");
    marked?.setAttribute("aria-describedby", text.id);
  } };
}

// Says at once that `work` is under way, and takes no second press of `button` meanwhile.
export async function busy(button, work) {
  if (button.ariaBusy === "true") return false;
  button.ariaBusy = "true";
  try {
    return await work();
  } finally {
    button.ariaBusy = null;
  }
}
