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

/** A colour for the exercise at this place of the model's classes; neighbours differ, and white text can be read on all. */
function exerciseColour(index) {
  const hue = (index * 137.508 + 165) % 360;
  // Yellow and green look lighter than blue at one lightness, so they are taken darker.
  const lightness = hue > 40 && hue < 200 ? 29 : 42;
  return `hsl(${hue.toFixed(0)} 62% ${lightness}%)`;
}

/** The colour of an exercise; `classes` are the model's, in their order. One that is not among them is grey. */
export function colourOf(exercise, classes) {
  const index = classes.indexOf(exercise);
  return index < 0 ? "var(--muted)" : exerciseColour(index);
}

/** "1 repetition", "8 repetitions". */
export function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** Round times for the scale of a timeline of `length` seconds that begins at `from`: about `most`. */
export function scale(length, { from = 0, most = 8 } = {}) {
  const step = STEPS.find((each) => length / each <= most) ?? STEPS.at(-1);
  const times = [];
  for (let k = Math.ceil(from / step - 1e-6); k * step <= from + length + 1e-6; k++) times.push(k * step);
  return times;
}
