/** What an answer about a video says, in words. */

import { clock, counted, percent, title } from "../format.js";

/** Below this probability an exercise is shown as unsure. */
export const UNSURE = 0.5;
const SEEN_ENOUGH = 0.5;

/** How far a set or segment can be relied on: "sure", "unsure", or "unknown" (shows none of the exercises). */
export function standing(item) {
  if (item.known === false) return "unknown";
  // As it is shown: "50%" is not below 50%.
  return Math.round(100 * item.probability) < 100 * UNSURE ? "unsure" : "sure";
}

/** What a set or segment is called. */
export function nameOf(item) {
  return standing(item) === "unknown" ? "Unknown movement" : title(item.exercise);
}

/** "0:12 – 0:24" */
export function span(item) {
  return `${clock(item.start)} – ${clock(item.end)}`;
}

/** "8 repetitions"; what is held has none. */
export function repetitions(count) {
  return count === null || count === undefined ? "held" : counted(count, "repetition");
}

/** What is to be said about a set or segment, or "". */
export function remark(item) {
  const other = item.top?.find(({ exercise }) => exercise !== item.exercise);
  switch (standing(item)) {
    case "unknown":
      return `none of the exercises; nearest is ${item.exercise}`;
    case "unsure":
      return other ? `unsure: it may be ${other.exercise} (${percent(other.probability)})` : "unsure";
    default:
      return "";
  }
}

/** All about a set or segment in one line, for a screen reader. */
export function describe(item, kind) {
  const parts = [kind, `${clock(item.start)} to ${clock(item.end)}`, nameOf(item)];
  if (standing(item) !== "unknown") parts.push(percent(item.probability));
  if (kind === "Set") parts.push(repetitions(item.repetitions));
  if (remark(item)) parts.push(remark(item));
  return parts.join(", ");
}

/**
 * The answer in a headline and a few sentences; a video of several exercises is called by all of them.
 * @returns {{title: string, sure: string, good: boolean, sentence: string, advice: string}} `advice` is "" where all is well
 */
export function headline(result) {
  const exercises = [...new Set(result.sets.map(({ exercise }) => exercise))];
  const several = exercises.length > 1;
  const unknown = result.segments.every((segment) => segment.known === false);
  const share = percent(result.probability);
  if (unknown) {
    const sentence = `It looks like none of the exercises; the nearest is ${result.exercise}.`;
    return { title: "Unknown movement", sure: "not recognised", good: false, sentence, advice: advice(result, { unknown }) };
  }
  const named = several ? `${exercises.slice(0, 3).join(", ")}${exercises.length > 3 ? ", …" : ""}` : result.exercise;
  return {
    title: title(named),
    // Of several exercises none can be likely all the time.
    sure: several ? `mostly ${result.exercise} (${share})` : `${share} sure`,
    good: !several && result.probability >= UNSURE,
    sentence: setsInWords(result.sets),
    advice: advice(result, { several }),
  };
}

function setsInWords(sets) {
  if (!sets.length) return "No set was found.";
  const each = sets.map((set) => `${set.exercise} (${repetitions(set.repetitions)})`);
  return `${counted(sets.length, "set")}: ${each.join(", ")}.`;
}

function advice(result, { unknown = false, several = false }) {
  if (result.person_seen < SEEN_ENOUGH) {
    return "Most of the video shows nobody clearly. Film one person from head to feet, from the front or the side, in good light and with the camera standing still.";
  }
  if (unknown) return "Film one of the exercises on the Model page, from the front or the side, for 12 seconds or more.";
  if (!several && result.probability < UNSURE) {
    return "The model is not sure. A video from the front or the side that shows the whole body for 12 seconds or more tells it most.";
  }
  return "";
}
