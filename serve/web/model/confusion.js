/** What a model takes for what: the pairs most often confused, and the whole matrix as a grid for eyes, keys and ears. */

import { h } from "../dom.js";
import { percent, title } from "../format.js";
import { WIDE, unknownNote } from "./data.js";

const PAIRS = 6;
// A cell's tint, in percent of the colour: text can be read on the strongest, and the weakest can be seen.
const TINT = { least: 12, most: 48 };

/**
 * The confusion of a version.
 * @param {{classes: string[], confusion: number[][] | null}} report rows of `confusion` are the true exercises
 */
export function confusionPanel({ classes, confusion }) {
  if (!confusion) return unknownNote("how often it takes one exercise for another");
  const pairs = confusedPairs(classes, confusion);
  return [
    h(
      "p",
      { class: "muted" },
      pairs.length ? "Most often, on segments that it had never seen:" : "Nothing: on the segments that it had never seen, every answer was right.",
    ),
    pairs.length > 0 && h("ol", { class: "pairs" }, pairs.slice(0, PAIRS).map(pairItem)),
    h(
      "details",
      { dataset: { key: "matrix" }, open: matchMedia(WIDE).matches },
      h("summary", {}, `The whole matrix, ${classes.length} × ${classes.length}`),
      h(
        "p",
        { class: "muted" },
        "A row is what the athlete did, a column what the model said; numbers are percent of the row. Right answers lie on the diagonal. ",
        "Point at a cell for its count, or go to it with the Tab key and on with the arrow keys.",
      ),
      matrix(classes, confusion),
    ),
  ];
}

/** What was taken for something else, [{truth, said, count, of, share}], the most frequent first. */
export function confusedPairs(classes, confusion) {
  const cells = confusion.flatMap((row, truth) => {
    const of = sum(row);
    return row.map((count, said) => ({ truth: classes[truth], said: classes[said], count, of, share: count / of, wrong: truth !== said }));
  });
  return cells.filter(({ wrong, count }) => wrong && count > 0).sort((a, b) => b.count - a.count || b.share - a.share);
}

function pairItem({ truth, said, count, of, share }) {
  return h(
    "li",
    {},
    h("span", {}, h("strong", {}, title(truth)), " taken for ", h("strong", {}, said)),
    h("span", { class: "muted" }, `${count} of ${of} (${percent(share)})`),
    h("div", { class: "meter", "aria-hidden": "true" }, h("div", { style: { width: `${100 * share}%` } })),
  );
}

function matrix(classes, confusion) {
  const readout = h("p", { class: "readout", "aria-hidden": "true" });
  const columnHeads = classes.map((name) => h("th", { scope: "col" }, h("span", {}, name)));
  const rowHeads = classes.map((name) => h("th", { scope: "row" }, name));
  const cells = confusion.map((row, truth) => row.map((count, said) => cell({ truth, said, count, of: sum(row), classes })));
  const table = h(
    "table",
    { role: "grid", class: "matrix", "aria-label": "Confusion: rows are what was done, columns what the model said" },
    h("thead", {}, h("tr", {}, h("td", { class: "corner" }, h("span", {}, "did ↓"), h("span", {}, "said →")), columnHeads)),
    h("tbody", {}, cells.map((row, truth) => h("tr", {}, rowHeads[truth], row))),
  );
  let [row, column] = [0, 0];

  /** Say what a cell holds, and mark its heads. */
  function point(truth, said) {
    for (const head of table.querySelectorAll("th.here")) head.classList.remove("here");
    if (truth === null) [truth, said] = table.contains(document.activeElement) ? [row, column] : [null, null];
    readout.textContent = truth === null ? "Point at a cell, or tap it." : title(cells[truth][said].getAttribute("aria-label"));
    if (truth === null) return;
    rowHeads[truth].classList.add("here");
    columnHeads[said].classList.add("here");
  }

  function go(truth, said) {
    const last = classes.length - 1;
    cells[row][column].tabIndex = -1;
    [row, column] = [truth, said].map((k) => Math.min(Math.max(k, 0), last));
    cells[row][column].tabIndex = 0;
    cells[row][column].focus();
  }

  const placeOf = (target) => {
    const found = target.closest("td[data-truth]");
    return found ? [Number(found.dataset.truth), Number(found.dataset.said)] : [null, null];
  };
  table.addEventListener("pointerover", (event) => point(...placeOf(event.target)));
  table.addEventListener("pointerleave", () => point(null, null));
  table.addEventListener("focusin", (event) => point(...placeOf(event.target)));
  table.addEventListener("focusout", () => point(null, null));
  table.addEventListener("click", (event) => {
    const [truth, said] = placeOf(event.target);
    if (truth !== null) go(truth, said);
  });
  table.addEventListener("keydown", (event) => {
    const last = classes.length - 1;
    const to = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      Home: [event.ctrlKey ? 0 : row, 0],
      End: [event.ctrlKey ? last : row, last],
    }[event.key];
    if (!to || event.altKey || event.metaKey) return;
    event.preventDefault();
    go(...to);
  });
  cells[0][0].tabIndex = 0;
  point(null, null);
  return h("div", { class: "matrix-box" }, table, readout);
}

function cell({ truth, said, count, of, classes }) {
  const share = of ? count / of : 0;
  const right = truth === said;
  return h(
    "td",
    {
      tabindex: -1,
      dataset: { truth, said },
      class: count ? (right ? "right" : "wrong") : right ? "right none" : "none",
      "aria-label": `true ${classes[truth]}, said ${classes[said]}: ${count} of ${of}`,
      style: count ? { "--tint": `${(TINT.least + share * (TINT.most - TINT.least)).toFixed(1)}%` } : {},
    },
    count ? percent(share).replace("%", "") : "",
  );
}

function sum(row) {
  return row.reduce((a, b) => a + b, 0);
}
