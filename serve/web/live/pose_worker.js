/**
 * The worker behind local_pose.js: BlazePose on LiteRT, and whom it follows.
 *
 * Asked {open: true}, it loads the models; asked {bitmap}, it answers {pose}: a Pose or null. {failed: why} is its last word.
 */

import { crop, DETECTOR_PX, LANDMARK_PX, people, prominence, refined, regionOfPerson } from "./pose_geometry.js";
import { sigmoid, toPicture, turned, wholePicture } from "./pose_geometry.js";

const PACK = new URL("../vendor/pose/", import.meta.url);
const JOINTS = 33;
const [MID_HIP, CIRCLE] = [33, 34]; // auxiliary points of the landmark model
const [SHOULDERS, HIPS] = [[11, 12], [23, 24]];
const PRESENT = 0.5;
const CLEAR = 0.7;

let athlete = null; // {width, height, region}: the picture's size, and the square in which the athlete is to be looked for
let models = null;
const canvas = new OffscreenCanvas(1, 1);
const context = canvas.getContext("2d", { willReadFrequently: true });

onmessage = async ({ data }) => {
  try {
    models ??= await open();
    postMessage({ pose: data.bitmap ? estimate(pixels(data.bitmap)) : null });
  } catch (error) {
    postMessage({ failed: String(error?.message ?? error).split("\n")[0].replace(/[.\s]+$/, "") });
  }
};

async function open() {
  const { default: litert } = await import(new URL("litert.js", PACK));
  const quiet = () => {};
  const runtime = await litert({ locateFile: () => new URL("litert.wasm", PACK).href, print: quiet, printErr: quiet });
  runtime.setupLogging();
  const environment = runtime.LiteRtEnvironment.create(null);
  const load = async (name, size) => new Model(runtime, environment, size).compiled(await fetched(`${name}.tflite`));
  const [detector, landmarker] = await Promise.all([
    load("pose_detection", DETECTOR_PX),
    load("pose_landmark_full", LANDMARK_PX),
  ]);
  return { detector, landmarker };
}

async function fetched(name) {
  const response = await fetch(new URL(name, PACK));
  if (!response.ok) throw new Error(`${name} could not be loaded: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** A .tflite file with one input, a square picture of floats; the glue of LiteRT is used as it is, without its own wrapper. */
class Model {
  #runtime;
  #environment;
  #size;
  #compiled;
  #input;

  constructor(runtime, environment, size) {
    this.#runtime = runtime;
    this.#environment = environment;
    this.#size = size;
  }

  async compiled(bytes) {
    const { _malloc, LiteRtTensorBuffer, LiteRtTensorBufferType } = this.#runtime;
    const address = _malloc(bytes.length); // the model goes on to be read from there
    if (!address) throw new Error("out of memory");
    this.#runtime.HEAPU8.set(bytes, address);
    const model = this.#runtime.loadModel(this.#environment, address, bytes.length);
    const options = { environment: {}, accelerator: "wasm", cpuOptions: { numThreads: 1 } };
    this.#compiled = await this.#runtime.compileModel(this.#environment, model, options);
    const kind = model.getInputTensorType(0, 0);
    const length = this.#size * this.#size * 3 * Float32Array.BYTES_PER_ELEMENT;
    this.#input = LiteRtTensorBuffer.createManaged(this.#environment, LiteRtTensorBufferType.HOST_MEMORY, kind, length);
    kind.delete();
    return this;
  }

  /** The outputs of those numbers, each a Float32Array, for the picture that `fill(floats)` writes. */
  run(fill, wanted) {
    const { READ, WRITE } = this.#runtime.LiteRtTensorBufferLockMode;
    // The views are made anew each time: when the memory grows, old ones become empty.
    const floats = (address, count) => new Float32Array(this.#runtime.HEAPU8.buffer, address, count);
    fill(floats(this.#input.lock(WRITE), this.#size * this.#size * 3));
    this.#input.unlock();
    const outputs = this.#compiled.run(0, [this.#input]);
    const answer = wanted.map((k) => {
      const copy = floats(outputs[k].lock(READ), outputs[k].packedSize() / Float32Array.BYTES_PER_ELEMENT).slice();
      outputs[k].unlock();
      return copy;
    });
    for (const output of outputs) output.delete();
    return answer;
  }
}

function pixels(bitmap) {
  const { width, height } = bitmap;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, width, height);
}

/** The athlete's pose: where the last frame says, or else whoever is the most prominent, looked for in the same frame. */
function estimate(image) {
  const { width, height } = image;
  const followed = athlete?.width === width && athlete.height === height ? seen(image, athlete.region) : null;
  const found = followed ?? mostProminent(image);
  athlete = found && { width, height, region: found.region };
  return found?.pose ?? null;
}

function mostProminent(image) {
  const whole = wholePicture(image);
  const fill = (floats) => crop(image, whole, DETECTOR_PX, "black", 1 / 127.5, -1, floats);
  const [boxes, logits] = models.detector.run(fill, [0, 1]);
  const places = people(boxes, logits, whole).map(({ region, score }) => ({ region, value: prominence(region, score, image) }));
  places.sort((a, b) => b.value - a.value);
  for (const { region } of places) {
    const found = seen(image, region);
    if (found) return found;
  }
  return null;
}

/**
 * The person in a square of the picture, {pose, region}, with the square for the next frame; null where there is none.
 * Nor is it a person whose shoulders and hips are all hidden: in clutter the model often claims such ones.
 */
function seen(image, region) {
  if (!(region.side >= 1 && region.side < 1e6)) return null;
  const fill = (floats) => crop(image, region, LANDMARK_PX, "edge", 1 / 255, 0, floats);
  const [points, confidence, heatmap, world] = models.landmarker.run(fill, [0, 1, 3, 4]);
  if (!(confidence[0] >= PRESENT)) return null;
  const scores = Array.from({ length: JOINTS }, (_, k) => sigmoid(points[5 * k + 3]) * sigmoid(points[5 * k + 4]));
  const clear = ([left, right]) => (scores[left] + scores[right]) / 2;
  if (!(Math.max(clear(SHOULDERS), clear(HIPS)) >= CLEAR)) return null;
  const xy = refined(points, heatmap).map(([x, y]) => toPicture(region, x, y));
  const metres = Array.from({ length: JOINTS }, (_, k) => [...turned(region, world[3 * k], world[3 * k + 1]), world[3 * k + 2]]);
  if (![...xy, ...metres].flat().every(Number.isFinite)) return null;
  const middle = [0, 1, 2].map((axis) => (metres[HIPS[0]][axis] + metres[HIPS[1]][axis]) / 2);
  const pose = {
    joints: metres.map((joint) => joint.map((value, axis) => value - middle[axis])),
    scores,
    image_xy: xy.slice(0, JOINTS).map(([x, y]) => [x / image.width, y / image.height]),
  };
  return { pose, region: regionOfPerson(xy[MID_HIP], xy[CIRCLE]) };
}
