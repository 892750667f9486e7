/**
 * Colours of the exercises in one timeline. White text can be read on each (5:1), each stands out from the page's light and
 * dark background (3:1 and more), and they are given so that those that came one after the other are of quite other hues.
 * They never say anything alone: names, numbers and positions say it too.
 */

// Nine hues of one luminance, 0.16, each followed by one far from it, the last by the first. More could not be told apart.
const PALETTE = ["#047c7d", "#d32d3d", "#5760e6", "#737300", "#c63187", "#0076ae", "#a65e00", "#008139", "#9a49cc"];

export class Colours {
  #given = new Map();

  /** The colour of an exercise: the next one if it has none yet. */
  of(exercise) {
    if (!this.#given.has(exercise)) this.#given.set(exercise, PALETTE[this.#given.size % PALETTE.length]);
    return this.#given.get(exercise);
  }
}
