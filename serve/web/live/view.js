/**
 * The live view: camera pictures (or joints found in this browser) to the service, what it says of them to the page.
 *
 * camera.js and stream.js do the work, session.js says what it means, panel.js shows it; here they are put together.
 */

import { announce, h, replace, statePanel } from "../dom.js";
import { counted, title } from "../format.js";
import { Awake, whenBack } from "./awake.js";
import { openCamera } from "./camera.js";
import { openLocalPose } from "./local_pose.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { announcement, begin, reduce, screen } from "./session.js";
import { Preview, startPanel } from "./start.js";
import { Stream } from "./stream.js";
import { summaryPanel } from "./summary.js";
import { NO_CAMERA, NO_PICTURES, SESSION_ENDED, whyNoStart } from "./troubles.js";

const PICTURES_PER_S = 5;
const JOINTS_PER_S = 10;
const RENDER_MS = 250;
const HIDDEN_S = 3;
const OLD_POSE_S = 2; // of a picture that was sent again after an outage
const PROBE_MS = 3000;

const clock = () => performance.now() / 1000;

/** Build the view into its section. */
export async function mount(root, context) {
  const view = new LiveView(root, context);
  view.showStart();
  return { shown: () => view.shown(), hidden: () => view.hidden() };
}

class LiveView {
  #session = begin();
  #choices = { place: "server", facing: "user" };
  #run = 0; // counts sessions, so that what comes late for an old one is passed over
  #panel = null;
  #camera = null;
  #stream = null;
  #estimator = null;
  #overlay = null;
  #waiting = null; // "camera" or "pose" while connecting
  #busy = false; // a picture is being taken
  #rendering = null;
  #soon = null;
  #awake = new Awake();
  #visible = true;

