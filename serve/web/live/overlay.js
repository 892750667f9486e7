/** The skeleton over the video. Poses come a few times a second; in between it moves from one to the next. */

import { between, drawSkeleton, sharp, sidesOf } from "../skeleton.js";

const GLIDE_MS = 180;
const GONE_MS = 1500;

export class Overlay {
  #layout;
  #from = null;
  #to = null;
  #scores = null;
  #at = 0;
  #asked = null;
  #later = null;
  #still = matchMedia("(prefers-reduced-motion: reduce)");

  /**
   * @param {HTMLCanvasElement} canvas over the video, of its size
   * @param {{joints: string[], bones: [number, number][]}} layout of the poses
   */
  constructor(canvas, layout) {
    this.canvas = canvas;
    this.#layout = { ...layout, sides: sidesOf(layout) };
    this.mirrored = false;
  }

  /** A new pose: joints in shares of the picture, null where not seen. */
  show(image_xy, scores) {
    this.#from = this.#now() ?? image_xy;
    [this.#to, this.#scores, this.#at] = [image_xy, scores, performance.now()];
    this.#ask();
  }

  #ask() {
    this.#asked ??= requestAnimationFrame(() => {
      this.#asked = null;
      this.#draw();
    });
  }

  /** The joints at this moment, between the last pose and the one before. */
  #now() {
    if (!this.#to || performance.now() - this.#at > GONE_MS) return null;
    const share = this.#still.matches ? 1 : Math.min(1, (performance.now() - this.#at) / GLIDE_MS);
    return between(this.#from, this.#to, share);
  }

  #draw() {
    const { context, width, height } = sharp(this.canvas);
    context.clearRect(0, 0, width, height);
    const joints = this.#now();
    if (!joints || !width) return;
    const points = joints.map((joint) => joint && [joint[0] * width, joint[1] * height]);
    const { bones, sides } = this.#layout;
    drawSkeleton(context, { bones, sides, points, scores: this.#scores, width, height, mirrored: this.mirrored });
    const age = performance.now() - this.#at;
    clearTimeout(this.#later);
    if (age < GLIDE_MS && !this.#still.matches) this.#ask();
    else this.#later = setTimeout(() => this.#ask(), GONE_MS); // so that nobody's skeleton stays behind
  }
}
