// A counter's recorded history, drawn by uPlot.
import uPlot from "./vendor/uplot.js";
import { el } from "./dom.js";
import { history } from "./api.js";

const REFRESH = 2000;

export function chart(name) {
  const frame = el("div", { className: "chart", hidden: true, role: "img", ariaLabel: `History of ${name}, last ten minutes` });
  const words = el("p", { className: "quiet" }, "Loading the history…");
  const node = el("div", {}, frame, words);
  const style = getComputedStyle(document.documentElement);
  const colour = (variable) => style.getPropertyValue(variable).trim();
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  let plot = null;

  function draw(samples) {
    const data = [samples.map(([tick]) => tick), samples.map(([, value]) => Number(value))];
    if (plot) { plot.setData(data); return; }
    frame.hidden = false;
    plot = new uPlot({
      width: frame.clientWidth, height: 220, legend: { show: false }, cursor: { y: false },
      axes: [axis, { ...axis, size: 64 }],
      series: [{}, { stroke: colour("--accent"), width: 2, points: { show: samples.length < 30 } }],
    }, data, frame);
  }

  async function refresh() {
    if (!node.isConnected) return;
    try {
      const { samples } = await history(name);
      if (!node.isConnected) return;
      words.textContent = samples.length ? `${samples.length} samples in the last ten minutes` : "No sample yet; the leader takes one every few seconds.";
      if (samples.length) draw(samples);
    } catch (error) {
      words.textContent = error.message;
    }
    setTimeout(refresh, REFRESH);
  }

  new ResizeObserver(() => plot?.setSize({ width: frame.clientWidth, height: 220 })).observe(frame);
  queueMicrotask(refresh);
  return node;
}
