/** The exercises as cards, each with a figure that does one repetition over and over, and how well it is recognised. */

import { h, replace } from "../dom.js";
import { colourOf, percent, title } from "../format.js";
import { between, drawSkeleton, fit, sharp, sidesOf } from "../skeleton.js";

const HEAD_METRES = 0.09;
const FLOOR = 0.9; // where it lies in a card, as a share of its height
const LONGEST_STEP = 0.1; // seconds; after a pause the figures do not jump
const STILL = "(prefers-reduced-motion: reduce)";

/**
 * Cards for all exercises.
 * @param {{layout: string, fps: number, exercises: {name: string, held: boolean, frames: number[][][]}[]}} motions
 * @param {object} layouts as GET /v1/layouts has them
 * @param {string[]} classes the model's, for the colours that its exercises have elsewhere
 * @returns {{element: Node[], score(perClass: object | null): void, shown(): void, hidden(): void}}
 */
export function figuresPanel({ layout, fps, exercises }, layouts, classes) {
  const skeleton = { ...layouts[layout], sides: sidesOf(layouts[layout]) };
  const reduced = matchMedia(STILL);
  const figures = exercises.map((exercise) => new Figure(exercise, fps, skeleton, !reduced.matches, wake));
  const known = h("p", { class: "muted" });
  const all = h("button", { type: "button", class: "button", onclick: () => playAll(!figures.some(({ playing }) => playing)) });
  let [shown, request, last] = [false, 0, 0];

  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) figureOf(target).visible = isIntersecting;
    wake();
  });
  const sized = new ResizeObserver((entries) => entries.forEach(({ target }) => figureOf(target).resize()));
  for (const { canvas } of figures) {
    seen.observe(canvas);
    sized.observe(canvas);
  }
  const figureOf = (canvas) => figures.find((figure) => figure.canvas === canvas);
  reduced.addEventListener("change", ({ matches }) => playAll(!matches));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => figures.forEach((figure) => figure.resize()));

  function playAll(playing) {
    for (const figure of figures) figure.play(playing);
    wake();
  }

  /** Ask for a next picture if there is anything to move, and none is asked for. */
  function wake() {
    const some = figures.some(({ playing }) => playing);
    all.textContent = some ? "Pause all figures" : "Play all figures";
    if (request || !shown || !figures.some(({ playing, visible }) => playing && visible)) return;
    last = performance.now();
    request = requestAnimationFrame(step);
  }

  function step(now) {
    request = 0;
    const seconds = Math.min(Math.max(now - last, 0) / 1000, LONGEST_STEP);
    for (const figure of figures) if (figure.playing && figure.visible) figure.advance(seconds);
    last = now;
    if (shown && figures.some(({ playing, visible }) => playing && visible)) request = requestAnimationFrame(step);
  }

  wake();
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
      h("ul", { class: "figures" }, figures.map(({ element }, k) => dotted(element, colourOf(exercises[k].name, classes)))),
    ],
    score(perClass) {
      replace(
        known,
        perClass
          ? "Recall: how many of its segments were found. Precision: how many of those named so really were. F1 lies between."
          : "How well each is recognised is not known: this version was registered before reports were kept. Train it again to see it.",
      );
      for (const figure of figures) figure.score(perClass?.[figure.name]);
    },
    shown() {
      shown = true;
      wake();
    },
    hidden() {
      shown = false;
      cancelAnimationFrame(request);
      request = 0;
    },
  };
}

/** One card: it knows its place in the repetition, and draws itself. */
class Figure {
  constructor({ name, held, frames }, fps, skeleton, playing, changed) {
    Object.assign(this, { name, frames, fps, skeleton, playing, visible: false, points: null });
    this.at = frames.length / 2; // the middle of a repetition shows best what it is
    this.canvas = h("canvas", { "aria-hidden": "true" });
    const pressed = () => {
      this.play(!this.playing);
      changed();
    };
    this.stage = h("button", { type: "button", class: "stage", onclick: pressed }, this.canvas);
    this.scores = h("div", { class: "class-scores" });
    this.element = h(
      "li",
      { class: "figure", dataset: { exercise: name } },
      this.stage,
      h("div", { class: "row" }, h("h3", {}, title(name)), held && h("span", { class: "chip" }, "held")),
      this.scores,
    );
    this.play(playing);
  }

  play(playing) {
    this.playing = playing;
    this.stage.dataset.playing = playing;
    this.stage.setAttribute("aria-label", `${title(this.name)}: ${playing ? "pause" : "play"} the figure`);
  }

  /** Go on by so many seconds. */
  advance(seconds) {
    this.at = (this.at + seconds * this.fps) % this.frames.length;
    this.draw();
  }

  resize() {
    const { context, width, height } = sharp(this.canvas);
    // Kept, because asking for sizes and colours in each picture would cost more than drawing it.
    Object.assign(this, { context, width, height, colours: coloursOf(this.canvas) });
    this.points = width && height ? onFloor(this.frames, width, height) : null;
    this.scale = this.points ? scaleOf(this.frames[0], this.points[0]) : 0;
    this.draw();
  }

  draw() {
    if (!this.points) return;
    const { context, points, skeleton, width, height, colours } = this;
    const now = Math.floor(this.at) % points.length;
    const pose = between(points[now], points[(now + 1) % points.length], this.at - Math.floor(this.at));
    context.clearRect(0, 0, width, height);
    context.fillStyle = colours.floor;
    context.fillRect(0, FLOOR * height, width, (1 - FLOOR) * height);
    // Twice the size, because the width of lines is made for pictures in which a person is smaller.
    drawSkeleton(context, { bones: skeleton.bones, points: pose, width: 2 * width, height: 2 * height, sides: skeleton.sides, colours });
    const head = pose[skeleton.joints.indexOf("head")];
    context.fillStyle = colours.middle;
    context.beginPath();
    context.arc(...head, HEAD_METRES * this.scale, 0, 2 * Math.PI);
    context.fill();
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

/** Where the joints lie in a card whose floor, y = 0, is at the same height in all cards. */
function onFloor(frames, width, height) {
  // A point on the floor below the figure is fitted too, for those who hang or sit high.
  const grounded = frames.map((joints) => [...joints, [joints[0][0], 0, joints[0][2]]]);
  const fitted = fit(grounded, width, height, { margin: 1 - FLOOR });
  const down = FLOOR * height - fitted[0].at(-1)[1];
  return fitted.map((points) => points.slice(0, -1).map(([x, y]) => [x, y + down]));
}

/** Pixels a metre. */
function scaleOf(joints, points) {
  const heights = joints.map(([, y]) => y);
  const [top, bottom] = [heights.indexOf(Math.min(...heights)), heights.indexOf(Math.max(...heights))];
  return (points[bottom][1] - points[top][1]) / (heights[bottom] - heights[top] || 1);
}

function coloursOf(canvas) {
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(`--figure-${name}`).trim() || undefined;
  // No edge: the card behind is plain.
  return { left: colour("left"), right: colour("right"), middle: colour("middle"), floor: colour("floor"), edge: "transparent" };
}

function dotted(element, colour) {
  element.style.setProperty("--exercise", colour);
  return element;
}
