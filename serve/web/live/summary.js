/** After a session: its sets, their sum, and the same as a file. */

import { h } from "../dom.js";
import { save, toTable } from "../files.js";
import { clock, title } from "../format.js";
import { isHeld, total } from "./session.js";
import { Timeline } from "./timeline.js";

/**
 * The panel of a session that is over.
 * @param {object} session the state of session.js
 * @param {() => void} again starts another one, as the last
 * @param {() => void} change goes back to the choices
 * @param {import("../colours.js").Colours} colours those that the session was shown with
 */
export function summaryPanel(session, again, change, colours) {
  const rows = table(session);
  const timeline = new Timeline(colours);
  if (rows.length) {
    const [first, now] = [session.first ?? session.sets[0].since, session.last ?? session.sets.at(-1).until];
    timeline.show(session.spans, session.sets, { first, now, held: session.held, whole: true });
  }
  const { repetitions } = total(session);
  const seconds = session.seconds ?? tenth((session.last ?? 0) - (session.first ?? 0)); // of a session without a goodbye
  return h(
    "div",
    { class: "card stack live-summary" },
    h("h1", { tabindex: "-1" }, "Your session"),
    h(
      "dl",
      { class: "live-totals" },
      figure(String(rows.length), rows.length === 1 ? "set" : "sets"),
      figure(String(repetitions), repetitions === 1 ? "repetition" : "repetitions"),
      figure(clock(seconds), "time"),
    ),
    rows.length > 0 && timeline.element,
    rows.length
      ? h("div", { class: "live-scroll", tabindex: "0", role: "region", "aria-label": "Sets of the session" }, sheet(rows, timeline))
      : h("p", {}, "No set was seen. A set is named some ten seconds after it begins: keep going a little longer, with your whole body in the picture."),
    h(
      "div",
      { class: "row" },
      h("button", { type: "button", class: "button primary", onclick: again }, "Start again"),
      h("button", { type: "button", class: "button", onclick: change }, "Settings"),
      rows.length > 0 && [
        h("button", { type: "button", class: "button", onclick: () => save(csv(rows), "session.csv", "text/csv") }, "Save CSV"),
        h("button", { type: "button", class: "button", onclick: () => save(json(rows, session.version, seconds), "session.json", "application/json") }, "Save JSON"),
      ],
    ),
  );
}

/** The sets with times from the session's beginning, in seconds. */
export function table(session) {
  const from = session.first ?? session.sets[0]?.since ?? 0;
  return session.sets.map(({ exercise, since, until, repetitions }, index) => ({
    set: index + 1,
    exercise,
    start: tenth(since - from),
    end: tenth(until - from),
    repetitions: isHeld(session, exercise) ? null : repetitions,
  }));
}

/** The sets as CSV. */
export function csv(rows) {
  const columns = ["set", "exercise", "start", "end", "repetitions"];
  return toTable(columns, rows.map((row) => columns.map((name) => row[name])));
}

function json(rows, version, seconds) {
  return JSON.stringify({ model_version: version, seconds, sets: rows }, null, 2);
}

function tenth(seconds) {
  return Math.round(10 * Math.max(0, seconds)) / 10;
}

function sheet(rows, timeline) {
  const cells = ({ set, exercise, start, end, repetitions }) =>
    h(
      "tr",
      {},
      h("td", {}, String(set)),
      h("th", { scope: "row" }, timeline.dot(exercise), title(exercise)),
      h("td", {}, clock(start)),
      h("td", {}, clock(end - start)),
      h("td", { class: "live-count-cell" }, repetitions === null ? "held" : String(repetitions)),
    );
  const head = ["Set", "Exercise", "From", "Time", "Reps"].map((name) => h("th", { scope: "col" }, name));
  return h("table", { class: "live-table" }, h("thead", {}, h("tr", {}, head)), h("tbody", {}, rows.map(cells)));
}

function figure(value, name) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}
