/** The video with the skeleton drawn over it in step; where the browser cannot show it, the skeleton alone, on a clock. */

import { h } from "../dom.js";
import { clock } from "../format.js";
import { between, drawSkeleton, sharp, sidesOf } from "../skeleton.js";

/**
 * The joints at a time, in shares of the picture; between two frames of the grid they are interpolated.
 * @param {{fps: number, image_xy: ((([number, number] | null)[]) | null)[]}} poses as in VideoResponse
 * @param {number} seconds
 * @returns {([number, number] | null)[] | null} null where nobody was seen
 */
export function poseAt(poses, seconds) {
  const frames = poses.image_xy;
  const at = Math.max(seconds, 0) * poses.fps;
  const before = Math.floor(at);
  const share = at - before;
  const [a, b] = [frames[before] ?? null, frames[before + 1] ?? null];
  if (!a || !b) return share < 0.5 ? a : b;
  return between(a, b, share);
}

/** Where a picture lies in a box that shows it whole (`object-fit: contain`). */
export function pictureBox(width, height, boxWidth, boxHeight) {
  const scale = Math.min(boxWidth / width, boxHeight / height);
  return { x: (boxWidth - width * scale) / 2, y: (boxHeight - height * scale) / 2, width: width * scale, height: height * scale };
}

/**
 * @param {object} options
 * @param {File} options.file
 * @param {number} options.seconds of the video, as the service found
 * @param {object | null} options.poses of VideoResponse; without them there is no skeleton
 * @param {{bones: [number, number][], joints: string[]} | undefined} options.layout of the poses
 * @param {(seconds: number) => void} options.onTime called whenever what is shown changes
 * @returns {{element: HTMLElement, seek: (seconds: number) => void, pause: () => void, close: () => void}}
 */
