/** What a version was trained on, and where the record of it is kept. */

import { h } from "../dom.js";
import { title } from "../format.js";

/** Where there is room for it, what takes much of it is unfolded from the beginning. */
export const WIDE = "(min-width: 900px)";

const SIDES = [
  { side: "train", name: "Training", means: "it learned from these" },
  { side: "validation", name: "Validation", means: "chose when to stop, and how sure to be" },
  { side: "test", name: "Test", means: "kept away from it; all scores here are of these" },
];

/** What is not known of a version that was registered before reports were kept. */
export function unknownNote(what) {
  return h(
    "p",
    { class: "unknown-note" },
    h("strong", {}, "Not known"),
    `: ${what}. This version was registered before reports were kept. Train it again with `,
    h("code", {}, "gymspotter train"),
    " to see it.",
  );
}

/** Whether the test side overlaps with the training side, as in the paper's protocol: its scores then promise too much. */
export function overlaps(split) {
  return /^paper\b/.test(split ?? "");
}

/**
 * How many segments, videos and groups each side has, and the segments of each exercise.
 * @param {{classes: string[], data: object | null}} report
 */
export function dataPanel({ classes, data }) {
  if (!data) return unknownNote("how many videos it learned from, and of which exercises");
  const sides = SIDES.filter(({ side }) => data[side]);
  return [
    h("div", { class: "sides" }, sides.map((each) => sidePanel(each, data[each.side]))),
    h(
      "p",
      { class: "muted" },
      "A segment is up to 12 s of one video; a group is one person or recording. ",
      overlaps(data.split)
        ? "This version was divided as the paper did it: segments of one video are on several sides. "
        : "No group is on two sides, so it is tested on nobody whom it knows. ",
      sides.some(({ side }) => others(data[side]) > 0) && "Segments that show none of the exercises count here, but not below.",
    ),
    perClass(classes, sides, data),
  ];
}

function sidePanel({ side, name, means }, { segments, videos, groups }) {
  return h(
    "div",
    { class: "side", dataset: { side } },
    h("h3", {}, name),
    h("p", { class: "big" }, number(segments)),
    h("p", {}, `segments of ${number(videos)} videos, ${number(groups)} groups`),
    h("p", { class: "muted" }, means),
  );
}

function perClass(classes, sides, data) {
  const count = (side, name) => data[side].per_class?.[name] ?? 0;
  const most = Math.max(1, ...classes.map((name) => sides.reduce((all, { side }) => all + count(side, name), 0)));
  const bar = (name) =>
    h(
      "div",
      { class: "counts", "aria-hidden": "true" },
      sides.map(({ side }) => h("div", { dataset: { side }, style: { width: `${(100 * count(side, name)) / most}%` } })),
    );
  const heads = sides.map(({ side, name }) => h("th", { scope: "col", dataset: { side } }, name));
  const row = (name) =>
    h("tr", {}, h("th", { scope: "row" }, title(name)), h("td", {}, bar(name)), sides.map(({ side }) => h("td", {}, number(count(side, name)))));
  return h(
    "details",
    { dataset: { key: "data" }, open: matchMedia(WIDE).matches },
    h("summary", {}, "Segments of each exercise"),
    h(
      "table",
      { class: "numbers per-class" },
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Exercise"), h("td", {}), heads)),
      h("tbody", {}, classes.map(row)),
    ),
  );
}

/**
 * Commit, split and fingerprint, and the way to MLflow.
 * @param {{commit: string, data: {split: string, fingerprint: string} | null, mlflow: string | null}} report
 * @param {{split: string, data: string} | null} [facts] what GET /v1/model says, for a version without `data` in its report
 */
export function recordPanel({ commit, data, mlflow, model_version: version }, facts = null) {
  const rows = [
    ["Git commit", commit],
    ["Split", data?.split ?? facts?.split],
    ["Fingerprint of the data", data?.fingerprint ?? facts?.data],
  ];
  // A link goes to a web page or nowhere.
  const page = mlflow && /^https?:\/\//.test(mlflow) ? mlflow : null;
  const fact = ([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value ? h("code", {}, value) : "not known"));
  return [
    h("dl", { class: "record" }, rows.map(fact)),
    h(
      "div",
      { dataset: { field: "mlflow" } },
      page
        ? h(
            "a",
            { class: "button", href: page, target: "_blank", rel: "noopener noreferrer" },
            `Version ${version} in MLflow`,
            h("span", { class: "visually-hidden" }, " (opens a new tab)"),
          )
        : h(
            "p",
            {},
            "Every run and version is recorded in MLflow. Its store is a file here: open it on the machine that has it with ",
            h("code", {}, "mlflow ui --backend-store-uri sqlite:///mlflow.db"),
            ".",
          ),
    ),
  ];
}

function others({ segments, per_class: perClass }) {
  return segments - Object.values(perClass ?? {}).reduce((a, b) => a + b, 0);
}

function number(count) {
  return Number.isFinite(count) ? count.toLocaleString("en") : "–";
}
