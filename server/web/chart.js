// A counter's recorded history, drawn by uPlot: gaps where no instance recorded, a mark where another
// instance began to lead, and at its end the value that the page shows.
import { el, number } from "./dom.js";
import { history } from "./api.js";
import { columns, heightLabel, originOf, rangeLabel, ranges, summary, timeLabel, turns, upToNow } from "./samples.js";
import { locale, say } from "./words.js";

const REFRESH = 2000;
const SLOWEST = 60000;
const HEIGHT = 240;
const LEAST = 60; // seconds that are shown at least
const FONT = "12px Inter, sans-serif";
const WHOLE = Array.from({ length: 38 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();
const measuring = document.createElement("canvas").getContext("2d");

let minutes = 10; // as it was chosen last, for all counters

// The library and its style, which only a chart needs: fetched once, when the first is drawn.
let library = null;

function load() {
  library ??= Promise.all([import("./vendor/uplot.js"), styled("vendor/uplot.css")]).then(([module]) => module.default)
    .catch(() => { library = null; throw new Error(say("The chart's program cannot be fetched.")); });
  return library;
}

function styled(href) {
  return new Promise((resolve, reject) => {
    document.head.append(el("link", { rel: "stylesheet", href, onload: resolve, onerror: reject }));
  });
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["accent", "soft", "line", "gold", "card"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function widest(labels) {
  measuring.font = FONT;
  return Math.max(0, ...(labels ?? []).map((label) => measuring.measureText(label).width));
}

function markTurns(plot, ticks, colour) {
  const { ctx, bbox } = plot;
  const words = say("new leader");
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.font = `${11 * devicePixelRatio}px Inter, sans-serif`;
  const room = ctx.measureText(words).width + 10 * devicePixelRatio;
  let free = -Infinity; // from where on another's words have room
  for (const tick of ticks) {
    const x = Math.round(plot.valToPos(tick, "x", true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (x < free) continue;
    // To the left of its line where the right has no room.
    const left = x + room > bbox.left + bbox.width;
    ctx.textAlign = left ? "right" : "left";
    ctx.fillText(words, x + (left ? -5 : 5) * devicePixelRatio, bbox.top + 12 * devicePixelRatio);
    free = x + room;
  }
  ctx.restore();
}

function choices(kept, chosen, choose) {
  return ranges(kept).map((each) => el("button", { type: "button", ariaPressed: String(each === chosen), onclick: () => choose(each) }, rangeLabel(each)));
}

export function chart(name) {
  const frame = el("div", { className: "chart", hidden: true, role: "img", dir: "ltr" });
  const told = el("p", { className: "quiet told" });
  const blank = el("p", { className: "quiet blank", role: "status" }, say("Loading the history…"));
  const range = el("div", { className: "ranges", role: "group", ariaLabel: say("Range") });
  const node = el("div", {}, el("div", { className: "chart-head" }, el("h2", {}, say("History")), range, told), frame, blank);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let uPlot = null, plot = null, recorded = [], every = 2, kept = 0, value = null, gone = false, timer = 0, asked = 0;

  const samples = () => upToNow(recorded, value, Date.now() / 1000);
  const words = () => summary(samples());
  // The first and the last time stand in the middle below their ticks, which may be the chart's very edges.
  const reach = ({ scales: { x } }) => Math.ceil(widest([x.min, x.max].map((tick) => timeLabel(tick, x.max - x.min))) / 2) + 2;

  function draw() {
    const { accent, soft, line, gold, card } = colours();
    const axis = { stroke: soft, font: FONT, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    plot?.destroy();
    plot = new uPlot({
      width: frame.clientWidth, height: HEIGHT, legend: { show: false }, padding: [12, (now) => Math.max(40, reach(now)), 0, 4],
      cursor: { y: false, drag: { x: false }, points: { size: 9, fill: card, stroke: accent, width: 2 } },
      scales: {
        // Null before the columns are taken in: then there is nothing to draw.
        x: { range: (_, low, high) => (high === null ? [null, null] : [Math.min(low, high - LEAST), high]) },
        y: { range: (_, low, high) => { if (high === null) return [null, null]; const room = Math.max(1, (high - low) * 0.15); return [low - room, high + room]; } },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 30, space: 96, values: ({ scales: { x } }, ticks) => ticks.map((tick) => timeLabel(tick, x.max - x.min)) },
        { ...axis, space: 44, incrs: WHOLE, size: (now, labels) => Math.max(Math.ceil(widest(labels)) + 16, reach(now)), values: (_, ticks) => ticks.map((tick) => heightLabel(tick, originOf(recorded))) },
      ],
      series: [{}, { stroke: accent, width: 2.25, fill: `${accent}1f`, fillTo: ({ scales: { y } }) => y.min, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, spanGaps: false }],
      hooks: {
        draw: [(now) => markTurns(now, turns(recorded), gold)],
        setCursor: [({ cursor: { idx }, data }) => {
          const at = idx === null || idx === undefined || data[1][idx] === null ? null : idx;
          told.textContent = at === null ? words() : say("{value} at {time}", { value: number(BigInt(data[1][at]) + originOf(recorded)), time: new Date(data[0][at] * 1000).toLocaleTimeString(locale) });
        }],
      },
    }, columns(samples(), every), frame);
  }

  function show() {
    if (!uPlot || !recorded.length || value === null || gone) return;
    frame.hidden = false;
    blank.hidden = true;
    frame.ariaLabel = say("History of {name}. {words}", { name, words: words() });
    if (plot) plot.setData(columns(samples(), every)); else draw();
    if (!frame.matches(":hover")) told.textContent = words();
  }

  function choose(chosen) {
    minutes = chosen;
    offer();
    refresh();
  }

  function offer() {
    const [...buttons] = range.children;
    if (buttons.length !== ranges(kept).length) range.replaceChildren(...choices(kept, minutes, choose));
    else buttons.forEach((button, i) => { button.ariaPressed = String(ranges(kept)[i] === minutes); });
  }

  async function refresh() {
    clearTimeout(timer);
    if (gone) return;
    const mine = asked += 1;
    if (document.visibilityState === "visible") {
      try {
        const [program, answer] = await Promise.all([load(), history(name, minutes)]);
        if (gone || mine !== asked) return;
        uPlot = program;
        ({ samples: recorded, every, kept } = answer);
        offer();
        if (recorded.length) show();
        else blank.textContent = say("No sample yet: the leader takes one every few seconds.");
      } catch (error) {
        if (mine !== asked) return;
        if (plot) told.textContent = error.message; else blank.textContent = error.message;
      }
    }
    if (!gone) timer = setTimeout(refresh, Math.min(SLOWEST, Math.max(REFRESH, every * 500)));
  }

  const redraw = () => { if (plot) draw(); };
  const sized = new ResizeObserver(() => {
    if (node.isConnected) plot?.setSize({ width: frame.clientWidth, height: HEIGHT });
  });
  sized.observe(frame);
  dark.addEventListener("change", redraw);
  queueMicrotask(refresh);
  return { node, update(counter) {
    const before = value;
    value = BigInt(counter.value);
    if (value !== before) show();
  }, close() {
    gone = true;
    clearTimeout(timer);
    sized.disconnect();
    dark.removeEventListener("change", redraw);
    plot?.destroy();
  } };
}
