/** How far the service is behind: pictures whose poses have not come, and frames that were left out. Pure; it is told the time. */

const LATE_POSE_S = 1.5;
const FORGOTTEN_POSE_S = 3; // it was shed, and no pose will come
// Of the frames of so many seconds, so many may be lost before it is told: a few are bridged without harm.
const TROUBLE_S = 5;
const TROUBLE_SHARE = 0.3;

export class Pace {
  #unanswered = []; // {t, at}
  #trouble = []; // {at, frames} left out of late
  #overloaded = false;

  constructor(fps) {
    this.fps = fps;
  }

  /** How many pictures are under way. */
  get unanswered() {
    return this.#unanswered.length;
  }

  /** The picture of `t` was sent. */
  asked(t, now) {
    this.#unanswered.push({ t, at: now });
  }

  /** The pose of `t` came; those before it were shed by the service. */
  answered(t) {
    this.#unanswered = this.#unanswered.filter((one) => one.t > t);
  }

  /** Do not wait for what will not come any more: that it was lost was told by a notice. */
  forget(now) {
    const gone = this.#unanswered.findLastIndex((one) => now - one.at > FORGOTTEN_POSE_S);
    if (gone >= 0) this.#unanswered.splice(0, gone + 1);
  }

  /** Whether poses come back late. */
  late(now) {
    return this.#unanswered.length > 0 && now - this.#unanswered[0].at > LATE_POSE_S;
  }

  /** So many frames were left out. */
  suffer(frames, now) {
    this.#trouble.push({ at: now, frames });
  }

  /** Whether so much is left out that it has to be told. It stays so until it is much better, or it would come and go. */
  overloaded(now) {
    this.#trouble = this.#trouble.filter(({ at }) => now - at < TROUBLE_S);
    const lost = this.#trouble.reduce((sum, { frames }) => sum + frames, 0);
    const most = this.#overloaded ? TROUBLE_SHARE / 3 : TROUBLE_SHARE;
    return (this.#overloaded = lost / (TROUBLE_S * this.fps) >= most);
  }

  /** A new connection: nothing is under way on it. */
  restart() {
    [this.#unanswered, this.#trouble, this.#overloaded] = [[], [], false];
  }
}
