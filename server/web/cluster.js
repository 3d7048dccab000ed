// The group of instances: who leads, by which fencing token, and who took over from whom.
import { ago, clock, drawing, el, pop, state } from "./dom.js";
import { say } from "./words.js";

const SERVER = ["M4 4h16v6H4z", "M4 14h16v6H4z", "M7.5 7h.01", "M7.5 17h.01"];
const CROWN = ["m3 8 4.5 4L12 5l4.5 7L21 8l-2 11H5L3 8z"];
const ALONE = ["M4 6h16v12H4z", "M9 21h6"];
const TAIL = 3;

function card(instance, { leader, via, now }) {
  const leads = leader?.id === instance.id;
  const kind = leads ? " leads" : instance.silent ? " silent" : "";
  const tags = [
    leads && el("span", { className: "tag gold" }, say("leads")),
    instance.silent && el("span", { className: "tag bad" }, say("silent")),
    via === instance.id && el("span", { className: "tag accent" }, say("answers this page"))];
  return el("li", {}, el("article", { className: `card instance${kind}` },
    drawing(...(leads ? CROWN : SERVER)),
    el("h2", {}, instance.id),
    el("p", { className: "quiet" }, instance.silent ? say("stopped or paused: no report for a lease") : say("up for {time}", { time: ago(now - instance.started) })),
    el("div", { className: "tags" }, tags)));
}

function throne() {
  const token = el("dd", { className: "token", id: "fence" });
  const leader = el("dd", { id: "leader" });
  const since = el("dd", {});
  const found = el("dd", { id: "members" });
  const members = el("div", { hidden: true }, el("dt", {}, say("Found by Cloud Map")), found);
  const node = el("dl", { className: "card throne" },
    el("div", {}, el("dt", {}, say("Fencing token")), token),
    el("div", {}, el("dt", {}, say("Leader")), leader),
    el("div", {}, el("dt", {}, say("Since")), since), members);
  return { node, update(cluster) {
    const text = cluster.fence ? String(cluster.fence) : "–";
    if (token.textContent !== text) {
      if (token.textContent) pop(token);
      token.replaceChildren(text.slice(0, -TAIL), el("b", {}, text.slice(-TAIL)));
    }
    leader.textContent = cluster.leader?.id ?? say("being elected…");
    // They wake each other's pages when something changes; without Cloud Map each page looks by itself.
    members.hidden = !cluster.members;
    found.textContent = String(cluster.members?.length ?? "");
    found.title = cluster.members?.join(", ") ?? "";
    since.textContent = cluster.leader?.since ? clock(cluster.leader.since * 1000) : "–";
  } };
}

function takeover({ at, from, to }) {
  return el("li", {}, el("time", {}, clock(at)), el("span", {}, say("{to} took over from {from}", { to: to.id, from: from.id })), el("span", { className: "quiet" }, say("token {from} → {to}", { from: from.fence, to: to.fence })));
}

export function view() {
  const top = throne();
  const grid = el("ul", { className: "grid" });
  const seen = el("ol", { className: "takeovers" });
  const none = el("p", { className: "quiet" });
  const all = el("div", { hidden: true }, top.node, grid, el("section", { className: "card section" }, el("h2", {}, say("Take-overs while you watched")), none, seen));
  const wait = el("p", { className: "quiet", role: "status" }, say("Asking for the group…"));
  const node = el("div", {},
    el("h1", {}, say("Cluster")),
    el("p", { className: "lead" }, say("One instance leads and records the history. Stop it, or pause it, and another takes over within a lease, with a higher fencing token. Whatever the old one still sends carries a lower token, and the table refuses it.")),
    wait, all);
  let drawn = "";
  return { node, update({ cluster, instance, takeovers, connection }) {
    if (!cluster) {
      if (connection === "down") wait.replaceChildren(say("The service does not answer. This page keeps trying."));
      return;
    }
    if (!cluster.lease) {
      wait.replaceChildren(state("", say("This instance is alone"), say("It runs without a table, so there is no group and no leader."), ALONE));
      return;
    }
    wait.hidden = true;
    all.hidden = false;
    top.update(cluster);
    const now = Date.now() / 1000;
    const cards = cluster.instances.map((each) => card(each, { leader: cluster.leader, via: instance, now }));
    const text = cards.map((each) => each.outerHTML).join("");
    if (text !== drawn) grid.replaceChildren(...cards);
    drawn = text;
    none.hidden = takeovers.length > 0;
    none.textContent = say("None yet. The lease is {lease} s: stop the leader and see another take over.", { lease: cluster.lease });
    if (seen.children.length !== takeovers.length) seen.replaceChildren(...takeovers.toReversed().map(takeover));
  } };
}
