/** What the view says of what went wrong before or in a session, and what to do about it. `state` is what the view is in then. */

import { title } from "../format.js";
import { CameraError } from "./camera.js";

const noCamera = (title, text) => ({ state: "no-camera", title, text });

/** Why there is no camera, by the kind of a `CameraError`. */
export const NO_CAMERA = {
  "no-camera": noCamera("No camera was found", "Connect one, or open this page on a phone or a laptop that has one, and try again."),
  refused: {
    state: "refused",
    title: "The camera is not allowed",
    text: "This page may not use the camera. Allow it in the browser's settings for this page (by the address, behind the lock or the camera sign), then try again.",
  },
  "in-use": noCamera("The camera is in use", "Another program or tab seems to have it. Close that one and try again."),
  insecure: noCamera("The browser gives no camera to this address", "Cameras are only for secure pages: open this page over https or on localhost."),
  failed: noCamera("The camera does not start", "Connect it again, or restart the browser, and try again."),
  gone: noCamera("The camera is gone", "It was unplugged, or its permission taken back. Connect it or allow it, and start again."),
};

/** Of what kept a session from starting: a `CameraError`, or what `openLocalPose` says in one sentence. */
export function whyNoStart(error) {
  if (error instanceof CameraError) return NO_CAMERA[error.kind];
  return { state: "failed", title: "The pose model does not start", text: title(error.message) };
}

/** Of a browser that stopped giving pictures. */
export const NO_PICTURES = {
  title: "Pictures can no longer be read",
  text: "The browser stopped reading them. Start again, or choose in the settings who finds your pose.",
};

/** By the service, whose reason is its text. */
export const SESSION_ENDED = { title: "The session has ended" };
