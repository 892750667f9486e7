/** Whether the page is seen: it keeps a phone's screen from going dark, and tells how long it was hidden. */

/** Call `back(seconds)` whenever the page is seen again after it was hidden for so long. */
export function whenBack(back) {
  let since = null;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) since = performance.now();
    else if (since !== null) back((performance.now() - since) / 1000);
  });
}

/** Keeps the screen on, where the browser lets a page do so. */
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