export function createPlayer({ file, seconds, poses, layout, onTime }) {
  const url = URL.createObjectURL(file);
  const video = h("video", { src: url, playsinline: true, preload: "auto", "aria-label": `Your video, ${file.name}` });
  const canvas = h("canvas", { "aria-hidden": "true" });
  // For the mouse; the button beside says so to all.
  const stage = h("div", { class: "stage", onclick: toggle }, video, canvas);
  const sentence = h("p", { class: "unplayable", hidden: true });
  const play = h("button", { type: "button", class: "button primary play", onclick: toggle }, "Play");
  const told = h("span", { class: "time" });
  const position = h("input", {
    type: "range", min: "0", max: String(seconds), step: "0.1", value: "0", "aria-label": "Position in the video",
    oninput: () => seek(Number(position.value)),
  });
  const skeleton = h("input", { type: "checkbox", checked: true, onchange: () => draw(now()) });
  const sound = h("input", { type: "checkbox", onchange: () => (video.muted = !sound.checked) });
  const soundSwitch = h("label", { class: "switch" }, sound, "Sound");
  const larger = h("button", { type: "button", class: "button quiet", onclick: fullScreen }, "Full screen");
  const element = h(
    "div",
    { class: "player card", dataset: { playable: "unknown" } },
    stage,
    sentence,
    h("div", { class: "controls" }, play, position, told),
    h(
      "div",
      { class: "row" },
      poses && layout && h("label", { class: "switch" }, skeleton, "Show skeleton"),
      soundSwitch,
      document.fullscreenEnabled && larger,
    ),
  );
  const sides = layout && sidesOf(layout);
  video.muted = true;
  let clockwork = null; // in the video's place, if the browser cannot show it

  const watched = new ResizeObserver(() => draw(now()));
  watched.observe(stage);
  video.addEventListener("loadedmetadata", () => (video.videoWidth ? playable() : unplayable()));
  video.addEventListener("error", unplayable);
  for (const name of ["play", "pause", "ended"]) video.addEventListener(name, showPlaying);
  for (const name of ["loadeddata", "seeked", "timeupdate"]) video.addEventListener(name, () => draw(now()));
  element.addEventListener("fullscreenchange", () => (larger.textContent = document.fullscreenElement ? "Leave full screen" : "Full screen"));
  inStep(video, draw);
  draw(0);

  function now() {
    return clockwork ? clockwork.now() : video.currentTime;
  }

  function playable() {
    stage.style.setProperty("--aspect", video.videoWidth / video.videoHeight);
    element.dataset.playable = "true";
  }

  function unplayable() {
    if (clockwork) return;
    clockwork = createClock(seconds, draw, showPlaying);
    element.dataset.playable = "false";
    video.hidden = soundSwitch.hidden = true;
    stage.hidden = larger.hidden = !(poses && layout);
    if (poses) stage.style.setProperty("--aspect", poses.width / poses.height);
    sentence.hidden = false;
    sentence.textContent = `Your browser cannot show this kind of video${
      poses ? ", so the skeleton is drawn on a plain background" : ""
    }. What was found in it is complete.`;
    draw(0);
  }

  function draw(time) {
    const { context, width, height } = sharp(canvas);
    context.clearRect(0, 0, width, height);
    const points = poses && layout && skeleton.checked && width > 0 ? poseAt(poses, time) : null;
    if (points) {
      const picture = video.videoWidth ? [video.videoWidth, video.videoHeight] : [poses.width, poses.height];
      const box = pictureBox(...picture, width, height);
      context.translate(box.x, box.y);
      const pixels = points.map((point) => point && [point[0] * box.width, point[1] * box.height]);
      drawSkeleton(context, { bones: layout.bones, points: pixels, width: box.width, height: box.height, sides });
    }
    position.value = String(time);
    position.setAttribute("aria-valuetext", `${clock(time)} of ${clock(seconds)}`);
    told.textContent = `${clock(time)} / ${clock(seconds)}`;
    onTime(time);
  }

  function seek(time) {
    if (clockwork) clockwork.seek(time);
    else video.currentTime = time;
  }

  function playing() {
    return clockwork ? clockwork.playing() : !video.paused && !video.ended;
  }

  function toggle() {
    if (playing()) pause();
    else if (clockwork) clockwork.play();
    // It may be refused, or fail because it is paused at once: the button then says so.
    else video.play().catch(showPlaying);
  }

  function pause() {
    if (clockwork) clockwork.pause();
    else video.pause();
  }

  function showPlaying() {
    play.textContent = playing() ? "Pause" : "Play";
  }

  function fullScreen() {
    // With its controls, or it could not be paused there.
    if (document.fullscreenElement) document.exitFullscreen();
    else element.requestFullscreen().catch(() => {});
  }

  return {
    element,
    seek,
    pause,
    close() {
      pause();
      watched.disconnect();
      video.removeAttribute("src");
      URL.revokeObjectURL(url);
    },
  };
}

/** Call `draw` with the time of every picture that is shown. */
function inStep(video, draw) {
  if (video.requestVideoFrameCallback) {
    const shown = (_, { mediaTime }) => {
      draw(mediaTime);
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
    return;
  }
  const each = () => {
    if (video.paused || video.ended) return;
    draw(video.currentTime);
    requestAnimationFrame(each);
  };
  video.addEventListener("play", each);
}

/** A clock that plays like a video of `seconds`. */
function createClock(seconds, draw, changed) {
  let at = 0;
  let began = null;
  const now = () => Math.min(began === null ? at : at + (performance.now() - began) / 1000, seconds);
  const turn = () => {
    if (began === null) return;
    draw(now());
    if (now() >= seconds) stop();
    else requestAnimationFrame(turn);
  };
  const stop = () => {
    at = now();
    began = null;
    changed();
  };
  return {
    now,
    playing: () => began !== null,
    play() {
      if (at >= seconds) at = 0;
      began = performance.now();
      changed();
      turn();
    },
    pause: () => began !== null && stop(),
    seek(time) {
      at = Math.min(Math.max(time, 0), seconds);
      if (began !== null) began = performance.now();
      draw(at);
    },
  };
}
