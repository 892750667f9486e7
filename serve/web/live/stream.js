/**
 * A live session with the service over a WebSocket that survives lost connections (docs/streaming.md). No DOM.
 *
 *     const stream = new Stream({ url, layout: "jpeg", fps: 5, poses: true, onEvent, onState });
 *     stream.open();
 *     stream.sendPicture(t, jpeg);            // as often as there is one
 *     const goodbye = await stream.bye();     // null if the service did not answer
 *
 * What was sent is kept until the service has saved it. After a lost connection the session is resumed, what the service
 * does not hold is sent again, and events that were seen are passed over: those told are the events of a connection that
 * was never lost. connection.js brings connections back, outbox.js keeps what was sent, pace.js tells how far it is behind.
 */

import { Connection } from "./connection.js";
import { Outbox } from "./outbox.js";
import { Pace } from "./pace.js";
import { frame, hello, picture } from "./protocol.js";

const SILENT_S = 8; // of a connection that should speak every second: its network is gone without a word
const BYE_S = 12; // the service takes up to 10 s to answer what is due
const BYE_WHILE_LOST_S = 4;
// The service estimates one picture while one waits, and drops one that waits when another comes.
const UNANSWERED_WHEN_CATCHING_UP = 2;
const STUCK_S = 10; // without getting nearer
const GRACE_S = 4;
const WATCH_S = 0.25;
const MOST_BUFFERED = 1_000_000;

const browser = {
  WebSocket: globalThis.WebSocket,
  clock: () => performance.now() / 1000,
  random: Math.random,
  setTimeout: (run, seconds) => globalThis.setTimeout(run, 1000 * seconds),
  clearTimeout: (id) => globalThis.clearTimeout(id),
};

/**
 * States told to `onState({state, detail})`: "connecting", "open", "lost" (tried again by itself), "full" (as well),
 * "ended" (after the goodbye) and "failed". `onEvent` gets the server's events and `{type: "overloaded", on}`.
 */
