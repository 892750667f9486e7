/** Figures that do a movement over and over on a canvas, and what moves them: only those that are seen, and that shall move. */

import { between, drawSkeleton, fit, sharp } from "./skeleton.js";

const HEAD_METRES = 0.09;
const FLOOR = 0.9; // where it lies in the picture, as a share of its height
const LONGEST_STEP = 0.1; // seconds; after a pause the figures do not jump

/**
 * One figure. It knows its place in the repetition, and draws itself in the colours that CSS gives its canvas:
 * `--figure-left`, `--figure-right`, `--figure-middle` and `--figure-floor`.
 */
export class Figure {
  playing = true;
  visible = false;
  #points = null; // of each frame, in pixels
  #frames = [];
  #at = 0;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{joints: string[], bones: [number, number][], sides: string[]}} skeleton
   * @param {number} fps of the frames
   * @param {() => void} [onTurn] called whenever a repetition is over
   */
  constructor(canvas, skeleton, fps, onTurn = () => {}) {
    Object.assign(this, { canvas, skeleton, fps, onTurn });
  }

  /** Do another movement: frames of joints in metres; from a share of it on. The middle shows best what it is. */
  show(frames, share = 0.5) {
    this.#frames = frames;
    this.#at = share * frames.length;
    this.resize();
  }

  /** Go on by so many seconds. */
  advance(seconds) {
    const at = this.#at + seconds * this.fps;
    this.#at = at % this.#frames.length;
    if (at >= this.#frames.length) this.onTurn();
    this.draw();
  }

  /** The canvas has another size, or its colours have changed. */
  resize() {
    const { context, width, height } = sharp(this.canvas);
    // Kept, because asking for sizes and colours in each picture would cost more than drawing it.
    Object.assign(this, { context, width, height, colours: coloursOf(this.canvas) });
    this.#points = width && height && this.#frames.length ? onFloor(this.#frames, width, height) : null;
    this.scale = this.#points ? scaleOf(this.#frames[0], this.#points[0]) : 0;
    this.draw();
  }

  draw() {
    if (!this.#points) return;
    const { context, skeleton, width, height, colours } = this;
    const now = Math.floor(this.#at);
    const pose = between(this.#points[now], this.#points[(now + 1) % this.#points.length], this.#at - now);
    context.clearRect(0, 0, width, height);
    context.fillStyle = colours.floor;
    context.fillRect(0, FLOOR * height, width, (1 - FLOOR) * height);
    const thick = 1.6 * Math.min(width, height); // the width of lines is made for pictures in which a person is smaller
    drawSkeleton(context, { bones: skeleton.bones, points: pose, width: thick, height: thick, sides: skeleton.sides, colours });
    const head = pose[skeleton.joints.indexOf("head")];
    context.fillStyle = colours.middle;
    context.beginPath();
    context.arc(...head, HEAD_METRES * this.scale, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Moves figures while their view is shown; who would rather have no motion sees them stand until they are told to play. */
export class Animation {
  #figures = new Map(); // by their canvas
  #changed;
  #shown = false;
  #request = 0;
  #last = 0;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) this.#figures.get(target).visible = isIntersecting;
    this.#wake();
  });
  #sized = new ResizeObserver((entries) => entries.forEach(({ target }) => this.#figures.get(target).resize()));

  /** @param {() => void} [changed] called when figures were told to play or to stand */
  constructor(changed = () => {}) {
    this.#changed = changed;
    this.#still.addEventListener("change", ({ matches }) => this.play(!matches));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#all.forEach((figure) => figure.resize()));
  }

  get #all() {
    return [...this.#figures.values()];
  }

  /** Whether any figure plays. */
  get playing() {
    return this.#all.some(({ playing }) => playing);
  }

  add(figure) {
    figure.playing = !this.#still.matches;
    this.#figures.set(figure.canvas, figure);
    this.#seen.observe(figure.canvas);
    this.#sized.observe(figure.canvas);
  }

  /** Let one figure play or stand, or all of them. */
  play(playing, figure = null) {
    for (const each of figure ? [figure] : this.#all) each.playing = playing;
    this.#changed();
    this.#wake();
  }

  shown() {
    this.#shown = true;
    this.#wake();
  }

  hidden() {
    this.#shown = false;
    cancelAnimationFrame(this.#request);
    this.#request = 0;
  }

  get #moving() {
    return this.#shown ? this.#all.filter(({ playing, visible }) => playing && visible) : [];
  }

  /** Ask for a next picture if there is anything to move, and none is asked for. */
  #wake() {
    if (this.#request || !this.#moving.length) return;
    this.#last = performance.now();
    this.#request = requestAnimationFrame((now) => this.#step(now));
  }

  #step(now) {
    this.#request = 0;
    const seconds = Math.min(Math.max(now - this.#last, 0) / 1000, LONGEST_STEP);
    for (const figure of this.#moving) figure.advance(seconds);
    this.#last = now;
    if (this.#moving.length) this.#request = requestAnimationFrame((next) => this.#step(next));
  }
}

/** Where the joints lie in a picture whose floor, y = 0, is at the same height in all pictures. */
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
  // No edge: what is behind is plain.
  return { left: colour("left"), right: colour("right"), middle: colour("middle"), floor: colour("floor"), edge: "transparent" };
}
