// The group of instances: who leads, by which fencing token, since when.
import { el, moment } from "./dom.js";

export function view(main) {
  const list = el("ul", { className: "grid" });
  const leading = el("dl", {});
  main.replaceChildren(
    el("h1", {}, "Cluster"),
    el("p", { className: "quiet" }, "One instance leads and records the history. Stop it, and another takes over within a lease, with a higher fencing token; the store refuses whatever the old one still writes."),
    el("section", { className: "card" }, el("h2", {}, "Leader"), leading),
    list);
  return ({ cluster }) => {
    if (!cluster) return;
    const { leader, fence, instances } = cluster;
    leading.replaceChildren(
      el("dt", {}, "Instance"), el("dd", { id: "leader" }, leader ? leader.id : "none just now"),
      el("dt", {}, "Fencing token"), el("dd", { id: "fence" }, fence ? String(fence) : "–"),
      el("dt", {}, "Since"), el("dd", {}, leader ? moment(leader.since) : "–"));
    list.replaceChildren(...instances.map((instance) => el("li", { className: "card" },
      el("h2", {}, instance.id, " ", leader?.id === instance.id ? el("span", { className: "badge" }, "leads") : null),
      el("p", { className: "name" }, `Up since ${moment(instance.started)}`))));
  };
}
