/** A version's scores, large, each with what it means in half a sentence. */

import { h } from "../dom.js";
import { percent } from "../format.js";

const TILES = [
  {
    field: "accuracy",
    score: "accuracy",
    name: "Accuracy",
    value: percent,
    means: (share) => `Of 100 segments that it had never seen, it names ${of100(share)} right.`,
  },
  {
    field: "macro-f1",
    score: "macro_f1",
    name: "Macro F1",
    value: percent,
    means: () => "The same with every exercise counting alike, however often it occurs; missed ones and false alarms both cost.",
  },
  {
    field: "calibration-error",
    score: "calibration_error",
    name: "Calibration error",
    value: (error) => `${(100 * error).toFixed(1)}%`,
    means: (error) => `By how much its certainty is off on average: where it says 80%, it is right ${range(0.8, error)} times in 100. Less is better.`,
  },
  {
    field: "unknown-auroc",
    score: "unknown_auroc",
    name: "Unknown AUROC",
    value: percent,
    means: (share) => `Shown an exercise and some other movement, it tells which is which ${of100(share)} times in 100.`,
  },
];

/**
 * The four scores.
 * @param {{scores: Object<string, number>}} report
 */
export function scoresPanel({ scores }) {
  return h("dl", { class: "scores" }, TILES.map((tile) => tileOf(tile, scores[tile.score])));
}

function tileOf({ field, name, value, means }, score) {
  const known = Number.isFinite(score);
  return h(
    "div",
    { class: "score" },
    h("dt", {}, name),
    h("dd", { class: "big", dataset: { field } }, known ? value(score) : "–"),
    h("dd", { class: "muted" }, known ? means(score) : "Not known: it was not measured when this version was registered."),
  );
}

function of100(share) {
  return percent(share).replace("%", "");
}

function range(said, error) {
  const [low, high] = [said - error, said + error].map((share) => Math.round(100 * Math.min(Math.max(share, 0), 1)));
  return low === high ? `${low}` : `${low} to ${high}`;
}
