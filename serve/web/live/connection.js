/**
 * One WebSocket after the other to a service, for as long as it takes: when to try again, and when not. Of the protocol it
 * knows the close codes (docs/streaming.md); what is said is its owner's. No DOM.
 */

import { AFTER_CLOSE, WHY_CLOSED } from "./protocol.js";

const [FIRST_DELAY_S, LONGEST_DELAY_S] = [0.3, 5];
const LATER_S = 8; // where the service said that it is full
const WELCOME_S = 10;

export class Connection {
  #options;
  #env;
  #socket = null;
  #timer = null;
  #attempt = 0;
  #why = ""; // what the service said last that was wrong

  /** "idle", "connecting", "open", "lost" (tried again by itself), "full" (as well), "ended" and "failed". */
  state = "idle";

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {object} options.env WebSocket, clock, random, setTimeout and clearTimeout (both in seconds)
   * @param {() => string} options.hello what is sent first
   * @param {(data: string | ArrayBuffer) => void} options.onMessage
   * @param {(told: {state: string, detail: string}) => void} options.onState
   * @param {() => boolean} options.hasSession whether the service may hold a session of ours
   * @param {() => void} options.forgetSession
   * @param {(why: string) => Promise<string | null>} options.askToken for a good one
   * @param {() => Promise<number | null>} options.probe the HTTP status of a service that refused a connection
   */
  constructor({ env, ...options }) {
    this.#options = options;
    this.#env = env;
  }

  /** Whether it is not tried again. */
  get over() {
    return this.state === "ended" || this.state === "failed";
  }

  /** Bytes that wait in the browser. */
  get buffered() {
    return this.#socket.bufferedAmount;
  }

  open() {
    this.#tell("connecting");
    this.#connect();
  }

  send(data) {
    this.#socket.send(data);
  }

  /** The service took us. */
  welcomed() {
    this.#stopTimer();
    this.#tell("open");
  }

  /** It works, so that the next loss is tried again soon. Not by the welcome: a service may fail on every frame. */
  works() {
    this.#attempt = 0;
  }

  /** What the service says is wrong; a close follows. */
  complains(detail) {
    this.#why = detail ?? "";
  }

  /** Do not wait any longer to try again. */
  retryNow() {
    if (!this.#socket && (this.state === "lost" || this.state === "full")) this.#connect();
  }

  /** Give up a socket whose other end does not answer; a close would wait for it. */
  drop() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
    this.#closed(1006);
  }

  /** No more: "ended" or "failed". */
  finish(state, detail = "") {
    if (this.over) return;
    this.#stopTimer();
    const socket = this.#socket;
    this.#socket = null;
    this.#tell(state, detail);
    socket?.close(1000);
  }

  #connect() {
    this.#stopTimer();
    const socket = new this.#env.WebSocket(this.#options.url);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#why = "";
    const mine = (run) => (event) => this.#socket === socket && run(event);
    socket.onopen = mine(() => socket.send(this.#options.hello()));
    socket.onmessage = mine(({ data }) => this.#options.onMessage(data));
    socket.onclose = mine(({ code }) => this.#closed(code));
    this.#timer = this.#env.setTimeout(mine(() => this.drop()), WELCOME_S);
  }

  async #closed(code) {
    const wasOpen = this.state === "open";
    this.#socket = null;
    this.#stopTimer();
    if (this.over) return;
    const after = AFTER_CLOSE[code] ?? "resume";
    const detail = this.#why;
    if (after === "stop") return this.finish(code === 1000 ? "ended" : "failed", detail || (WHY_CLOSED[code] ?? ""));
    if (after === "token") return this.#askToken(detail);
    if (after === "new") this.#options.forgetSession();
    // A connection that was never opened tells a page nothing, so the service is asked in another way.
    const status = code === 1006 && !wasOpen ? await this.#options.probe().catch(() => null) : null;
    if (this.over || this.#socket) return;
    // Of a service that has our session, 503 means that it is starting again.
    const full = after === "later" || status === 429 || (status === 503 && !this.#options.hasSession());
    const delay = full
      ? LATER_S * (0.75 + 0.5 * this.#env.random())
      : Math.min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** this.#attempt * (1 + this.#env.random()));
    this.#attempt += 1;
    this.#tell(full ? "full" : "lost", detail);
    this.#stopTimer(); // of a connection that came and went while the service was asked
    this.#timer = this.#env.setTimeout(() => this.#connect(), delay);
  }

  async #askToken(detail) {
    this.#tell("connecting", detail);
    const given = await this.#options.askToken(detail);
    if (given && !this.over) this.#connect();
    else this.finish("failed", detail);
  }

  #tell(state, detail = "") {
    this.state = state;
    this.#options.onState({ state, detail });
  }

  #stopTimer() {
    this.#env.clearTimeout(this.#timer);
    this.#timer = null;
  }
}
