/** Keeps a phone's screen from going dark, where the browser lets a page do so. */
export class Awake {
  #lock = null;
  #wanted = false;

  /** From now on; to be called again when the page was hidden, which loses it. */
  async keep() {
    this.#wanted = true;
    try {
      const lock = await navigator.wakeLock?.request("screen");
      if (this.#wanted) this.#lock = lock ?? null;
      else await lock?.release(); // the session ended meanwhile
    } catch {
      // The battery is low, or the page is hidden: the screen may go dark, and the session goes on.
    }
  }

  release() {
    this.#wanted = false;
    this.#lock?.release().catch(() => {});
    this.#lock = null;
  }
}
