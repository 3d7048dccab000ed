// A counter's recorded history, drawn by uPlot: gaps where nobody recorded, a mark where another
// instance began to lead.
import { el, number, signed } from "./dom.js";
import { history } from "./api.js";

const REFRESH = 2000;
const HEIGHT = 240;
const SPAN = 60; // seconds that are shown at least
const GAP = 3; // ticks without a sample that make a gap

// The library and its style, which only a chart needs: fetched once, when the first is drawn.
let library = null;

function load() {
  library ??= Promise.all([import("./vendor/uplot.js"), styled("vendor/uplot.css")]).then(([module]) => module.default)
    .catch((error) => { library = null; throw error; });
  return library;
}

function styled(href) {
  return new Promise((resolve, reject) => {
    document.head.append(el("link", { rel: "stylesheet", href, onload: resolve, onerror: () => reject(new Error(href)) }));
  });
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(["accent", "soft", "line", "gold", "card"].map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

const DIGITS = 15; // that a number of JavaScript holds, with one to spare

// What one step of the axis stands for: a value that has more digits is drawn without its last.
function unitOf(samples) {
  const most = Math.max(...samples.map(([, value]) => `${value}`.replace("-", "").length));
  return 10n ** BigInt(Math.max(0, most - DIGITS));
}

// What stands at a line of the axis, which has no room for more digits.
const label = (tick, unit) => (unit === 1n ? number(tick) : (tick * Number(unit)).toExponential(2));

// The samples as uPlot's columns; null, which breaks the line, where ticks are missing.
export function columns(samples) {
  const unit = unitOf(samples);
  const steps = samples.slice(1).map(([tick], i) => tick - samples[i][0]);
  const every = Math.min(...steps, Infinity);
  const ticks = [], values = [];
  samples.forEach(([tick, value], i) => {
    if (i && steps[i - 1] > GAP * every) { ticks.push(tick - every); values.push(null); }
    ticks.push(tick);
    values.push(Number(BigInt(value) / unit));
  });
  return [ticks, values];
}

const turns = (samples) => samples.filter(([, , fence], i) => i && samples[i - 1][2] !== fence).map(([tick]) => tick);

function markTurns(plot, ticks, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.font = `${11 * devicePixelRatio}px Inter, sans-serif`;
  ctx.textAlign = "left";
  for (const tick of ticks) {
    const x = Math.round(plot.valToPos(tick, "x", true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText("new leader", x + 5 * devicePixelRatio, bbox.top + 12 * devicePixelRatio);
  }
  ctx.restore();
}

function summary(samples) {
  const first = BigInt(samples[0][1]), last = BigInt(samples.at(-1)[1]);
  const many = turns(samples).length;
  const led = many ? `, ${many} change${many === 1 ? "" : "s"} of leader` : "";
  return `${number(samples.length)} sample${samples.length === 1 ? "" : "s"} in the last ten minutes: ${number(last)} now, ${last === first ? "unchanged" : signed(last - first)}${led}`;
}

export function chart(name) {
  const frame = el("div", { className: "chart", hidden: true, role: "img" });
  const told = el("p", { className: "quiet" });
  const blank = el("p", { className: "quiet blank", role: "status" }, "Loading the history…");
  const node = el("div", {}, el("div", { className: "chart-head" }, el("h2", {}, "History"), told), frame, blank);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let plot = null, samples = [], gone = false, uPlot = null;

  function draw() {
    const { accent, soft, line, gold, card } = colours();
    const axis = { stroke: soft, font: "12px Inter, sans-serif", grid: { stroke: line, width: 1 }, ticks: { show: false } };
    plot?.destroy();
    plot = new uPlot({
      width: frame.clientWidth, height: HEIGHT, legend: { show: false }, padding: [12, 8, 0, 0],
      cursor: { y: false, drag: { x: false }, points: { size: 9, fill: card, stroke: accent, width: 2 } },
      scales: { x: { range: (_, low, high) => [Math.min(low, high - SPAN), high] }, y: { range: (_, low, high) => { const room = Math.max(1, (high - low) * 0.15); return [low - room, high + room]; } } },
      axes: [
        { ...axis, grid: { show: false }, space: 90, values: (_, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString()) },
        { ...axis, size: 62, space: 44, values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? label(tick, unitOf(samples)) : "")) },
      ],
      series: [{}, { stroke: accent, width: 2.25, fill: `${accent}1f`, paths: uPlot.paths.stepped({ align: 1 }), points: { show: ({ data }) => data[0].length === 1 }, spanGaps: false }],
      hooks: {
        draw: [(now) => markTurns(now, turns(samples), gold)],
        setCursor: [({ cursor: { idx }, data }) => {
          const at = idx === null || idx === undefined || data[1][idx] === null ? null : idx;
          told.textContent = at === null ? summary(samples) : `${number(BigInt(data[1][at]) * unitOf(samples))} at ${new Date(data[0][at] * 1000).toLocaleTimeString()}`;
        }],
      },
    }, columns(samples), frame);
  }

  function show() {
    const words = summary(samples);
    frame.hidden = false;
    blank.hidden = true;
    frame.ariaLabel = `History of ${name}. ${words}`;
    if (plot) plot.setData(columns(samples)); else draw();
    if (!frame.matches(":hover")) told.textContent = words;
  }

  async function refresh() {
    if (gone) return;
    if (document.visibilityState === "visible") {
      try {
        [uPlot, { samples }] = await Promise.all([load(), history(name)]);
        if (gone) return;
        if (samples.length) show();
        else blank.textContent = "No sample yet: the leader takes one every few seconds.";
      } catch (error) {
        if (plot) told.textContent = error.message; else blank.textContent = error.message;
      }
    }
    if (!gone) setTimeout(refresh, REFRESH);
  }

  const redraw = () => { if (plot) draw(); };
  const sized = new ResizeObserver(() => {
    if (node.isConnected) plot?.setSize({ width: frame.clientWidth, height: HEIGHT });
  });
  sized.observe(frame);
  dark.addEventListener("change", redraw);
  addEventListener("hashchange", () => {
    gone = true;
    sized.disconnect();
    dark.removeEventListener("change", redraw);
    plot?.destroy();
  }, { once: true });
  queueMicrotask(refresh);
  return node;
}
