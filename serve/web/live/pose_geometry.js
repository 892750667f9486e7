/**
 * The geometry around BlazePose's two models: squares of the picture, the detector's boxes, the landmarks' heat maps.
 *
 * It does what platform/gymspotter/pose/blazepose_models.py does, number for number, so that joints estimated here and on the
 * server are the same to the classifier. The models are MediaPipe Pose's (Bazarevsky et al. 2020, arXiv:2006.10204).
 *
 * A region is a turned square of the picture, {x, y, side, angle}: middle and side in pixels, angle in radians, clockwise.
 */

export const DETECTOR_PX = 224;
export const LANDMARK_PX = 256;
export const POINTS = 39; // of the landmark model: 33 joints and 6 auxiliary points
const HEATMAP_PX = 64;
const HEATMAP_REACH = 4;
const HEATMAP_SURE = 0.5;
// Cells of the detector's three grids, and how many anchors sit at the middle of each of their cells.
const GRIDS = [[28, 2], [14, 2], [7, 6]];
const DETECTED = 0.5;
const SAME_PERSON_IOU = 0.3;
const REGION_SCALE = 1.25;
const BODY_WIDTH = 0.45; // a body's half width as a share of the circle's radius
const ANCHORS = anchors();

/** The square around a person, from the mid-hip and a point of the circle around the whole body, both in pixels. */
export function regionOfPerson([hipX, hipY], [circleX, circleY]) {
  const dx = circleX - hipX;
  const dy = circleY - hipY;
  return { x: hipX, y: hipY, side: 2 * REGION_SCALE * Math.hypot(dx, dy), angle: Math.atan2(dx, -dy) };
}

/** The whole picture as a square. */
export function wholePicture({ width, height }) {
  return { x: width / 2, y: height / 2, side: Math.max(width, height), angle: 0 };
}

/** A direction in the square as a direction in the picture. */
export function turned({ angle }, x, y) {
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  return [cos * x - sin * y, sin * x + cos * y];
}

/** A point given as a share of the square, in pixels of the picture. */
export function toPicture(region, x, y) {
  const [dx, dy] = turned(region, (x - 0.5) * region.side, (y - 0.5) * region.side);
  return [region.x + dx, region.y + dy];
}

/**
 * Score times size times centrality of somebody in a picture: the athlete is who has the most of it, as on the server.
 * Size is the square root of the share of the picture that the body's box covers; centrality is 0 in a corner.
 */
export function prominence(region, score, { width, height }) {
  const corners = [[-1, -1], [-1, 1], [1, -1], [1, 1]].map(([x, y]) =>
    toPicture(region, (x * BODY_WIDTH) / (2 * REGION_SCALE) + 0.5, y / (2 * REGION_SCALE) + 0.5),
  );
  const xs = corners.map(([x]) => x / width);
  const ys = corners.map(([, y]) => y / height);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const size = Math.sqrt((right - left) * (bottom - top));
  const off = Math.hypot(left + right - 1, top + bottom - 1) / Math.SQRT2;
  return score * size * Math.max(1 - off, 0);
}

/**
 * Fill `out` [size * size * 3] with the upright picture of a region, every value times `times` plus `plus`.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image RGBA
 * @param {"black" | "edge"} outside what lies beyond the picture
 */
export function crop(image, region, size, outside, times, plus, out) {
  const { data, width, height } = image;
  const [lastX, lastY] = [width - 1, height - 1];
  const edge = outside === "edge";
  const [ux, uy] = turned(region, region.side / size, 0);
  const [vx, vy] = turned(region, 0, region.side / size);
  // The models were trained on crops without the half-pixel shift of proper resampling: with it, landmarks are off.
  const startX = region.x - ((ux + vx) * size) / 2;
  const startY = region.y - ((uy + vy) * size) / 2;
  let at = 0;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++, at += 3) {
      const x = startX + ux * column + vx * row;
      const y = startY + uy * column + vy * row;
      const left = Math.floor(x);
      const top = Math.floor(y);
      const right = left + 1;
      const bottom = top + 1;
      // Weights of two columns and two rows; beyond the picture the pixel at its edge counts, or nothing.
      const inLeft = edge || (left >= 0 && left < width) ? right - x : 0;
      const inRight = edge || (right >= 0 && right < width) ? x - left : 0;
      const inTop = edge || (top >= 0 && top < height) ? bottom - y : 0;
      const inBottom = edge || (bottom >= 0 && bottom < height) ? y - top : 0;
      const column0 = left < 0 ? 0 : left > lastX ? lastX : left;
      const column1 = right < 0 ? 0 : right > lastX ? lastX : right;
      const row0 = (top < 0 ? 0 : top > lastY ? lastY : top) * width;
      const row1 = (bottom < 0 ? 0 : bottom > lastY ? lastY : bottom) * width;
      const [a, b, c, d] = [inLeft * inTop, inRight * inTop, inLeft * inBottom, inRight * inBottom];
      const [p, q, r, s] = [(row0 + column0) * 4, (row0 + column1) * 4, (row1 + column0) * 4, (row1 + column1) * 4];
      const red = a * data[p] + b * data[q] + c * data[r] + d * data[s];
      const green = a * data[p + 1] + b * data[q + 1] + c * data[r + 1] + d * data[s + 1];
      const blue = a * data[p + 2] + b * data[q + 2] + c * data[r + 2] + d * data[s + 2];
      // Whole numbers, as on the server: the models answer even that much with millimetres.
      out[at] = Math.round(red) * times + plus;
      out[at + 1] = Math.round(green) * times + plus;
      out[at + 2] = Math.round(blue) * times + plus;
    }
  }
}

