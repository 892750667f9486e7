/** How often answers given with some certainty are right, before and after calibration: a diagram, and its numbers. */

import { h } from "../dom.js";
import { percent } from "../format.js";
import { unknownNote } from "./data.js";

// In units of the SVG, which are about CSS pixels on a phone.
const SIZE = { width: 340, height: 392 };
const PLOT = { left: 52, top: 10, width: 268, height: 260 };
const COUNTS = { top: 284, height: 56 };
const TICKS = [0, 0.2, 0.4, 0.6, 0.8, 1];
const DOT = { least: 3, most: 8 };

/**
 * The reliability of a version.
 * @param {{reliability: Reliability | null, uncalibrated: Reliability | null}} report
 * @typedef {{error: number, bins: {low: number, high: number, confidence: number | null, accuracy: number | null, count: number}[]}} Reliability
 */
export function reliabilityPanel({ reliability: after, uncalibrated: before }) {
  if (!after) return unknownNote("how often it is right when it is so and so sure");
  return h(
    "div",
    { class: "reliability" },
    diagram(after, before),
    h(
      "div",
      { class: "stack" },
      h(
        "p",
        {},
        "When it says 80%, is it right 80 times in 100? On the dashed line it is; below it the model is too sure of itself, above it too modest.",
      ),
      legend(after, before),
      h("p", { class: "muted" }, "The larger a dot, the more answers it stands for; the bars below the diagram count them."),
      numbers(after, before),
    ),
  );
}

/** What the diagram shows, for those who do not see it. */
export function described(after, before) {
  const groups = full(after).map(({ low, high, accuracy, count }) => `said ${span(low, high)}: right ${percent(accuracy)} of ${count}`);
  const error = `calibration error ${before ? `${tenth(before.error)} before calibration and ${tenth(after.error)} after` : tenth(after.error)}`;
  return `How often the model is right, by how sure it is; ${error}. After calibration: ${groups.join("; ")}.`;
}

function diagram(after, before) {
  return h(
    "svg",
    {
      class: "diagram",
      viewBox: `0 0 ${SIZE.width} ${SIZE.height}`,
      role: "img",
      "aria-labelledby": "reliability-title",
      "aria-describedby": "reliability-text",
    },
    h("title", { id: "reliability-title" }, "Reliability diagram"),
    h("desc", { id: "reliability-text" }, described(after, before)),
    axes(),
    h("line", { class: "ideal", x1: x(0), y1: y(0), x2: x(1), y2: y(1) }),
    before && series(before, "before"),
    series(after, "after"),
    counts(after, before),
  );
}

function axes() {
  const bottom = COUNTS.top + COUNTS.height;
  return h(
    "g",
    { class: "axes" },
    TICKS.map((tick) => [
      h("line", { x1: x(0), y1: y(tick), x2: x(1), y2: y(tick) }),
      h("text", { x: PLOT.left - 6, y: y(tick) + 4, "text-anchor": "end" }, `${100 * tick}%`),
      h("text", { x: x(tick), y: bottom + 16, "text-anchor": "middle" }, `${100 * tick}%`),
    ]),
    h("text", { class: "name", x: x(0.5), y: bottom + 36, "text-anchor": "middle" }, "how sure it said it was"),
    h("text", { class: "name", transform: `translate(11 ${y(0.5)}) rotate(-90)`, "text-anchor": "middle" }, "how often it was right"),
    h("line", { x1: x(0), y1: bottom, x2: x(1), y2: bottom }),
  );
}

function series(reliability, name) {
  const bins = full(reliability);
  const most = Math.max(...bins.map(({ count }) => count));
  return h(
    "g",
    { class: name },
    h("polyline", { points: bins.map(({ confidence, accuracy }) => `${x(confidence)},${y(accuracy)}`).join(" ") }),
    bins.map((bin) => {
      const radius = DOT.least + (DOT.most - DOT.least) * Math.sqrt(bin.count / most);
      const tip = `${name} calibration, said ${span(bin.low, bin.high)}: right ${percent(bin.accuracy)} of ${bin.count}`;
      return h("circle", { cx: x(bin.confidence), cy: y(bin.accuracy), r: radius.toFixed(1) }, h("title", {}, tip));
    }),
  );
}

function counts(after, before) {
  const most = Math.max(...[after, before].filter(Boolean).flatMap(({ bins }) => bins.map(({ count }) => count)));
  const bars = (reliability, name) =>
    full(reliability).map(({ low, high, count }) => {
      const height = Math.max(1, (COUNTS.height * count) / most);
      const place = { x: x(low) + 1, y: COUNTS.top + COUNTS.height - height, width: x(high) - x(low) - 2, height };
      return h("rect", { class: `${name} bar`, ...place });
    });
  return h("g", {}, bars(after, "after"), before && bars(before, "before"));
}

function legend(after, before) {
  const entry = (name, label, error) =>
    h(
      "li",
      {},
      h(
        "svg",
        { class: "diagram key", viewBox: "0 0 28 16", "aria-hidden": "true" },
        h("g", { class: name }, h("polyline", { points: "0,8 28,8" }), h("circle", { cx: 14, cy: 8, r: 5 })),
      ),
      h("span", {}, label, " ", h("strong", {}, tenth(error)), " off"),
    );
  return h(
    "ul",
    { class: "legend", "aria-label": "Calibration error" },
    before && entry("before", "Before calibration:", before.error),
    entry("after", before ? "After calibration, as it answers here:" : "As it answers here:", after.error),
  );
}

function numbers(after, before) {
  const rows = together(after, before).map(({ low, high, now, was }) =>
    h("tr", {}, h("th", { scope: "row" }, span(low, high)), before && columns(was), columns(now)),
  );
  const sides = before ? ["Before calibration", "After calibration"] : ["As it answers"];
  return h(
    "details",
    { dataset: { key: "reliability" } },
    h("summary", {}, "The numbers"),
    h(
      "div",
      { class: "table-box", tabindex: 0, role: "region", "aria-label": "Reliability in numbers" },
      h(
        "table",
        { class: "numbers" },
        h(
          "thead",
          {},
          h("tr", {}, h("th", { scope: "col", rowspan: 2 }, "said"), sides.map((name) => h("th", { scope: "colgroup", colspan: 2 }, name))),
          h("tr", {}, sides.map(() => ["right", "answers"].map((text) => h("th", { scope: "col" }, text)))),
        ),
        h("tbody", {}, rows),
      ),
    ),
  );
}

/** The bins of both that hold answers, by how sure; a bin may be empty in one of them, and then need not be there. */
export function together(after, before) {
  const found = new Map();
  for (const [name, reliability] of Object.entries({ now: after, was: before })) {
    for (const bin of reliability ? full(reliability) : []) {
      const key = bin.low.toFixed(3);
      found.set(key, { low: bin.low, high: bin.high, ...found.get(key), [name]: bin });
    }
  }
  return [...found.values()].sort((a, b) => a.low - b.low);
}

function columns(bin) {
  return [h("td", {}, bin?.count ? percent(bin.accuracy) : "–"), h("td", {}, String(bin?.count ?? 0))];
}

function full({ bins }) {
  return bins.filter(({ count }) => count > 0);
}

function span(low, high) {
  return `${Math.round(100 * low)}–${Math.round(100 * high)}%`;
}

function tenth(error) {
  return `${(100 * error).toFixed(1)}%`;
}

function x(share) {
  return PLOT.left + PLOT.width * share;
}

function y(share) {
  return PLOT.top + PLOT.height * (1 - share);
}
