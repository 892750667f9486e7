/** The answer as a file: CSV for spreadsheets, JSON for programs. */

import { toTable } from "../files.js";
import { remark, standing } from "./words.js";

const COLUMNS = ["video", "kind", "start", "end", "exercise", "probability", "known", "repetitions", "remark"];

/**
 * Sets and segments as CSV ; times in seconds, repetitions empty where there are none.
 * @param {object} result VideoResponse
 * @param {string} video the name of the file that was sent
 */
export function toCsv(result, video) {
  const row = (kind) => (item) => [
    video,
    kind,
    round(item.start),
    round(item.end),
    item.exercise,
    round(item.probability, 4),
    standing(item) !== "unknown",
    item.repetitions ?? null,
    remark(item),
  ];
  return toTable(COLUMNS, [...result.sets.map(row("set")), ...result.segments.map(row("segment"))]);
}

/** The answer as the service gave it, with the video's name. */
export function toJson(result, video) {
  return `${JSON.stringify({ video, ...result }, null, 1)}\n`;
}

/** "squat day 1.mp4" and "csv" as "squat day 1.csv"; without what file systems refuse. */
export function fileName(video, extension) {
  const stem = video
    .replace(/\.[^.]*$/, "")
    .replace(/[\\/:*?"<>|\p{Cc}]/gu, "_")
    .replace(/^\.+/, "")
    .slice(0, 100);
  return `${stem || "video"}.${extension}`;
}

function round(number, digits = 3) {
  return Number(number.toFixed(digits));
}
