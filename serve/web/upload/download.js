/** The answer as a file: CSV for spreadsheets, JSON for programs. */

import { remark, standing } from "./words.js";

const COLUMNS = ["video", "kind", "start", "end", "exercise", "probability", "known", "repetitions", "remark"];

/**
 * Sets and segments as CSV (RFC 4180); times in seconds, repetitions empty where there are none.
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
  const rows = [COLUMNS, ...result.sets.map(row("set")), ...result.segments.map(row("segment"))];
  return rows.map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
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

/** Let the browser save text as a file. */
export function save(text, name, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Not at once: the download begins after this.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function cell(value) {
  if (value === null) return "";
  if (typeof value !== "string") return String(value);
  // A spreadsheet takes such text for a formula, and a file's name may be anybody's.
  const safe = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function round(number, digits = 3) {
  return Number(number.toFixed(digits));
}
