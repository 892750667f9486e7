/** What the page writes for the visitor to keep: CSV for spreadsheets, and any text as a file. */

/**
 * CSV (RFC 4180).
 * @param {string[]} columns
 * @param {(string | number | boolean | null)[][]} rows null is an empty cell
 */
export function toTable(columns, rows) {
  return [columns, ...rows].map((cells) => `${cells.map(cell).join(",")}\r\n`).join("");
}

/** Let the browser save text as a file. */
export function save(text, name, type) {
  // Excel reads a CSV without this mark in the machine's old code page.
  const url = URL.createObjectURL(new Blob([type === "text/csv" ? "\ufeff" : "", text], { type }));
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
