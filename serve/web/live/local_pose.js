/**
 * Pose estimation in the browser, for visitors whose video is not to leave their device.
 *
 * The same two BlazePose models as on the server run on LiteRT, compiled to WebAssembly, in a worker: no graphics card and no
 * WebGL are needed, the page is never blocked, and joints are those that the server would have found. Of the packages that
 * could do it, @mediapipe/tasks-vision (1.1.0) holds code that sends statistics to its maker, which "never leaves" rules out,
 * and @mediapipe/pose needs WebGL, runs on the page's own thread, and takes a second a frame where WebGL is emulated.
 *
 * `python -m serve.pose_pack` puts LiteRT and the models below ../vendor/pose/; without them, opening fails.
 */

const ASK_THE_SERVER = "let the server estimate the pose instead.";
// The models see 256 pixels of a person: a larger picture would only take longer to read.
const MAX_SIDE = 1280;

/**
 * @typedef {object} Pose
 * @property {number[][]} joints [33][3] metres in the layout blazepose33: x right, y down, z away from the camera; mid-hip at 0
 * @property {number[]} scores [33] in 0..1, low where a joint is hidden or outside the picture
 * @property {number[][]} image_xy [33][2] as a share of the picture; beyond 0..1 where a joint lies outside of it
 */

/**
 * Load the models: 19 MB at the first time, later from the browser's cache; then some seconds on a slow machine.
 *
 * `estimate(source)` takes an HTMLVideoElement or a canvas and resolves with a Pose, or with null where nobody is seen (or the
 * video has no picture yet). One runs at a time: of the calls made in the meantime, one follows, with the latest source as it
 * is by then, and answers them all. Frames must come in their order, since the athlete is followed from one to the next.
 * `close()` ends the worker; what it still owed resolves with null.
 *
 * @returns {Promise<{estimate(source: HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas): Promise<Pose | null>, close(): void}>}
 * @throws {Error} one sentence that says what to do; also thrown by estimate() when the models fail later
 */
export async function openLocalPose() {
  if (!globalThis.WebAssembly || !globalThis.Worker || !globalThis.OffscreenCanvas || !globalThis.createImageBitmap) {
    throw new Error(`This browser cannot estimate poses by itself: update it, or ${ASK_THE_SERVER}`);
  }
  const worker = new PoseWorker();
  await worker.ask({ open: true });
  let running = null;
  let waiting = null;
  let latest = null;

  async function run(source) {
    const bitmap = await picture(source);
    return bitmap && worker.ask({ bitmap }, [bitmap]);
  }

  function estimate(source) {
    latest = source;
    if (!running) {
      running = run(source).finally(() => (running = null));
      return running;
    }
    waiting ??= running
      .catch(() => null) // told to whoever asked for that one
      .then(() => {
        waiting = null;
        return estimate(latest);
      });
    return waiting;
  }

  return { estimate, close: () => worker.close() };
}

/** The picture that a video or canvas shows, to be handed to the worker; null if there is none yet. */
async function picture(source) {
  const width = source.videoWidth ?? source.width;
  const height = source.videoHeight ?? source.height;
  if (!width || !height || (source.readyState ?? 2) < 2) return null;
  const scale = Math.min(1, MAX_SIDE / Math.max(width, height));
  const size = { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
  try {
    return await createImageBitmap(source, scale < 1 ? size : {});
  } catch (error) {
    if (error.name === "InvalidStateError") return null; // a video that says it is ready, but has not drawn its first picture
    throw error;
  }
}

/** The worker as a function that is asked one question at a time. */
class PoseWorker {
  #worker = new Worker(new URL("./pose_worker.js", import.meta.url), { type: "module", name: "pose" });
  #answer = null; // of the question that is open
  #broken = null;
  #closed = false;

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      if (data.failed) this.#fail(data.failed);
      else this.#answer?.resolve(data.pose);
    };
    // The script could not be loaded (or is refused by the page's policy), or it threw outside of a question.
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(event.message || "its script could not be loaded");
    };
  }

  ask(question, transfer = []) {
    if (this.#closed) return Promise.resolve(null);
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject };
      this.#worker.postMessage(question, transfer);
    });
  }

  close() {
    this.#closed = true;
    this.#worker.terminate();
    this.#answer?.resolve(null);
  }

  #fail(why) {
    this.#broken = new Error(`Pose estimation in this browser failed (${why}): ${ASK_THE_SERVER}`);
    this.#worker.terminate();
    this.#answer?.reject(this.#broken);
  }
}
