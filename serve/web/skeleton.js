/** Drawing skeletons on a canvas: over a video, or by themselves as figures in metres. */

const SEEN = 0.3;
const LEFT = "#ff9f43";
const RIGHT = "#3ec9ff";
const MIDDLE = "#f4f7f6";

/**
 * Draw a skeleton's bones and joints.
 * @param {CanvasRenderingContext2D} context
 * @param {object} what
 * @param {[number, number][]} what.bones pairs of joints, as in GET /v1/layouts
 * @param {([number, number] | null)[]} what.points in pixels of the canvas' own coordinates
 * @param {number[]} [what.scores] joints below 0.3 are left out
 * @param {number} what.width of the area in which it is drawn, for the mirror and the width of lines
 * @param {number} what.height
 * @param {boolean} [what.mirrored] as in a looking glass
 * @param {string[]} [what.sides] of each joint "l", "r" or "": see `sidesOf`
 * @param {{left?: string, right?: string, middle?: string, edge?: string}} [what.colours] `edge` outlines the bones
 */
export function drawSkeleton(context, { bones, points, scores, width, height, mirrored = false, sides = [], colours = {} }) {
  const seen = (joint) => points[joint] && (scores?.[joint] ?? 1) >= SEEN;
  const place = ([x, y]) => [mirrored ? width - x : x, y];
  const thick = Math.max(2, Math.min(width, height) / 90);
  const colour = (side) => (side === "l" ? (colours.left ?? LEFT) : side === "r" ? (colours.right ?? RIGHT) : (colours.middle ?? MIDDLE));
  context.save();
  context.lineCap = "round";
  const drawn = bones.filter(([a, b]) => seen(a) && seen(b));
  for (const pass of ["edge", "bone"]) {
    // A dark edge below, so that the figure is seen on a light picture too.
    context.lineWidth = pass === "edge" ? thick * 2 : thick;
    for (const [a, b] of drawn) {
      context.strokeStyle = pass === "edge" ? (colours.edge ?? "rgb(0 0 0 / 45%)") : colour(sides[b] || sides[a]);
      context.beginPath();
      context.moveTo(...place(points[a]));
      context.lineTo(...place(points[b]));
      context.stroke();
    }
  }
  const ends = new Set(drawn.flat());
  for (const joint of ends) {
    context.fillStyle = colour(sides[joint]);
    context.beginPath();
    context.arc(...place(points[joint]), thick * 0.95, 0, 2 * Math.PI);
    context.fill();
  }
  context.restore();
}

/**
 * Points on the way from some to others. What is there on one side only is shown for the half that is nearer to it.
 * @param {([number, number] | null)[]} from
 * @param {([number, number] | null)[]} to
 * @param {number} share 0..1 of the way
 */
export function between(from, to, share) {
  return from.map((a, joint) => {
    const b = to[joint];
    if (!a || !b) return share < 0.5 ? a : b;
    return [a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])];
  });
}

/** Of each joint of a layout "l", "r" or "", by its name. */
export function sidesOf(layout) {
  return layout.joints.map((name) => (name.startsWith("l_") ? "l" : name.startsWith("r_") ? "r" : ""));
}

/**
 * Where a figure's joints lie in a picture, seen from afar.
 * @param {[number, number, number][][]} frames of joints in metres: x right, y down, z away
 * @param {number} width of the picture
 * @param {number} height
 * @param {{margin?: number}} [how] the share of the picture that is left free; one scale for all frames, so that the figure
 *   stays in place
 * @returns {[number, number][][]} the joints of each frame, in pixels
 */
export function fit(frames, width, height, { margin = 0.08 } = {}) {
  const flat = frames.map((joints) => joints.map(([x, y]) => [x, y]));
  const all = flat.flat();
  const [left, right] = extent(all.map(([x]) => x));
  const [top, bottom] = extent(all.map(([, y]) => y));
  const scale = (1 - 2 * margin) * Math.min(width / Math.max(right - left, 1e-6), height / Math.max(bottom - top, 1e-6));
  const move = ([x, y]) => [width / 2 + (x - (left + right) / 2) * scale, height / 2 + (y - (top + bottom) / 2) * scale];
  return flat.map((joints) => joints.map(move));
}

/** Make a canvas as sharp as the screen; returns its context in CSS pixels, and their number. */
export function sharp(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { context, width, height };
}

function extent(values) {
  return [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
}
