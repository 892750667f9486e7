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
 * was never lost.
 */

import { Outbox } from "./outbox.js";
import { Pace } from "./pace.js";
import { AFTER_CLOSE, frame, hello, picture } from "./protocol.js";

const [FIRST_DELAY_S, LONGEST_DELAY_S] = [0.3, 5];
const LATER_S = 8; // where the service said that it is full
const WELCOME_S = 10;
const SILENT_S = 8; // of a connection that should speak every second: its network is gone without a word
const BYE_S = 12; // the service takes up to 10 s to answer what is due
const BYE_WHILE_LOST_S = 4;
// The service estimates one picture while one waits, and drops one that waits when another comes.
const UNANSWERED_WHEN_CATCHING_UP = 2;
const STUCK_S = 10; // without getting nearer
const GRACE_S = 4;
const WATCH_S = 0.25;

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
  #outbox = new Outbox();
  #socket = null;
  #resume = null;
  #seen = 0;
  #labelled = null;
  #attempt = 0;
  #state = "idle";
  #error = null;
  #timer = null;
  #watch = null;
  #leaving = null; // after a bye: it is not waited for the goodbye for ever
  #opened = 0;
  #heard = 0;
  #spoke = false; // it has told labels or poses, so its silence means something
  #pace;
  #catchingUp = false;
  #least = { waiting: Infinity, at: 0 }; // how little has waited since it began to catch up, and since when
  #overloaded = false; // as it was told
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
    this.#options = { fps, hop, top, poses, token: () => null, askToken: async () => null, probe: async () => null, ...options };
    this.#env = { ...browser, ...env };
    this.#pace = new Pace(fps);
  }

  /** How many messages would be sent again if the connection were lost now, and how many wait. For tests and the curious. */
  get counts() {
    return { kept: this.#outbox.kept, waiting: this.#outbox.waiting, seen: this.#seen };
  }

  open() {
    this.#tell("connecting");
    this.#watch = this.#env.setTimeout(() => this.#look(), WATCH_S);
    this.#connect();
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
    if (!this.#socket && (this.#state === "lost" || this.#state === "full")) this.#connect();
  }

  /** End the session. Returns the service's goodbye, or null if it does not answer in time. */
  bye() {
    if (this.#over) return Promise.resolve(this.#goodbye);
    return new Promise((resolve) => {
      this.#bye = { resolve };
      this.#waitForGoodbye(this.#state === "open" ? BYE_S : BYE_WHILE_LOST_S);
      this.retryNow();
      this.#pump();
    });
  }

  #waitForGoodbye(seconds) {
    this.#env.clearTimeout(this.#leaving);
    this.#leaving = this.#env.setTimeout(() => this.#finish("ended"), seconds);
  }

  /** Leave at once, without a bye. */
  close() {
    this.#finish("ended");
  }

  get #over() {
    return this.#state === "ended" || this.#state === "failed";
  }

  #send(message) {
    if (this.#over || this.#bye) return false;
    const live = this.#state === "open" && !this.#catchingUp;
    if (live && this.#behind(message.data.byteLength)) {
      this.#suffer(1);
      return false;
    }
    this.#outbox.put(message);
    this.#pump();
    return true;
  }

  /** Whether sending more now would only make what comes back older. */
  #behind(bytes) {
    if (this.#socket.bufferedAmount > 2 * bytes) return true;
    return this.#pace.late(this.#env.clock());
  }

  /** Send what waits, as far as the connection takes it. */
  #pump() {
    if (this.#state !== "open") return;
    while (this.#outbox.waiting) {
      if (this.#catchingUp && this.#pace.unanswered >= UNANSWERED_WHEN_CATCHING_UP) return;
      if (this.#socket.bufferedAmount > 1_000_000) return;
      const { t, data, asks } = this.#outbox.take();
      if (asks) this.#pace.asked(t, this.#env.clock());
      this.#socket.send(data);
    }
    this.#catchingUp = false;
    if (this.#bye && !this.#byeSaid) {
      this.#byeSaid = true;
      this.#socket.send('{"type": "bye"}');
    }
  }

  #connect() {
    this.#stopTimer();
    const { url, layout, fps, hop, top, poses, token } = this.#options;
    const socket = new this.#env.WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#error = null;
    const mine = (run) => (event) => this.#socket === socket && run(event);
    socket.onopen = mine(() => {
      const again = this.#resume ? { resume: this.#resume, seen: this.#seen } : {};
      socket.send(hello({ layout, fps, hop, top, ...(poses ? { poses } : {}), token: token(), ...again }));
    });
    socket.onmessage = mine(({ data }) => this.#hear(data));
    socket.onclose = mine(({ code }) => this.#closed(code));
    this.#timer = this.#env.setTimeout(mine(() => this.#drop()), WELCOME_S);
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
    if (event.type === "error") this.#error = event;
    if (event.type === "pose") this.#pace.answered(event.t);
    if (event.type === "notice" && event.code === "shed") this.#suffer(event.count);
    if (event.type === "notice" && event.code === "behind") this.#suffer(event.count * this.#options.hop * this.#options.fps);
    if (event.type === "label" || event.type === "pose") {
      this.#spoke = true;
      this.#attempt = 0; // not by the welcome, or a service that fails on every frame would be asked all the time
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
    if (event.type === "goodbye" && this.#bye) this.#finish("ended");
    else this.#pump();
  }

  #welcomed(event) {
    const again = this.#resume !== null;
    this.#stopTimer();
    this.#resume = event.resume;
    if (event.resumed) this.#outbox.resume(event.received);
    else {
      this.#seen = 0;
      if (again) this.#outbox.restart(this.#labelled);
    }
    this.#opened = this.#env.clock();
    this.#spoke = false;
    this.#pace.restart();
    this.#catchingUp = true;
    this.#byeSaid = false;
    this.#least = { waiting: Infinity, at: this.#opened };
    if (this.#bye) this.#waitForGoodbye(BYE_S); // what waits is still to be sent
    this.#tell("open");
    this.#options.onEvent(event);
    this.#pump();
  }

  async #closed(code) {
    const before = this.#state;
    this.#socket = null;
    this.#stopTimer();
    if (this.#over) return;
    const after = AFTER_CLOSE[code] ?? "resume";
    const detail = this.#error?.detail ?? "";
    if (after === "stop") {
      return this.#finish(code === 1000 ? "ended" : "failed", detail || `The service closed the connection (code ${code}).`);
    }
    if (after === "token") {
      this.#tell("connecting", detail);
      const given = await this.#options.askToken(detail);
      if (given && !this.#over) return this.#connect();
      return this.#finish("failed", detail);
    }
    if (after === "new") this.#resume = null;
    // A connection that was never opened tells a page nothing, so the service is asked in another way.
    const status = code === 1006 && before !== "open" ? await this.#options.probe().catch(() => null) : null;
    if (this.#over || this.#socket) return;
    // Of a service that has our session, 503 means that it is starting again.
    const full = after === "later" || status === 429 || (status === 503 && !this.#resume);
    const delay = full
      ? LATER_S * (0.75 + 0.5 * this.#env.random())
      : Math.min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** this.#attempt * (1 + this.#env.random()));
    this.#attempt += 1;
    this.#tell(full ? "full" : "lost", detail);
    this.#setOverloaded(false);
    this.#stopTimer(); // of a connection that came and went while the service was asked
    this.#timer = this.#env.setTimeout(() => this.#connect(), delay);
  }

  /** Give a connection up whose other end does not answer; a close would wait for it. */
  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#closed(1006);
  }

  /** What passes with time. */
  #look() {
    const now = this.#env.clock();
    this.#pace.forget(now);
    if (this.#catchingUp && this.#spoke) this.#hurry(now);
    this.#setOverloaded(this.#pace.overloaded(now));
    if (this.#state === "open" && this.#spoke && now - this.#heard > SILENT_S && !this.#bye) this.#drop();
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

  #tell(state, detail = "") {
    this.#state = state;
    this.#options.onState({ state, detail });
  }

  #stopTimer() {
    this.#env.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #finish(state, detail = "") {
    if (this.#over) return;
    this.#stopTimer();
    this.#env.clearTimeout(this.#watch);
    this.#env.clearTimeout(this.#leaving);
    const socket = this.#socket;
    this.#socket = null;
    this.#tell(state, detail);
    socket?.close(1000);
    this.#bye?.resolve(this.#goodbye);
  }
}
