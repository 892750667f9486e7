/** What is seen before a session: what happens to the video, the choices, and a figure that shows what to expect. */

import { h } from "../dom.js";
import { title } from "../format.js";
import { between, drawSkeleton, fit, sharp, sidesOf } from "../skeleton.js";

const SHOWN = ["squat", "shoulder press", "barbell biceps curl", "lateral raise", "deadlift"];
const REPETITIONS = 4;

/**
 * The panel with the start button.
 * @param {object} what
 * @param {boolean} what.localPose whether poses can be estimated in this browser
 * @param {{place: "server" | "device", facing: "user" | "environment"}} what.choices of the last session
 * @param {(choices: {place: string, facing: string}) => void} what.start
 */
export function startPanel({ localPose, choices, start, figure }) {
  const form = h(
    "form",
    {
      class: "live-form",
      onsubmit: (event) => {
        event.preventDefault();
        const given = new FormData(form);
        start({ place: given.get("place") ?? "server", facing: given.get("facing") });
      },
    },
    localPose
      ? choice("Where is your pose found?", "place", choices.place, [
          ["server", "By the service", "Five pictures a second are sent, their poses are estimated, and no picture is kept."],
          ["device", "On this device", "The video never leaves it: only the joints of your body are sent. Needs a quick phone or laptop."],
        ])
      : h("p", { class: "live-privacy" }, "Five pictures a second go to the service, which finds your joints in them. No picture is kept, there or anywhere else."),
    choice("Which camera?", "facing", choices.facing, [
      ["user", "Front", null],
      ["environment", "Back", null],
    ]),
    h("button", { class: "button primary live-start-button" }, "Start"),
  );
  return h(
    "div",
    { class: "live-start card" },
    h(
      "div",
      { class: "stack" },
      h("h1", {}, "See your sets counted"),
      h("p", { class: "live-lead" }, "Stand so that your whole body is in the picture, two to three metres from the camera, and begin. The exercise is named and every repetition counted as you go."),
      form,
    ),
    figure,
  );
}

function choice(legend, name, chosen, options) {
  return h(
    "fieldset",
    { class: "live-choice" },
    h("legend", {}, legend),
    options.map(([value, label, text]) =>
      h(
        "label",
        { class: "live-option" },
        h("input", { type: "radio", name, value, checked: value === chosen }),
        h("span", {}, h("span", { class: "live-option-name" }, label), text && h("span", { class: "live-option-text" }, text)),
      ),
    ),
  );
}

/** A figure that exercises, with its counter, as a session looks. It is decoration: nothing is lost without it. */
export class Figure {
  #canvas = h("canvas", {});
  #name = h("span", { class: "live-figure-name" });
  #count = h("span", { class: "live-figure-count" }, "0");
  #motions = [];
  #layout = null;
  #began = null;
  #running = false;
  #asked = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  constructor() {
    this.element = h("div", { class: "live-figure", "aria-hidden": "true", hidden: true }, this.#canvas, this.#name, this.#count);
  }

  /** Get the motions from the service; without them there is no figure. */
  async load(api, layouts) {
    const { layout, fps, exercises } = await api.getJson("/v1/exercises");
    this.#layout = { ...layouts[layout], sides: sidesOf(layouts[layout]) };
    this.#motions = SHOWN.map((name) => exercises.find((one) => one.name === name))
      .filter(Boolean)
      .map(({ name, frames }) => ({ name, frames, seconds: frames.length / fps }));
    this.element.hidden = !this.#motions.length;
    if (this.#running) this.run();
  }

  run() {
    this.#running = true;
    if (!this.#motions.length || this.#asked !== null) return;
    this.#began ??= performance.now();
    this.#ask(0);
  }

  pause() {
    this.#running = false;
  }

  /** One frame more; never two at a time. */
  #ask(milliseconds) {
    this.#asked = setTimeout(() => requestAnimationFrame(() => this.#step()), milliseconds);
  }

  #step() {
    this.#asked = null;
    if (!this.#running || !this.element.isConnected) return;
    const turn = this.#motions.reduce((sum, { seconds }) => sum + seconds * REPETITIONS, 0);
    let t = this.#still.matches ? 0 : ((performance.now() - this.#began) / 1000) % turn;
    let motion = this.#motions[0];
    for (motion of this.#motions) {
      if (t < motion.seconds * REPETITIONS) break;
      t -= motion.seconds * REPETITIONS;
    }
    this.#draw(motion, t);
    if (!this.#still.matches) this.#ask(30);
  }

  #draw({ name, frames, seconds }, t) {
    const { context, width, height } = sharp(this.#canvas);
    context.clearRect(0, 0, width, height);
    if (!width) return;
    const place = (t / seconds) * frames.length;
    const [all, share] = [fit(frames, width, height, { margin: 0.16 }), place % 1];
    const points = between(all[Math.floor(place) % frames.length], all[Math.ceil(place) % frames.length], share);
    const { bones, sides } = this.#layout;
    drawSkeleton(context, { bones, sides, points, width, height });
    this.#name.textContent = title(name);
    this.#count.textContent = String(Math.floor(t / seconds));
  }
}
