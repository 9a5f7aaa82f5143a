// Small charts of rates. They are drawn on a canvas; what they show is told in words as well.
import { byId, put } from "./dom.js";
import { rate, timeOfDay } from "./format.js";
import { live, rates, WINDOW_SECONDS } from "./live.js";

const SHORTEST_SECONDS = 60;
const TELL_MILLISECONDS = 10_000;
const HEIGHT = 96;
const charts = [];

/** What a colour of the style sheet is at this moment, in this theme. */
const colour = (element) => getComputedStyle(element).color;

class Chart {
  constructor(figure) {
    this.name = figure.dataset.rate;
    this.title = figure.querySelector("figcaption").textContent;
    this.plot = figure.querySelector(".plot");
    this.value = figure.querySelector(".value");
    this.axis = figure.querySelector(".axis-colour");
    this.grid = figure.querySelector(".grid-colour");
    this.toldAt = 0;
    this.uplot = new globalThis.uPlot(this.#options(), [[], []], this.plot);
    new ResizeObserver(() => this.uplot.setSize({ width: this.plot.clientWidth, height: HEIGHT })).observe(this.plot);
  }

  #options() {
    const axis = { stroke: () => colour(this.axis), font: `11px ${getComputedStyle(this.plot).fontFamily}`, ticks: { show: false }, gap: 4 };
    return {
      width: this.plot.clientWidth || 300,
      height: HEIGHT,
      padding: [6, 10, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 6 }, drag: { setScale: false, x: false }, sync: { key: "rates" } },
      scales: { x: { time: true, range: () => window() }, y: { range: (_, least, most) => [0, Math.max(1, most * 1.15)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 20, space: 64, values: clocks },
        { ...axis, grid: { stroke: () => colour(this.grid), width: 1 }, size: 38, space: 26, values: (_, splits) => splits.map(short) },
      ],
      series: [
        {},
        {
          stroke: () => colour(this.plot),
          fill: () => colour(this.plot).replace(/^rgb\((.*)\)$/, "rgba($1, 0.13)"),
          width: 1.5,
          points: { show: false },
        },
      ],
      hooks: { setCursor: [() => this.#showValue()] },
    };
  }

  /** Draw what has come in. */
  draw() {
    this.uplot.setData(rates(this.name));
    this.#showValue();
    if (Date.now() - this.toldAt > TELL_MILLISECONDS) this.#tell();
  }

  /** The value under the cursor, or else the last one. */
  #showValue() {
    if (!this.uplot) return;
    const [times, values] = this.uplot.data;
    const index = this.uplot.cursor.idx ?? values.length - 1;
    const isPast = this.uplot.cursor.idx !== null && this.uplot.cursor.idx !== undefined;
    put(this.value, rate(values[index] ?? Number.NaN));
    put(this.value.nextElementSibling, isPast && times[index] ? `/s at ${timeOfDay(times[index] * 1000)}` : "/s");
  }

  #tell() {
    const known = rates(this.name)[1].filter(Number.isFinite);
    if (known.length === 0) return;
    this.toldAt = Date.now();
    const words = `now ${rate(known.at(-1))}, lowest ${rate(Math.min(...known))}, highest ${rate(Math.max(...known))}`;
    this.plot.setAttribute("aria-label", `${this.title} per second over the last minutes: ${words}`);
  }
}

/** From when to when is shown: what there is, but at least a minute and at most the whole window. */
function window() {
  const end = live.samples.at(-1)?.at ?? Date.now() / 1000;
  const age = end - (live.samples[1]?.at ?? end);
  return [end - Math.min(WINDOW_SECONDS, Math.max(SHORTEST_SECONDS, age)), end];
}

/** Times below a chart; one that would not fit at its end is left out. */
function clocks(uplot, splits, _, __, step) {
  const length = step < 60 ? 8 : 5;
  const room = uplot.bbox.width / devicePixelRatio - length * 2;
  return splits.map((split) => (uplot.valToPos(split, "x") > room ? "" : timeOfDay(split * 1000).slice(0, length)));
}

const short = (value) => (value >= 1000 ? `${value / 1000}k` : String(Math.round(value * 100) / 100));

/** Make the charts of the page. */
export function makeCharts() {
  for (const figure of byId("rates").querySelectorAll("figure")) charts.push(new Chart(figure));
}

/** Draw all of them. */
export const drawCharts = () => charts.forEach((chart) => chart.draw());

/** Draw all of them with the colours of another theme. */
export const repaintCharts = () => charts.forEach((chart) => chart.uplot.redraw(false, false));
