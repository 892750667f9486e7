/** The exercises as cards, each with a figure that does one repetition over and over, and how well it is recognised. */

import { h, replace } from "../dom.js";
import { Animation, Figure } from "../figure.js";
import { percent, title } from "../format.js";
import { sidesOf } from "../skeleton.js";

/**
 * Cards for all exercises.
 * @param {{layout: string, fps: number, exercises: {name: string, held: boolean, frames: number[][][]}[]}} motions
 * @param {object} layouts as GET /v1/layouts has them
 * @returns {{element: Node[], score(perClass: object | null): void, shown(): void, hidden(): void}}
 */
export function figuresPanel({ layout, fps, exercises }, layouts) {
  const skeleton = { ...layouts[layout], sides: sidesOf(layouts[layout]) };
  const known = h("p", { class: "muted" });
  const all = h("button", { type: "button", class: "button", onclick: () => animation.play(!animation.playing) });
  const animation = new Animation(told);
  const cards = exercises.map((exercise) => new Card(exercise, fps, skeleton, animation));

  function told() {
    all.textContent = animation.playing ? "Pause all figures" : "Play all figures";
    for (const card of cards) card.told();
  }

  told();
  return {
    element: [
      h(
        "div",
        { class: "row figures-head" },
        h("ul", { class: "legend row" }, ["left", "right"].map(legend)),
        all,
      ),
      known,
      exercises.some(({ held }) => held) && h("p", { class: "muted" }, "What is held is not repeated: it has a time and no repetitions."),
      h("ul", { class: "figures" }, cards.map(({ element }) => element)),
    ],
    score(perClass) {
      replace(
        known,
        perClass
          ? "Recall: how many of its segments were found. Precision: how many of those named so really were. F1 lies between."
          : "How well each is recognised is not known: this version was registered before reports were kept. Train it again to see it.",
      );
      for (const card of cards) card.score(perClass?.[card.name]);
    },
    shown: () => animation.shown(),
    hidden: () => animation.hidden(),
  };
}

/** One exercise: its figure, which is a button that lets it play or stand, and its scores. */
class Card {
  constructor({ name, held, frames }, fps, skeleton, animation) {
    this.name = name;
    const canvas = h("canvas", { "aria-hidden": "true" });
    this.figure = new Figure(canvas, skeleton, fps);
    this.figure.show(frames);
    animation.add(this.figure);
    this.stage = h("button", { type: "button", class: "stage", onclick: () => animation.play(!this.figure.playing, this.figure) }, canvas);
    this.scores = h("div", { class: "class-scores" });
    this.element = h(
      "li",
      { class: "figure", dataset: { exercise: name } },
      this.stage,
      h("div", { class: "row" }, h("h3", {}, title(name)), held && h("span", { class: "chip" }, "held")),
      this.scores,
    );
  }

  /** Say whether it plays. */
  told() {
    const { playing } = this.figure;
    this.stage.dataset.playing = playing;
    this.stage.setAttribute("aria-label", `${title(this.name)}: ${playing ? "pause" : "play"} the figure`);
  }

  /** Show how well it is recognised: {precision, recall, f1, support}, or nothing where it is not known. */
  score(found) {
    if (!found) {
      replace(this.scores);
      return;
    }
    const { precision, recall, f1, support } = found;
    replace(
      this.scores,
      h("div", { class: "meter", "aria-hidden": "true" }, h("div", { style: { width: `${100 * f1}%` } })),
      h("dl", {}, [["F1", percent(f1)], ["Recall", percent(recall)], ["Precision", percent(precision)], ["Test segments", support]].map(row)),
    );
  }
}

function legend(side) {
  return h("li", {}, h("span", { class: "swatch", dataset: { side } }), `${side} side`);
}

function row([name, value]) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, String(value)));
}
