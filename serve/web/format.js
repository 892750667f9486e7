/** Numbers and names as they are shown. */

/** 0.931 is "93%"; what is not 1 is never shown as "100%". */
export function percent(share) {
  if (!Number.isFinite(share)) return "–";
  return `${share < 1 ? Math.min(Math.round(100 * share), 99) : 100}%`;
}

/** Seconds as "1:15", or "1:02:05" from an hour on. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** With a capital letter: "leg extension" as "Leg extension". */
export function title(name) {
  return name ? name[0].toUpperCase() + name.slice(1) : "";
}

/** "1 repetition", "8 repetitions". */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/**
 * Round times for the scale of a timeline of `length` seconds that begins at `from`: about `most`.
 * `room` is the share of the length at its end where no label would fit in whole.
 */
export function scale(length, { from = 0, most = 8, room = 0 } = {}) {
  const step = STEPS.find((each) => length / each <= most) ?? STEPS.at(-1);
  const times = [];
  for (let k = Math.ceil(from / step - 1e-6); k * step <= from + (1 - room) * length + 1e-6; k++) times.push(k * step);
  return times;
}
