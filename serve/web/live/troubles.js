/** What the view says of what went wrong before or in a session, and what to do about it. */

import { statePanel } from "../dom.js";

/** Why there is no camera, and what to do. */
export const NO_CAMERA = {
  "no-camera": ["no-camera", "No camera was found", "Connect one, or open this page on a phone or a laptop that has one, and try again."],
  refused: [
    "refused",
    "The camera is not allowed",
    "This page may not use the camera. Allow it in the browser's settings for this page (by the address, behind the lock or the camera sign), then try again.",
  ],
  "in-use": ["no-camera", "The camera is in use", "Another program or tab seems to have it. Close that one and try again."],
  insecure: ["no-camera", "The browser gives no camera to this address", "Cameras are only for secure pages: open this page over https or on localhost."],
  failed: ["no-camera", "The camera does not start", "Connect it again, or restart the browser, and try again."],
  gone: ["no-camera", "The camera is gone", "It was unplugged, or its permission taken back. Connect it or allow it, and start again."],
};

/** Of a browser that stopped giving pictures. */
export const picturesStopped = () =>
  statePanel({ kind: "error", title: "Pictures can no longer be read", text: "The browser stopped reading them. Start again, or let the service find your pose." });
