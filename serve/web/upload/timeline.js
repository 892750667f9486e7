/** The timeline of a video: a lane of sets, a lane of segments, a playhead; click, tap or Enter goes there. */

import { Colours } from "../colours.js";
import { h } from "../dom.js";
import { clock, percent, scale, title } from "../format.js";
import { describe, nameOf, standing } from "./words.js";

// Half a segment, 6 s, is then wide enough to be hit with a finger; a longer timeline is scrolled.
const PIXELS_A_SECOND = 5;
const LABEL_SHARE = 0.14; // so wide may a label of the scale be on a phone

/** Where a time from `start` to `end` lies, in percent of `seconds`. */
export function place({ start, end }, seconds) {
  const share = (time) => (100 * Math.min(Math.max(time, 0), seconds)) / seconds;
  return { left: share(start), width: Math.max(share(end) - share(start), 0) };
}

/** In which row each item goes, so that none covers another; items are in the order of their starts. */
export function rowsOf(items) {
  const ends = [];
  return items.map(({ start, end }) => {
    const free = ends.findIndex((until) => until <= start + 1e-6);
    const row = free < 0 ? ends.length : free;
    ends[row] = end;
    return row;
  });
}

/**
 * Where an arrow key leads from an item: left and right within its lane, up and down to what the other lane shows at its time.
 * @param {object[][]} lanes
 * @param {{lane: number, index: number}} from
 * @param {string} key of a keyboard event
 * @returns {{lane: number, index: number} | null} null if the key means nothing here
 */
export function follow(lanes, { lane, index }, key) {
  const last = lanes[lane].length - 1;
  const within = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: last }[key];
  if (within !== undefined) return { lane, index: Math.min(Math.max(within, 0), last) };
  const other = { ArrowUp: lane - 1, ArrowDown: lane + 1 }[key];
  if (!lanes[other]?.length) return null;
  const { start, end } = lanes[lane][index];
  const middle = (start + end) / 2;
  const distance = (item) => Math.max(item.start - middle, middle - item.end, 0);
  const nearest = lanes[other].reduce((best, item, k, all) => (distance(item) < distance(all[best]) ? k : best), 0);
  return { lane: other, index: nearest };
}

/**
 * @param {object} options
 * @param {object} options.result VideoResponse
 * @param {(seconds: number) => void} options.seek
 * @returns {{element: HTMLElement, moved: (seconds: number) => void}} tell it where the video is
 */
export function createTimeline({ result, seek }) {
  const { seconds, sets, segments } = result;
  const lanes = [sets, segments];
  const colours = new Colours();
  const colour = (item) => colours.of(item.exercise);
  const bars = lanes.map((items, lane) => items.map((item, index) => bar(item, { lane, index })));
  let focused = { lane: sets.length ? 0 : 1, index: 0 };
  const playhead = h("div", { class: "playhead", "aria-hidden": "true" });
  const track = h(
    "div",
    { class: "track", style: { minWidth: `${seconds * PIXELS_A_SECOND}px` }, onclick: seekThere },
    laneOf("Sets", sets, bars[0], "No set was found"),
    laneOf("Segments", segments, bars[1], ""),
    h(
      "div",
      { class: "scale", "aria-hidden": "true" },
      scale(seconds, { room: LABEL_SHARE }).map((time) => h("span", { style: { left: `${(100 * time) / seconds}%` } }, clock(time))),
    ),
    playhead,
  );
  const scroller = h("div", { class: "scroller" }, track);
  const element = h(
    "div",
    { class: "timeline card", role: "group", "aria-label": "Timeline", dataset: { field: "timeline" }, onkeydown: onKey },
    scroller,
    legend(),
  );
  reach(focused);

  function bar(item, at) {
    const { left, width } = place(item, seconds);
    const kind = at.lane === 0 ? "Set" : "Segment";
    const note = at.lane === 0 ? (item.repetitions === null ? "" : `× ${item.repetitions}`) : percent(item.probability);
    return h(
      "button",
      {
        type: "button",
        class: "bar",
        tabindex: "-1",
        title: describe(item, kind),
        "aria-label": describe(item, kind),
        dataset: { standing: standing(item), start: item.start },
        style: { left: `${left}%`, width: `${width}%`, "--colour": colour(item) },
        onclick: () => seek(item.start),
        onfocus: () => reach(at),
      },
      h("span", {}, nameOf(item)),
      standing(item) !== "unknown" && h("span", { class: "note" }, note),
      (item.times ?? []).map((each) => repetition(each, item)),
    );
  }

  function reach(at) {
    bars[focused.lane][focused.index]?.setAttribute("tabindex", "-1");
    focused = at;
    bars[at.lane][at.index]?.setAttribute("tabindex", "0");
  }

  function onKey(event) {
    const at = event.altKey || event.ctrlKey || event.metaKey ? null : follow(lanes, focused, event.key);
    if (!at || !event.target.matches(".bar")) return;
    event.preventDefault();
    bars[at.lane][at.index].focus();
  }

  function seekThere(event) {
    if (event.target.closest(".bar")) return;
    const { left, width } = track.getBoundingClientRect();
    seek(Math.min(Math.max(((event.clientX - left) / width) * seconds, 0), seconds));
  }

  function legend() {
    const named = new Map([...sets, ...segments].filter((item) => item.known !== false).map((item) => [item.exercise, colour(item)]));
    const has = (kind) => segments.some((segment) => standing(segment) === kind);
    const entry = (kind, words, dye) =>
      h("li", {}, h("span", { class: "swatch", dataset: { standing: kind }, style: { "--colour": dye } }), words);
    return h(
      "ul",
      { class: "legend", "aria-label": "What the colours mean" },
      [...named].map(([exercise, dye]) => entry("sure", title(exercise), dye)),
      has("unsure") && entry("unsure", "Unsure: below 50%", "var(--muted)"),
      has("unknown") && entry("unknown", "Unknown: none of the exercises", "var(--muted)"),
      sets.some((set) => set.times?.length) && h("li", {}, h("span", { class: "swatch ticks" }), "One repetition"),
    );
  }

  return {
    element,
    moved(now) {
      const share = Math.min(Math.max(now / seconds, 0), 1);
      playhead.style.left = `${100 * share}%`;
      lanes.forEach((items, lane) =>
        items.forEach(({ start, end }, k) => bars[lane][k].classList.toggle("now", start <= now && now < end)),
      );
      // Where the timeline is wider than the screen, the playhead stays in view.
      const at = share * track.offsetWidth - scroller.scrollLeft;
      if (at < 0 || at > scroller.clientWidth) scroller.scrollLeft += at - scroller.clientWidth / 4;
    },
  };
}

function laneOf(name, items, bars, none) {
  const rows = rowsOf(items);
  const count = Math.max(1, ...rows.map((row) => row + 1));
  bars.forEach((bar, k) => bar.style.setProperty("--row", rows[k]));
  return h(
    "div",
    { class: "lane", role: "group", "aria-label": name, style: { "--rows": String(count) } },
    h("span", { class: "name", "aria-hidden": "true" }, name),
    h("div", { class: "bars" }, bars.length ? bars : h("span", { class: "none" }, none)),
  );
}

/** A mark within a set for one repetition. */
function repetition(each, set) {
  const { left, width } = place({ start: each.start - set.start, end: each.end - set.start }, set.end - set.start || 1);
  return h("i", { class: "repetition", "aria-hidden": "true", style: { left: `${left}%`, width: `${width}%` } });
}
