/** The last minutes of a session as a band: what was seen when, and the sets with their repetitions. */

import { h, replace } from "../dom.js";
import { clock, scale, title } from "../format.js";

const SHORTEST_S = 60;
const LONGEST_S = 240;
const LABEL_SHARE = 0.16; // so wide may a label be on a phone
const KINDS = { unknown: "None of the exercises", no_person: "Nobody in view" };

export class Timeline {
  #track = h("div", { class: "band-track" });
  #axis = h("div", { class: "band-axis" });
  #colours;
  #held = [];

  /** @param {import("../colours.js").Colours} colours shared with whatever else shows the session: an exercise keeps its own to the end */
  constructor(colours) {
    this.#colours = colours;
    this.element = h("div", { class: "band", role: "img", "aria-label": "Timeline: empty", dataset: { field: "timeline" } }, this.#track, this.#axis);
  }

  /**
   * @param {import("./session.js").Span[]} spans
   * @param {import("./session.js").DoneSet[]} sets
   * @param {{first: number, now: number, held: string[], whole?: boolean}} when `whole`: from the first picture on, and no
   *   longer than it was
   */
  show(spans, sets, { first, now, held, whole = false }) {
    this.#held = held;
    const length = whole ? Math.max(1, now - first) : Math.min(LONGEST_S, Math.max(SHORTEST_S, now - first));
    const from = Math.max(first, now - length);
    const place = ({ since, until }) => {
      const [left, right] = [Math.max(since, from), Math.min(until, from + length)];
      return right <= left ? null : { left: `${(100 * (left - from)) / length}%`, width: `${(100 * (right - left)) / length}%` };
    };
    replace(
      this.#track,
      spans.map((span) => this.#span(span, place(span))),
      sets.map((set) => this.#set(set, place(set))),
      now - from < length && h("div", { class: "band-now", style: { left: `${(100 * (now - from)) / length}%` } }),
    );
    replace(this.#axis, ticks(from - first, length));
    this.element.setAttribute("aria-label", spoken(sets, first));
  }

  #span(span, style) {
    if (!style) return null;
    const name = span.kind === "exercise" ? title(span.exercise) : KINDS[span.kind];
    if (span.kind === "exercise") style = { ...style, "--colour": this.#colours.of(span.exercise) };
    return h("div", { class: `band-span ${span.kind}`, style, title: name });
  }

  #set(set, style) {
    if (!style) return null;
    const count = this.#held.includes(set.exercise) ? clock(set.until - set.since) : `× ${set.repetitions}`;
    return h(
      "div",
      { class: set.open ? "band-set open" : "band-set", style: { ...style, "--colour": this.#colours.of(set.exercise) }, title: `${title(set.exercise)} ${count}` },
      h("span", { class: "band-name" }, title(set.exercise)),
      h("span", { class: "band-count" }, count),
    );
  }

  /** A dot in the colour that an exercise has here, to stand before its name elsewhere. */
  dot(exercise) {
    return h("span", { class: "dot", "aria-hidden": "true", style: { "--colour": this.#colours.of(exercise) } });
  }
}

function ticks(start, length) {
  const times = scale(length, { from: start, most: 5, room: LABEL_SHARE });
  return times.map((t) => h("span", { style: { left: `${(100 * (t - start)) / length}%` } }, clock(t)));
}

function spoken(sets, first) {
  if (!sets.length) return "Timeline: no sets yet";
  const each = sets.map((set) => `${set.exercise} from ${clock(set.since - first)} to ${clock(set.until - first)}`);
  return `Timeline: ${each.join(", ")}`;
}
