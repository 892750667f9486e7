/** The view of a running session: built once, then told the session's state several times a second. */

import { Colours } from "../colours.js";
import { h, replace, statePanel } from "../dom.js";
import { clock, counted, percent, title } from "../format.js";
import { allSets, hintAt, isHeld, screen, timer, total } from "./session.js";
import { Timeline } from "./timeline.js";

const SETS_SHOWN = 30;
const AGAIN = "It is tried again by itself every few seconds.";

/** What the states of a running session say, and what can be done. `act` names the button's action. */
const NOTICES = {
  connecting: { kind: "busy", title: "Connecting", text: "Waiting for the service." },
  camera: { kind: "busy", title: "Waiting for the camera", text: "Allow this page to use it if your browser asks." },
  pose: { kind: "busy", title: "Loading the pose model", text: "It comes from the service once, and runs on this device." },
  lost: {
    kind: "warn",
    title: "The connection is lost",
    text: "Go on with your set: half a minute of it is kept here and counted once the service is back. It is tried again by itself.",
    act: "Try now",
  },
  unreachable: { kind: "warn", title: "The service does not answer", text: "See that it runs and that you are connected. It is tried again by itself.", act: "Try now" },
  full: { kind: "warn", title: "All places are taken", text: `The service has as many sessions as it can hold, or is about to start. ${AGAIN}`, act: "Try now" },
  overloaded: {
    kind: "warn",
    title: "The service is behind",
    text: "Some pictures are left out; a quick repetition may be missed. Go on. If it stays, look for a better network.",
  },
  "no-person": { kind: "info", title: "Nobody is in view", text: "Step back until your whole body is in the picture, and see that there is enough light." },
  unknown: { kind: "info", title: "None of the exercises", text: "This movement is not one that the model knows. Go on with an exercise, or see which there are.", act: "See the exercises" },
};

export class Panel {
  #fields = {};
  colours = new Colours(); // of the session's exercises
  #timeline = new Timeline(this.colours);
  #told = null; // which notice is shown, and why
  #setsTold = "";