/**
 * Everybody in the detector's answer, the likeliest first: [{region, score}].
 *
 * @param {Float32Array} boxes [2254 * 12] middle, size and four points of each anchor's box, relative to the anchor
 * @param {Float32Array} logits [2254]
 * @param {{x: number, y: number, side: number, angle: number}} whole what the detector saw
 */
export function people(boxes, logits, whole) {
  let left = [];
  for (let anchor = 0; anchor < logits.length; anchor++) {
    const score = sigmoid(logits[anchor]);
    if (!(score >= DETECTED)) continue;
    const values = Array.from(boxes.subarray(anchor * 12, anchor * 12 + 12), (value) => value / DETECTOR_PX);
    const [ax, ay] = ANCHORS[anchor];
    const point = (k) => [values[2 * k] + ax, values[2 * k + 1] + ay];
    left.push({ score, middle: point(0), size: [values[2], values[3]], hip: point(2), circle: point(3) });
  }
  left.sort((a, b) => b.score - a.score);
  const found = [];
  while (left.length) {
    // Weighted suppression (Bazarevsky et al. 2019, BlazeFace): boxes of one person are averaged, not dropped.
    const [first] = left;
    const same = left.filter((box) => box === first || overlap(first, box) > SAME_PERSON_IOU);
    const hip = average(same, "hip");
    const circle = average(same, "circle");
    found.push({ region: regionOfPerson(toPicture(whole, ...hip), toPicture(whole, ...circle)), score: first.score });
    left = left.filter((box) => !same.includes(box));
  }
  return found;
}

/**
 * The landmark model's points [39][2] as a share of its square, each moved to the middle of the heat around it.
 *
 * @param {Float32Array} points [39 * 5] x, y, z in pixels of the square, visibility, presence
 * @param {Float32Array} heatmap [64 * 64 * 39] rows, columns, points
 */
export function refined(points, heatmap) {
  return Array.from({ length: POINTS }, (_, k) => {
    const x = points[5 * k] / LANDMARK_PX;
    const y = points[5 * k + 1] / LANDMARK_PX;
    const column = Math.trunc(x * HEATMAP_PX);
    const row = Math.trunc(y * HEATMAP_PX);
    if (!(column >= 0 && column < HEATMAP_PX && row >= 0 && row < HEATMAP_PX)) return [x, y];
    let [highest, total, sumX, sumY] = [0, 0, 0, 0];
    for (let r = Math.max(row - HEATMAP_REACH, 0); r <= Math.min(row + HEATMAP_REACH, HEATMAP_PX - 1); r++) {
      for (let c = Math.max(column - HEATMAP_REACH, 0); c <= Math.min(column + HEATMAP_REACH, HEATMAP_PX - 1); c++) {
        const heat = sigmoid(heatmap[(r * HEATMAP_PX + c) * POINTS + k]);
        highest = Math.max(highest, heat);
        total += heat;
        sumX += heat * c;
        sumY += heat * r;
      }
    }
    return highest >= HEATMAP_SURE ? [sumX / (total * HEATMAP_PX), sumY / (total * HEATMAP_PX)] : [x, y];
  });
}

export function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

/** The points of the picture, as a share of it, that the detector's boxes are relative to. */
function anchors() {
  const found = [];
  for (const [cells, repeats] of GRIDS) {
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        for (let n = 0; n < repeats; n++) found.push([(column + 0.5) / cells, (row + 0.5) / cells]);
      }
    }
  }
  return found;
}

/** Intersection over union of two boxes {middle, size}. */
function overlap(a, b) {
  const shared = [0, 1].map((axis) => {
    const low = Math.max(a.middle[axis] - a.size[axis] / 2, b.middle[axis] - b.size[axis] / 2);
    const high = Math.min(a.middle[axis] + a.size[axis] / 2, b.middle[axis] + b.size[axis] / 2);
    return Math.max(high - low, 0);
  });
  const both = shared[0] * shared[1];
  const union = a.size[0] * a.size[1] + b.size[0] * b.size[1] - both;
  return union > 0 ? both / union : 0;
}

/** The mean of a point over boxes, weighted by their scores. */
function average(boxes, name) {
  const total = boxes.reduce((sum, box) => sum + box.score, 0);
  return [0, 1].map((axis) => boxes.reduce((sum, box) => sum + box.score * box[name][axis], 0) / total);
}
