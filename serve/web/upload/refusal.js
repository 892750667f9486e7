/** Why a file is not sent: what the service would refuse is told before minutes are spent on it. */

import { h } from "../dom.js";
import { clock } from "../format.js";

const READING_MS = 3000; // some browsers do not read what is not shown
const SOUND_S = 1;
const EXTENSIONS = /\.(3gp|avi|flv|m2ts|m4v|mkv|mov|mp4|mpe?g|mts|ogv|ts|webm|wmv)$/i;

/**
 * Why a file cannot be sent, in a sentence; "" if it can. Some systems do not know the type of .mkv or .avi.
 * @param {File} file
 * @param {number | null} [most] MiB that the service takes
 */
export function refusal({ name, type, size }, most = null) {
  if (!type.startsWith("video/") && !EXTENSIONS.test(name)) return `“${name}” is no video: choose one, such as an .mp4, .mov or .webm file.`;
  if (size === 0) return `“${name}” is empty: choose another video.`;
  if (most !== null && size > most * 2 ** 20) return `“${name}” has ${(size / 2 ** 20).toFixed(0)} MiB, and the service takes ${most}: choose a shorter one.`;
  return "";
}

/**
 * Why a video is too long to be sent, in a sentence; "" if it is not, or the browser cannot tell.
 * @param {File} file
 * @param {number | null} most seconds that the service takes
 */
export async function tooLong(file, most) {
  const seconds = most === null ? null : await secondsOf(file);
  // The sound may be a little longer than the pictures, which are what the service measures.
  if (seconds === null || seconds <= most + SOUND_S) return "";
  return `“${file.name}” is ${clock(seconds)} long, and the service takes ${clock(most)}: choose a shorter one, or cut it.`;
}

function secondsOf(file) {
  const url = URL.createObjectURL(file);
  const video = h("video", { preload: "metadata", src: url });
  return new Promise((resolve) => {
    video.addEventListener("loadedmetadata", () => resolve(Number.isFinite(video.duration) ? video.duration : null));
    video.addEventListener("error", () => resolve(null));
    setTimeout(() => resolve(null), READING_MS);
  }).finally(() => {
    video.removeAttribute("src");
    URL.revokeObjectURL(url);
  });
}
