// What only administrators do with a counter: its bounds and shards, setting it back, deleting it.
import * as api from "./api.js";
import { attempt, configure } from "./changes.js";
import { confirmed, el, number } from "./dom.js";
import { busy, faults } from "./forms.js";
import { notice } from "./notices.js";
import { guard } from "./person.js";
import { say } from "./words.js";

const NAMES = ["floor", "ceiling", "shards"];
const bound = () => ({ type: "text", inputMode: "numeric", pattern: "0|-?[1-9][0-9]{0,37}", autocomplete: "off", title: say("a whole number, or nothing"), placeholder: say("none") });
const shards = () => ({ type: "text", inputMode: "numeric", pattern: "[1-9]|[1-5][0-9]|6[0-4]", required: true, autocomplete: "off", title: say("1 to 64") });

export function administering(name) {
  const save = el("button", {}, say("Save"));
  const again = el("button", { type: "button", onclick: () => busy(again, setBack) }, say("Reset…"));
  const away = el("button", { type: "button", className: "danger", onclick: () => busy(away, destroy) }, say("Delete…"));
  const form = el("form", { ariaLabel: say("Settings"), onsubmit: (event) => { event.preventDefault(); busy(save, submit); } },
    el("label", {}, say("Floor"), el("input", { ...bound(), name: "floor" })),
    el("label", {}, say("Ceiling"), el("input", { ...bound(), name: "ceiling" })),
    el("label", {}, say("Shards"), el("input", { ...shards(), name: "shards" })),
    save);
  const place = faults(form, { otherwise: "ceiling" });
  const ends = el("div", { className: "row ends" }, again, away);
  const refused = faults(ends);
  const node = el("section", { className: "card", ariaLabel: say("Administration") }, el("h2", {}, say("Settings")), form, ends);
  node.append(guard("administrator", say("administering a counter"), node) ?? "");
  let shown = null; // as the fields were filled
  let now = null;
  let saving = false;

  const given = () => Object.fromEntries(NAMES.map((each) => [each, form.elements[each].value]));

  async function submit() {
    const wanted = given();
    const changed = Object.fromEntries(NAMES.filter((each) => wanted[each] !== shown[each]).map((each) => [each, wanted[each]]));
    if (!Object.keys(changed).length) return;
    saving = true; // what the service pushes meanwhile is how it was
    const done = await configure(name, changed, shown, place);
    saving = false;
    if (done) shown = wanted;
  }

  async function setBack() {
    const words = say("Its value, {value}, is lost for everybody, and no Undo brings it back.", { value: number(now.value) });
    if (!await confirmed(say("Reset {name}?", { name }), words, say("Reset"))) return;
    await attempt(refused, async () => {
      await api.reset(name);
      notice(name, say("{name} was reset.", { name }));
    });
  }

  async function destroy() {
    const words = say("The counter and its value, {value}, are gone for everybody, and no Undo brings them back.", { value: number(now.value) });
    if (!await confirmed(say("Delete {name}?", { name }), words, say("Delete"))) return;
    await attempt(refused, async () => {
      await api.remove(name);
      notice(name, say("{name} was deleted.", { name }));
      location.hash = "#/";
    });
  }

  return { node, update(counter) {
    now = counter;
    if (saving) return;
    const told = { floor: `${counter.floor ?? ""}`, ceiling: `${counter.ceiling ?? ""}`, shards: `${counter.shards ?? 1}` };
    // What is being written stays; all else follows the counter.
    const written = shown ? given() : {};
    for (const each of NAMES) if (!shown || written[each] === shown[each]) form.elements[each].value = told[each];
    shown = told;
  } };
}