  /** @param {{stop: () => void, retry: () => void, exercises: () => void}} actions */
  constructor(actions) {
    this.actions = actions;
    const field = (name, tag, props = {}, ...children) => (this.#fields[name] = h(tag, { ...props, dataset: { field: name } }, ...children));
    this.video = h("video", { playsinline: true, muted: true, "aria-label": "What the camera sees" });
    this.video.muted = true; // the attribute alone does not count for elements made by script
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.notice = h("div", { class: "live-notice", "aria-live": "polite" });
    this.unit = h("span", { class: "live-unit" }, "reps");
    this.#fields.counter = h("div", { class: "live-counter" }, field("count", "span", { class: "live-count" }, "0"), this.unit);
    this.frame = h("div", { class: "live-frame" }, this.video, this.canvas, this.#fields.counter, field("hint", "p", { class: "live-hint", hidden: true }));
    this.bar = h("div", {});
    this.stopButton = h("button", { type: "button", class: "button live-stop", onclick: actions.stop }, "Stop");
    this.empty = h("p", { class: "muted" }, "No sets yet. One is named some ten seconds after it begins, and counted from its beginning.");
    this.element = h(
      "div",
      { class: "live-run" },
      h("h1", { class: "visually-hidden" }, "Live session"),
      h("div", { class: "live-stage" }, this.frame, this.notice),
      h(
        "div",
        { class: "live-panel card" },
        h(
          "div",
          { class: "live-now" },
          field("exercise", "p", { class: "live-exercise" }, "…"),
          h(
            "div",
            { class: "live-sure" },
            h("div", { class: "meter", "aria-hidden": "true" }, this.bar),
            field("probability", "span", { class: "live-probability" }, "–"),
          ),
        ),
        h("div", { class: "live-guesses" }, h("h2", {}, "Best guesses"), field("top", "ol", { class: "live-top" })),
        h(
          "dl",
          { class: "live-facts" },
          h("div", {}, h("dt", {}, "This set"), field("timer", "dd", {}, "–")),
          h("div", {}, h("dt", {}, "Sets"), (this.setCount = h("dd", {}, "0"))),
          h("div", {}, h("dt", {}, "All reps"), (this.allReps = h("dd", {}, "0"))),
        ),
        h("div", { class: "live-foot" }, this.stopButton, h("span", { class: "muted" }, "Model ", field("version", "span", {}, "–"))),
      ),
      h(
        "div",
        { class: "live-log card stack" },
        h("h2", {}, "Your session"),
        this.#timeline.element,
        this.empty,
        field("sets", "ol", { class: "live-sets" }),
      ),
    );
  }

  /** How wide the camera's picture is for its height, and whether it is shown as in a looking glass. */
  shape(aspect, mirrored) {
    this.frame.style.setProperty("--aspect", String(aspect));
    this.frame.classList.toggle("mirrored", mirrored);
  }

  /**
   * @param {object} session the state of session.js
   * @param {number} now
   * @param {string | null} waiting "camera" or "pose" before there is a connection
   */
  show(session, now, waiting = null) {
    const state = screen(session, now);
    const f = this.#fields;
    put(f.exercise, headline(session, state));
    f.exercise.classList.toggle("named", Boolean(session.exercise));
    put(f.probability, session.exercise ? percent(session.probability) : "–");
    this.bar.style.width = `${100 * (session.exercise ? session.probability : 0)}%`;
    this.#showTop(session.top);
    this.#showCount(session, now);
    put(f.timer, session.set ? clock(timer(session, now)) : "–");
    const { sets, repetitions } = total(session);
    put(this.setCount, String(sets));
    put(this.allReps, String(repetitions));
    put(f.version, session.version ?? "–");
    const hint = hintAt(session, now);
    f.hint.hidden = !hint;
    put(f.hint, hint ?? "");
    const notice = waiting ?? (state === "lost" && !session.welcomed ? "unreachable" : state);
    // Whose places are taken only the service knows: they may be those of one token.
    this.#notify(notice, notice === "full" ? session.detail : "");
    this.#showSets(session, now);
  }

  #showTop(top) {
    const list = this.#fields.top;
    while (list.children.length < Math.max(3, top.length)) {
      const bar = h("span", { class: "live-guess-bar", "aria-hidden": "true" });
      list.append(h("li", {}, h("span", {}), h("span", { class: "live-guess-share" }), bar));
    }
    [...list.children].forEach((item, index) => {
      const guess = top[index];
      item.classList.toggle("empty", !guess);
      put(item.children[0], guess ? title(guess.exercise) : "–");
      put(item.children[1], guess ? percent(guess.probability) : "");
      item.children[2].style.width = `${100 * (guess?.probability ?? 0)}%`;
    });
  }

  /** The open set's repetitions, or those of the last one, faintly. */
  #showCount(session, now) {
    const set = session.set ?? session.sets.at(-1);
    const held = set && isHeld(session, set.exercise);
    const count = set ? (set.count ?? set.repetitions) : 0;
    put(this.#fields.count, held ? clock((session.set ? now : set.until) - set.since) : String(count));
    put(this.unit, session.set || !set ? (held ? "held" : count === 1 ? "rep" : "reps") : "last set");
    this.#fields.counter.classList.toggle("over", !session.set);
    this.#fields.counter.classList.toggle("held", Boolean(held));
  }

  #notify(name, why) {
    if (`${name} ${why}` === this.#told) return;
    this.#told = `${name} ${why}`;
    const { act, ...what } = NOTICES[name] ?? {};
    if (why) what.text = `${title(why)} ${AGAIN}`;
    const run = name === "unknown" ? this.actions.exercises : this.actions.retry;
    const hadFocus = this.notice.contains(document.activeElement);
    replace(this.notice, what.title ? statePanel({ ...what, actions: act ? [{ label: act, run }] : [] }) : null);
    if (hadFocus) (this.notice.querySelector("button") ?? this.stopButton).focus();
  }

  #showSets(session, now) {
    const sets = allSets(session, now);
    const first = session.first ?? now;
    this.#timeline.show(session.spans, sets, { first, now, held: session.held });
    this.empty.hidden = sets.length > 0;
    const count = (set) => (isHeld(session, set.exercise) ? "held" : counted(set.repetitions, "rep"));
    const rows = sets.map((set, index) => [index + 1, set.exercise, clock(set.since - first), count(set), Boolean(set.open)]);
    const all = JSON.stringify(rows);
    if (all === this.#setsTold) return;
    this.#setsTold = all;
    replace(
      this.#fields.sets,
      rows.slice(-SETS_SHOWN).map(([number, exercise, from, told, open]) =>
        h(
          "li",
          { class: open ? "open" : "" },
          h("span", { class: "muted" }, `${number}.`),
          h("span", { class: "live-set-name" }, this.#timeline.dot(exercise), title(exercise)),
          h("span", { class: "muted" }, `at ${from}`),
          h("span", { class: "live-set-count" }, told, open && h("span", { class: "chip good" }, "now")),
        ),
      ),
    );
  }
}

function headline(session, state) {
  if (session.exercise) return title(session.exercise);
  if (state === "no-person") return "Nobody in view";
  if (state === "unknown") return "Not an exercise I know";
  return session.connection === "open" ? "Watching …" : "…";
}

/** Text is written only where it changes, so that selections stay and nothing is laid out for nothing. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
