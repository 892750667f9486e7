/** What a stream has still to send, and what it must keep in case the connection is lost. Pure. */

// The service asks for nothing older: it forgets a lost session after 30 s by default.
const KEEP_SECONDS = 60;
// What waits beyond this is thinned: every other frame is still a movement.
const MOST_WAITING = 200;
// A new session is told what no label spoke of yet, but not more than a window.
const NEW_SESSION_SECONDS = 12;

export class Outbox {
  #waiting = [];
  #kept = [];

  /** How many messages wait to be sent. */
  get waiting() {
    return this.#waiting.length;
  }

  /** How many were sent and are not saved by the service yet. */
  get kept() {
    return this.#kept.length;
  }

  /** Add a message {t, data} at the end. */
  put(message) {
    this.#waiting.push(message);
    if (this.#waiting.length > MOST_WAITING) this.thin();
  }

  /** Leave out every other frame that waits, but not the latest. */
  thin() {
    const kept = (this.#waiting.length - 1) % 2;
    this.#waiting = this.#waiting.filter((_, index) => index % 2 === kept);
  }

  /** The next message to send, which is kept from now on; undefined if none waits. */
  take() {
    const message = this.#waiting.shift();
    if (message) {
      this.#kept.push(message);
      while (this.#kept[0].t < message.t - KEEP_SECONDS) this.#kept.shift();
    }
    return message;
  }

  /** The service will not ask again for frames up to `t`. */
  saved(t) {
    this.#kept = this.#kept.filter((message) => message.t > t);
  }

  /** The service holds the frames up to `received` (null: none): all later ones wait again, before the others. */
  resume(received) {
    const held = (message) => received !== null && message.t <= received;
    this.#waiting = [...this.#kept.filter((message) => !held(message)), ...this.#waiting];
    this.#kept = this.#kept.filter(held);
  }

  /** A session begins: it gets the latest frames, but those up to `labelled`, of which labels of the one before it spoke. */
  restart(labelled) {
    const all = [...this.#kept, ...this.#waiting];
    const from = Math.max(labelled ?? -Infinity, (all.at(-1)?.t ?? 0) - NEW_SESSION_SECONDS);
    this.#waiting = all.filter((message) => message.t > from);
    this.#kept = [];
  }
}
