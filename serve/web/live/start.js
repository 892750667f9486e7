/** What is seen before a session: what happens to the video, the choices, and a figure that shows what to expect. */

import { h } from "../dom.js";
import { Animation, Figure } from "../figure.js";
import { title } from "../format.js";
import { sidesOf } from "../skeleton.js";

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

/** A figure that exercises, with its counter, as a session looks. It is decoration, and can be paused: nothing is lost without it. */
export class Preview {
  #canvas = h("canvas", {});
  #name = h("span", { class: "live-figure-name" });
  #count = h("span", { class: "live-figure-count" }, "0");
  #button = h("button", { type: "button", class: "button", onclick: () => this.#animation.play(!this.#animation.playing) });
  #animation = new Animation(() => this.#told());
  #figure = null;
  #motions = [];
  #shown = 0; // which motion
  #done = 0; // repetitions of it

  constructor() {
    const picture = h("div", { "aria-hidden": "true" }, this.#canvas, this.#name, this.#count);
    this.element = h("div", { class: "live-figure", hidden: true }, picture, this.#button);
  }

  /** Get the motions from the service; without them there is no figure. */
  async load(api, layouts) {
    const { layout, fps, exercises } = await api.getJson("/v1/exercises");
    this.#motions = SHOWN.map((name) => exercises.find((one) => one.name === name)).filter(Boolean);
    if (!this.#motions.length) return;
    this.element.hidden = false;
    const skeleton = { ...layouts[layout], sides: sidesOf(layouts[layout]) };
    this.#figure = new Figure(this.#canvas, skeleton, fps, () => this.#turned());
    this.#show(0);
    this.#animation.add(this.#figure);
    this.#told();
  }

  run() {
    this.#animation.shown();
  }

  pause() {
    this.#animation.hidden();
  }

  #told() {
    this.#button.textContent = this.#animation.playing ? "Pause" : "Play";
    this.#button.setAttribute("aria-label", `${this.#button.textContent} the figure`);
  }

  #show(index) {
    [this.#shown, this.#done] = [index, 0];
    const { name, frames } = this.#motions[index];
    this.#figure.show(frames, 0);
    this.#name.textContent = title(name);
    this.#count.textContent = "0";
  }

  #turned() {
    this.#done += 1;
    if (this.#done < REPETITIONS) this.#count.textContent = String(this.#done);
    else this.#show((this.#shown + 1) % this.#motions.length);
  }
}
