/** The camera: opened, looked at five times a second, and closed. What can go wrong is told as a `CameraError` with a kind. */

const WIDEST = 640;
const QUALITY = 0.8;

const KINDS = {
  NotFoundError: "no-camera",
  OverconstrainedError: "no-camera",
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotReadableError: "in-use",
  AbortError: "in-use",
};

/** `kind`: "no-camera", "refused", "in-use", "insecure" or "failed". */
export class CameraError extends Error {
  constructor(kind, cause) {
    super(kind, { cause });
    this.kind = kind;
  }
}

/**
 * Ask for the camera and show it in a video element.
 * @param {HTMLVideoElement} video
 * @param {"user" | "environment"} facing
 * @param {() => void} onGone when it is unplugged or taken away
 * @returns {Promise<Camera>} raises CameraError
 */
export async function openCamera(video, facing, onGone) {
  if (!navigator.mediaDevices?.getUserMedia) throw new CameraError(window.isSecureContext ? "no-camera" : "insecure");
  const size = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
  let media;
  try {
    media = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...size, facingMode: { ideal: facing } } });
  } catch (error) {
    throw new CameraError(KINDS[error.name] ?? "failed", error);
  }
  const camera = new Camera(video, media, facing, onGone);
  video.srcObject = media;
  try {
    await video.play();
  } catch (error) {
    camera.close();
    throw new CameraError("failed", error);
  }
  return camera;
}

class Camera {
  #media;
  #canvas = document.createElement("canvas");
  #ticker = null;
  #timer = null; // in the ticker's place, if its script could not be loaded

  constructor(video, media, facing, onGone) {
    this.video = video;
    this.#media = media;
    const track = media.getVideoTracks()[0];
    // What the device says it is, or what was asked for; a laptop's camera says nothing and looks at its user.
    this.mirrored = (track.getSettings().facingMode ?? facing) !== "environment";
    track.addEventListener("ended", onGone);
  }

  /** Width over height of its picture. */
  get aspect() {
    return this.video.videoWidth / this.video.videoHeight || 4 / 3;
  }

  /** Call `take()` so many times a second, also while the tab is hidden, as far as the browser lets a worker's clock run. */
  every(fps, take) {
    this.#stop();
    this.#ticker = new Worker("/web/live/ticker.js");
    this.#ticker.onmessage = take;
    this.#ticker.onerror = () => (this.#timer ??= setInterval(take, 1000 / fps));
    this.#ticker.postMessage(1000 / fps);
  }

  /** The picture of this moment as a JPEG, or null if there is none. */
  async picture() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
    const scale = Math.min(1, WIDEST / Math.max(videoWidth, videoHeight));
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    this.#canvas.getContext("2d", { alpha: false }).drawImage(this.video, 0, 0, this.#canvas.width, this.#canvas.height);
    const blob = await new Promise((resolve) => this.#canvas.toBlob(resolve, "image/jpeg", QUALITY));
    return blob ? blob.arrayBuffer() : null;
  }

  /** Let go of the camera, so that its light goes out. */
  close() {
    this.#stop();
    for (const track of this.#media.getTracks()) track.stop();
    if (this.video.srcObject === this.#media) this.video.srcObject = null;
  }

  #stop() {
    if (this.#ticker) this.#ticker.onerror = null;
    this.#ticker?.terminate();
    clearInterval(this.#timer);
    this.#timer = null;
  }
}
