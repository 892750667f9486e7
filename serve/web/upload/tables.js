/** The sets and segments of a video as tables: the same as the timeline, to be read. */

import { h } from "../dom.js";
import { percent } from "../format.js";
import { nameOf, remark, span, standing } from "./words.js";

/**
 * @param {object} result VideoResponse
 * @param {(seconds: number) => void} seek
 */
export function createTables(result, seek) {
  const time = (item) => h("button", { type: "button", class: "seek", onclick: () => seek(item.start), "aria-label": `Go to ${span(item)}` }, span(item));
  const likely = (item) => (standing(item) === "unknown" ? "–" : percent(item.probability));
  const marked = (item) => h("span", { class: "named", dataset: { standing: standing(item) } }, nameOf(item));
  const counted = (set) => (set.repetitions === null ? "held" : h("span", { class: "count" }, String(set.repetitions)));
  return h(
    "div",
    { class: "tables" },
    table(
      "Sets",
      "sets",
      ["Time", "Exercise", "Probability", "Repetitions", "Remarks"],
      result.sets.map((set) => [time(set), marked(set), likely(set), counted(set), remark(set)]),
      "No set was found: no exercise lasted long enough, or none was recognised.",
    ),
    table(
      "Segments",
      "segments",
      ["Time", "Exercise", "Probability", "Remarks"],
      result.segments.map((segment) => [time(segment), marked(segment), likely(segment), remark(segment)]),
      "",
    ),
  );
}

function table(name, field, columns, rows, none) {
  return h(
    "div",
    { class: "card", dataset: { field } },
    rows.length
      ? h(
          "table",
          // A phone lays the rows out as grids, after which some browsers no longer know that this is a table.
          { role: "table", style: { "--columns": String(columns.length - 1) } },
          h("caption", {}, name),
          h("thead", { role: "rowgroup" }, row(columns.map((column) => h("th", { scope: "col", role: "columnheader" }, column)))),
          h("tbody", { role: "rowgroup" }, rows.map((cells) => row(cells.map((cell) => h("td", { role: "cell" }, cell))))),
        )
      : [h("h3", {}, name), h("p", { class: "muted" }, none)],
  );
}

function row(cells) {
  return h("tr", { role: "row" }, cells);
}
