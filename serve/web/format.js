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

/** "leg extension" as "Leg extension". */
export function title(name) {
  return name ? name[0].toUpperCase() + name.slice(1) : "";
}

/** A colour for the exercise at this place of the model's classes; neighbours differ, and white text can be read on all. */
export function exerciseColour(index) {
  const hue = (index * 137.508 + 165) % 360;
  // Yellow and green look lighter than blue at one lightness, so they are taken darker.
  const lightness = hue > 40 && hue < 200 ? 29 : 42;
  return `hsl(${hue.toFixed(0)} 62% ${lightness}%)`;
}