  constructor(root, context) {
    this.root = root;
    this.context = context;
    this.figure = new Preview();
    this.figure.load(context.api, context.layouts).catch(() => {}); // it is decoration
    whenBack((seconds) => this.#back(seconds));
    addEventListener("online", () => this.#stream?.retryNow());
  }

  shown() {
    this.#visible = true;
    this.figure.run();
  }

  hidden() {
    this.#visible = false;
    this.figure.pause();
  }

  /**
   * Before a session. There is one button that starts it: of the summary `after` the last one, or of the `trouble` it had,
   * {title, text}, or with all that can be chosen.
   */
  showStart({ state = "idle", trouble = null, after = null } = {}) {
    this.root.dataset.state = state;
    const actions = [
      { label: state === "failed" ? "Start again" : "Try again", run: () => this.start(), primary: true },
      { label: "Settings", run: () => this.#settings() },
    ];
    const notice = trouble && [
      after ? null : h("h1", { class: "visually-hidden" }, "Live"),
      statePanel({ kind: "error", ...trouble, actions: after ? [] : actions }),
    ];
    replace(this.root, h("div", { class: "stack" }, notice, after ?? (trouble ? null : this.#startPanel())));
    if (this.#visible) this.figure.run();
  }

  #startPanel() {
    return startPanel({
      localPose: this.context.pageSettings.video_stays_here === true,
      choices: this.#choices,
      start: (choices) => this.start(choices),
      figure: this.figure.element,
    });
  }

  /** Begin a session: the camera, then the pose model if it is to run here, then the service. */
  async start(choices = this.#choices) {
    const run = (this.#run += 1);
    const current = () => this.#run === run;
    this.#choices = choices;
    this.figure.pause();
    this.#session = reduce(begin(this.context.pageSettings.held), { type: "connection", state: "connecting" });
    [this.#waiting, this.#busy] = ["camera", false];
    this.#panel = new Panel({ stop: () => this.stop(), retry: () => this.#stream?.retryNow(), exercises: () => (location.hash = "#model") });
    replace(this.root, this.#panel.element);
    this.context.running(true);
    // On a small screen the two do not fit together, and who stands three metres away has to see the picture.
    this.#panel.stopButton.focus({ preventScroll: true });
    this.#panel.element.scrollIntoView({ block: "start" });
    this.#rendering = setInterval(() => this.#render(), RENDER_MS);
    this.#render();
    try {
      const camera = await openCamera(this.#panel.video, choices.facing, () => current() && this.#cameraGone());
      if (!current()) return camera.close();
      this.#camera = camera;
      this.#panel.shape(camera.aspect, camera.mirrored);
      // A phone that is turned changes its picture.
      this.#panel.video.onresize = () => current() && this.#panel.shape(camera.aspect, camera.mirrored);
      if (choices.place === "device") await this.#loadPose(current);
    } catch (error) {
      if (current()) this.#cannotStart(error);
      return;
    }
    if (current()) this.#connect(current);
  }

  async #loadPose(current) {
    this.#waiting = "pose";
    this.#render();
    const estimator = await openLocalPose();
    if (current()) this.#estimator = estimator;
    else estimator.close();
  }

  #connect(current) {
    this.#waiting = null;
    const { api, layouts } = this.context;
    const local = Boolean(this.#estimator);
    const layout = local ? layouts.blazepose33 : layouts.h36m17;
    this.#overlay = new Overlay(this.#panel.canvas, layout);
    this.#overlay.mirrored = this.#camera.mirrored;
    const how = local
      ? { layout: "blazepose33", joints: layout.joints.length, fps: JOINTS_PER_S }
      : { layout: "jpeg", fps: PICTURES_PER_S, poses: true };
    this.#stream = new Stream({
      ...how,
      url: api.streamUrl(),
      token: api.token,
      askToken: api.askToken,
      // In a dead network this would never end, and nothing is tried again before it does.
      probe: async () => (await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(PROBE_MS) })).status,
      onEvent: (event) => current() && this.#happened(event),
      onState: (told) => current() && this.#connectionChanged(told),
    });
    this.#stream.open();
    this.#camera.every(how.fps, () => this.#look(current));
    this.#awake.keep();
  }

  /** Once a tick: a picture to the service, or its pose. One that is not done yet is not hurried. */
  async #look(current) {
    if (this.#busy || !this.#camera) return;
    this.#busy = true;
    try {
      const t = clock();
      if (this.#estimator) {
        const seen = await this.#estimator.estimate(this.#panel.video);
        if (!current() || !this.#stream) return;
        this.#happened({ type: "seen", t, person: Boolean(seen?.joints) });
        if (seen) this.#overlay.show(seen.image_xy, seen.scores);
        this.#stream.sendFrame(t, seen?.joints ?? null, seen?.scores);
      } else {
        const jpeg = await this.#camera.picture();
        if (current() && jpeg) this.#stream?.sendPicture(t, jpeg);
      }
    } catch (error) {
      console.warn(error);
      if (current()) this.stop({ state: "failed", trouble: NO_PICTURES });
    } finally {
      this.#busy = false;
    }
  }

  #happened(event) {
    if (event.type === "pose") {
      const person = event.image_xy.some((joint) => joint !== null);
      if (this.#visible && clock() - event.t < OLD_POSE_S) this.#overlay.show(event.image_xy, event.scores);
      event = { type: "seen", t: event.t, person };
    }
    if (event.type === "welcome") event = { ...event, t: clock() };
    const before = this.#session;
    this.#session = reduce(before, event);
    const said = announcement(before, this.#session, event);
    if (said) announce(said);
    if (event.type !== "seen") this.#renderSoon();
  }

  #connectionChanged(told) {
    const same = this.#session.connection === told.state && this.#session.detail === told.detail;
    if (same && told.state !== "failed") return;
    this.#session = reduce(this.#session, { type: "connection", ...told });
    if (told.state === "open") announce("Connected.");
    if (told.state === "failed") this.#over({ state: "failed", trouble: { ...SESSION_ENDED, text: title(told.detail) } });
    else if (told.state !== "ended") this.#render();
    else if (this.#camera) this.#over(); // not by `stop`, which has let go of it
  }

  /** End the session: the camera at once, then the service's last words. */
  async stop({ state = "ended", trouble = null } = {}) {
    const stream = this.#stream;
    if (this.#panel) {
      this.#panel.stopButton.disabled = true;
      this.#panel.stopButton.textContent = "Stopping …";
    }
    this.#letGo();
    if (!stream) return this.#leave(trouble ? { state, trouble } : {});
    await stream.bye();
    if (this.#stream === stream) this.#over({ state, trouble });
  }

  #over({ state = "ended", trouble = null } = {}) {
    this.#letGo();
    this.#session = reduce(this.#session, { type: "ended" });
    const session = this.#session;
    const seen = session.welcomed && (session.sets.length > 0 || state === "ended");
    if (seen) announce(`The session is over: ${counted(session.sets.length, "set")}.`);
    this.#leave({ state, trouble, after: seen ? summaryPanel(session, () => this.start(), () => this.#settings(), this.#panel.colours) : null });
  }

  #settings() {
    this.showStart();
    this.#focusStart();
  }

  /** What had the focus is gone: whoever uses a keyboard goes on at the summary, or where a session is started. */
  #focusStart() {
    this.root.querySelector(".live-summary h1, .state button, .live-start-button")?.focus();
  }

  /** Back to where a session can be started. */
  #leave(what) {
    this.context.running(false);
    // Who is in another view does not see it, and an alert that is hidden is not read out.
    if (what.trouble && !this.#visible) announce(`Live: ${what.trouble.title}.`);
    this.#run += 1;
    this.#stream?.close();
    clearInterval(this.#rendering);
    this.#stream = this.#panel = null;
    this.showStart(what);
    this.#focusStart();
  }

  /** Let go of all that looks: camera, pose model, screen. */
  #letGo() {
    this.#camera?.close();
    this.#estimator?.close();
    this.#awake.release();
    this.#camera = this.#estimator = null;
  }

  #cannotStart(error) {
    console.warn(error);
    this.#letGo();
    const { state, ...trouble } = whyNoStart(error);
    this.#leave({ state, trouble });
  }

  #cameraGone() {
    const { state, ...trouble } = NO_CAMERA.gone;
    this.stop({ state, trouble });
  }

  /** Once a frame, however much comes at once; a hidden tab has no frames, there the interval does it. */
  #renderSoon() {
    this.#soon ??= requestAnimationFrame(() => {
      this.#soon = null;
      this.#render();
    });
  }

  #render() {
    if (!this.#panel) return;
    const now = clock();
    this.root.dataset.state = screen(this.#session, now);
    if (this.#visible) this.#panel.show(this.#session, now, this.#waiting);
  }

  /** The page is seen again after so many seconds. */
  #back(seconds) {
    if (!this.#camera) return;
    this.#awake.keep(); // a hidden page has lost it
    if (seconds < HIDDEN_S) return;
    const text = "While this tab was hidden, your browser may have taken fewer pictures: keep it in view to have everything counted.";
    this.#happened({ type: "hint", t: clock(), text });
  }
}