export class Stream {
  #options;
  #env;
  #connection;
  #outbox = new Outbox();
  #pace;
  #resume = null; // the secret that the session is resumed with
  #seen = 0;
  #labelled = null;
  #watch = null;
  #opened = 0;
  #heard = 0;
  #spoke = false; // it has told labels or poses, so its silence means something
  #catchingUp = false;
  #least = { waiting: Infinity, at: 0 }; // how little has waited since it began to catch up, and since when
  #overloaded = false; // as it was told
  #leaving = null; // after a bye: it is not waited for the goodbye for ever
  #bye = null; // {resolve} once bye was asked for
  #byeSaid = false;
  #goodbye = null;

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {string} options.layout
   * @param {number} [options.joints] how many the layout has, unless it is "jpeg"
   * @param {() => string | null} [options.token]
   * @param {(why: string) => Promise<string | null>} [options.askToken] for a good one
   * @param {() => Promise<number | null>} [options.probe] the HTTP status of a service that refused a connection
   * @param {(event: object) => void} options.onEvent
   * @param {(state: {state: string, detail: string}) => void} options.onState
   * @param {object} [options.env] WebSocket, clock, random, setTimeout and clearTimeout (both in seconds), for tests
   */
  constructor({ fps = 5, hop = 1, top = 3, poses = false, env = {}, ...options }) {
    this.#options = { fps, hop, top, poses, token: () => null, ...options };
    this.#env = { ...browser, ...env };
    this.#pace = new Pace(fps);
    const { url, askToken = async () => null, probe = async () => null } = options;
    this.#connection = new Connection({
      url,
      askToken,
      probe,
      env: this.#env,
      hello: () => this.#hello(),
      onMessage: (data) => this.#hear(data),
      onState: (told) => this.#changed(told),
      hasSession: () => this.#resume !== null,
      forgetSession: () => (this.#resume = null),
    });
  }

  /** How many messages would be sent again if the connection were lost now, and how many wait. For tests and the curious. */
  get counts() {
    return { kept: this.#outbox.kept, waiting: this.#outbox.waiting, seen: this.#seen };
  }

  open() {
    this.#watch = this.#env.setTimeout(() => this.#look(), WATCH_S);
    this.#connection.open();
  }

  /** One picture, taken at `t` seconds. Returns false if it was left out, because the service or the network is behind. */
  sendPicture(t, jpeg) {
    return this.#send({ t, data: picture(t, jpeg), asks: this.#options.poses });
  }

  /** One frame of joints; null where nobody was seen. */
  sendFrame(t, joints, scores) {
    return this.#send({ t, data: frame(t, joints, this.#options.joints, joints ? scores : null), asks: false });
  }

  /** Do not wait any longer to try again. */
  retryNow() {
    this.#connection.retryNow();
  }

  /** End the session. Returns the service's goodbye, or null if it does not answer in time. */
  bye() {
    if (this.#connection.over) return Promise.resolve(this.#goodbye);
    return new Promise((resolve) => {
      this.#bye = { resolve };
      this.#waitForGoodbye(this.#open ? BYE_S : BYE_WHILE_LOST_S);
      this.retryNow();
      this.#pump();
    });
  }

  /** Leave at once, without a bye. */
  close() {
    this.#connection.finish("ended");
  }

  get #open() {
    return this.#connection.state === "open";
  }

  #waitForGoodbye(seconds) {
    this.#env.clearTimeout(this.#leaving);
    this.#leaving = this.#env.setTimeout(() => this.close(), seconds);
  }

  #send(message) {
    if (this.#connection.over || this.#bye) return false;
    if (this.#open && !this.#catchingUp && this.#behind(message.data.byteLength)) {
      this.#suffer(1);
      return false;
    }
    this.#outbox.put(message);
    this.#pump();
    return true;
  }

  /** Whether sending more now would only make what comes back older. */
  #behind(bytes) {
    return this.#connection.buffered > 2 * bytes || this.#pace.late(this.#env.clock());
  }

  /** Send what waits, as far as the connection takes it. */
  #pump() {
    if (!this.#open) return;
    while (this.#outbox.waiting) {
      if (this.#catchingUp && this.#pace.unanswered >= UNANSWERED_WHEN_CATCHING_UP) return;
      if (this.#connection.buffered > MOST_BUFFERED) return;
      const { t, data, asks } = this.#outbox.take();
      if (asks) this.#pace.asked(t, this.#env.clock());
      this.#connection.send(data);
    }
    this.#catchingUp = false;
    if (this.#bye && !this.#byeSaid) {
      this.#byeSaid = true;
      this.#connection.send('{"type": "bye"}');
    }
  }

  #hello() {
    const { layout, fps, hop, top, poses, token } = this.#options;
    const again = this.#resume ? { resume: this.#resume, seen: this.#seen } : {};
    return hello({ layout, fps, hop, top, ...(poses ? { poses } : {}), token: token(), ...again });
  }

  #hear(data) {
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return; // a newer service may say what this client cannot read
    }
    this.#heard = this.#env.clock();
    if (event.type === "welcome") return this.#welcomed(event);
    if (event.type === "error") this.#connection.complains(event.detail);
    if (event.type === "pose") this.#pace.answered(event.t);
    if (event.type === "notice" && event.code === "shed") this.#suffer(event.count);
    if (event.type === "notice" && event.code === "behind") this.#suffer(event.count * this.#options.hop * this.#options.fps);
    if (event.type === "label" || event.type === "pose") {
      this.#spoke = true;
      this.#connection.works();
    }
    if (event.type === "label") {
      this.#labelled = event.t;
      if (event.saved !== null && event.saved !== undefined) this.#outbox.saved(event.saved);
    }
    if (Number.isInteger(event.seq)) {
      if (event.seq <= this.#seen) return;
      this.#seen = event.seq;
    }
    if (event.type === "goodbye") this.#goodbye = event;
    this.#options.onEvent(event);
    // One that was not asked for comes before a close, which says how to go on.
    if (event.type === "goodbye" && this.#bye) this.close();
    else this.#pump();
  }

  #welcomed(event) {
    this.#resume = event.resume;
    if (event.resumed) this.#outbox.resume(event.received);
    else {
      this.#seen = 0;
      this.#outbox.restart(this.#labelled); // also at the first welcome: it may have been waited for for minutes
    }
    this.#opened = this.#env.clock();
    this.#spoke = false;
    this.#pace.restart();
    this.#catchingUp = true;
    this.#byeSaid = false;
    this.#least = { waiting: Infinity, at: this.#opened };
    if (this.#bye) this.#waitForGoodbye(BYE_S); // what waits is still to be sent
    this.#connection.welcomed();
    this.#options.onEvent(event);
    this.#pump();
  }

  #changed(told) {
    const { over } = this.#connection;
    if (over) for (const timer of [this.#watch, this.#leaving]) this.#env.clearTimeout(timer);
    this.#options.onState(told);
    if (told.state === "lost" || told.state === "full") this.#setOverloaded(false);
    if (over) this.#bye?.resolve(this.#goodbye);
  }

  /** What passes with time. */
  #look() {
    const now = this.#env.clock();
    this.#pace.forget(now);
    if (this.#catchingUp && this.#spoke) this.#hurry(now);
    this.#setOverloaded(this.#pace.overloaded(now));
    if (this.#open && this.#spoke && now - this.#heard > SILENT_S && !this.#bye) this.#connection.drop();
    this.#pump();
    this.#watch = this.#env.setTimeout(() => this.#look(), WATCH_S);
  }

  /** A service that is slower than the camera would never catch up: then every other frame has to do. */
  #hurry(now) {
    const { waiting } = this.#outbox;
    if (waiting < this.#least.waiting) this.#least = { waiting, at: now };
    else if (now - this.#least.at > STUCK_S) {
      this.#outbox.thin();
      this.#least = { waiting: this.#outbox.waiting, at: now };
    }
  }

  /** So many frames were left out, here or by the service. */
  #suffer(frames) {
    // After a resume much comes at once, and the first picture may wait for an estimator that is just begun.
    const now = this.#env.clock();
    if (this.#catchingUp || now - this.#opened < GRACE_S) return;
    this.#pace.suffer(frames, now);
    this.#setOverloaded(this.#pace.overloaded(now));
  }

  #setOverloaded(on) {
    if (this.#overloaded === on) return;
    this.#overloaded = on;
    this.#options.onEvent({ type: "overloaded", on });
  }
}
