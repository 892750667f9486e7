/**
 * What a live session shows, as a pure function of what happened: `state = reduce(state, event)`.
 *
 * Events are those of the protocol (docs/streaming.md; a welcome with the page's own `t`) and four of the page's own:
 * {type: "connection", state}, {type: "overloaded", on}, {type: "seen", t, person} for each picture, and
 * {type: "ended"}. Times are seconds of the page's own clock.
 */

import { counted, title } from "../format.js";

const BEGUN_ANEW = "The service began a new session: your sets up to now are kept.";
// A hint is worth so long; the service says the same one once a minute at most.
const HINT_SECONDS = 8;
const EMPTY_SECONDS = 2;
const ANNOUNCE_EVERY = 5;

/**
 * @typedef {{key: string, exercise: string, since: number, until: number, repetitions: number}} DoneSet
 * @typedef {{kind: "exercise"|"unknown"|"no_person", exercise: string|null, since: number, until: number}} Span
 */

const NOTHING_SEEN = { exercise: null, probability: 0, top: [], state: "waiting" };

/** A session in which nothing has happened yet; of exercises that are `held` a time is shown in place of repetitions. */
export function begin(held = []) {
  return {
    held,
    ...NOTHING_SEEN, // `state` is what was told of the movement: waiting, exercise, unknown, no_person
    connection: "idle",
    detail: "", // why it is so, if the service said
    welcomed: false,
    sessions: 0, // how many the service opened; more than one if it forgot one
    version: null,
    labelled: null, // t of the last label
    set: null, // the open one: {key, number, exercise, since, count}
    sets: /** @type {DoneSet[]} */ ([]),
    spans: /** @type {Span[]} */ ([]),
    hint: null, // {text, until}
    overloaded: false,
    emptySince: null, // since when no picture has shown anybody
    first: null, // t of the first picture
    last: null, // and of the last
    seconds: null, // what the goodbye said
  };
}

/** The state after an event. */
export function reduce(state, event) {
  const change = changes[event.type];
  return change ? { ...state, ...change(state, event) } : state;
}

const changes = {
  connection: (state, { state: connection, detail = "" }) => ({
    connection,
    detail,
    overloaded: connection === "open" && state.overloaded,
  }),

  overloaded: (state, { on }) => ({ overloaded: on }),

  seen: (state, { t, person }) => ({
    first: state.welcomed ? (state.first ?? t) : null, // what a service is waited for is no time of the session
    last: t,
    emptySince: person ? null : (state.emptySince ?? t),
  }),

  welcome: (state, event) => ({
    version: event.model_version,
    welcomed: true,
    // The service may have forgotten the session: its open set is over, as far as it was counted.
    ...(event.resumed ? {} : { ...closeSet(state, state.labelled), ...NOTHING_SEEN, sessions: state.sessions + 1 }),
    ...(!event.resumed && state.sessions > 0 ? { hint: { text: BEGUN_ANEW, until: (event.t ?? 0) + HINT_SECONDS } } : {}),
  }),

  label: (state, event) => {
    const named = event.state === "exercise";
    const shown = event.top.find((guess) => guess.exercise === state.set?.exercise);
    const label = state.set ? { kind: "exercise", exercise: state.set.exercise } : { kind: event.state, exercise: event.exercise };
    const from = Math.max(state.labelled ?? event.t - 1, event.t - 5);
    return {
      version: event.model_version ?? state.version,
      labelled: event.t,
      exercise: named ? event.exercise : event.state === "no_person" ? null : (state.set?.exercise ?? null),
      probability: named ? event.probability : (shown?.probability ?? 0),
      top: event.top,
      // "unknown" shows only once the service says that it lasts: windows begin so.
      state: event.state === "unknown" && state.state !== "unknown" ? "waiting" : event.state,
      spans: event.state === "waiting" && !state.set ? state.spans : paint(state.spans, { ...label, since: from, until: event.t }),
    };
  },

  start: (state, { set, exercise, since, t }) => ({
    set: opened(state, { set, exercise, since }),
    exercise,
    state: "exercise",
    spans: paint(state.spans, { kind: "exercise", exercise, since, until: t }),
  }),

  // A start may have been passed over as seen: after a resume by a copy it can have another event's number.
  rep: (state, { set, exercise, since, count }) => ({ set: { ...(state.set ?? opened(state, { set, exercise, since })), count } }),

  end: (state, event) => closeSet(state, event.until, event),

  unknown: () => ({ state: "unknown", exercise: null, probability: 0 }),

  no_person: (state, { since, t }) => ({
    state: "no_person",
    exercise: null,
    probability: 0,
    top: [],
    spans: state.set ? state.spans : paint(state.spans, { kind: "no_person", exercise: null, since, until: t }),
  }),

  hint: (state, { text, t }) => ({ hint: { text: title(text), until: t + HINT_SECONDS } }),

  goodbye: (state, { seconds }) => ({
    ...closeSet(state, state.labelled),
    seconds: state.sessions > 1 ? null : seconds, // of the last one only, if the service forgot one
  }),

  ended: (state) => ({ ...closeSet(state, state.last ?? state.labelled), connection: "ended" }),
};

function opened(state, { set, exercise, since }) {
  return { key: `${state.sessions}-${set}`, number: set, exercise, since, count: 0 };
}

/** The open set put among those done; `end` is what the service said of it, if it did. */
function closeSet(state, until, end = null) {
  const open = state.set;
  if (!open && !end) return {};
  const done = {
    key: open?.key ?? `${state.sessions}-${end.set}`,
    exercise: end?.exercise ?? open.exercise,
    since: end?.since ?? open.since,
    until: Math.max(until ?? open.since, end?.since ?? open.since),
    repetitions: end?.repetitions ?? open.count,
  };
  const span = { kind: "exercise", exercise: done.exercise, since: done.since, until: done.until };
  // Labels painted the set on, up to now; it was over before.
  const beyond = (one) => one.exercise === done.exercise && one.since < done.until && one.until > done.until;
  const cut = state.spans.map((one) => (beyond(one) ? { ...one, until: done.until } : one));
  return { set: null, sets: [...state.sets, done], spans: paint(cut, span) };
}

/** Spans in order and without overlap, the new one over what was there; neighbours that are alike become one. */
export function paint(spans, span) {
  if (span.until <= span.since) return spans;
  const cut = spans.flatMap((one) => [
    { ...one, until: Math.min(one.until, span.since) },
    { ...one, since: Math.max(one.since, span.until) },
  ]);
  const all = [...cut.filter((one) => one.until > one.since), span].sort((a, b) => a.since - b.since);
  return all.reduce((merged, one) => {
    const before = merged.at(-1);
    const alike = before && before.kind === one.kind && before.exercise === one.exercise && one.since - before.until < 0.01;
    if (!alike) return [...merged, one];
    return [...merged.slice(0, -1), { ...before, until: Math.max(before.until, one.until) }];
  }, []);
}

/** The value of data-state: what the page shows above all. */
export function screen(state, now) {
  if (state.connection !== "open") return state.connection;
  if (state.overloaded) return "overloaded";
  if (nobody(state, now)) return "no-person";
  return state.state === "unknown" ? "unknown" : "live";
}

function nobody(state, now) {
  if (state.state === "no_person") return true;
  // Before anybody was seen the service says nothing.
  return state.labelled === null && state.emptySince !== null && now - state.emptySince >= EMPTY_SECONDS;
}

/** The hint to show now, or null. */
export function hintAt(state, now) {
  return state.hint && now < state.hint.until ? state.hint.text : null;
}

/** Seconds of the open set, or null. */
export function timer(state, now) {
  return state.set ? Math.max(0, now - state.set.since) : null;
}

/** All sets, the open one last with `open: true`. */
export function allSets(state, now) {
  const open = state.set && { ...state.set, until: now, repetitions: state.set.count, open: true };
  return open ? [...state.sets, open] : state.sets;
}

/** Repetitions and sets of the whole session. */
export function total(state) {
  const repetitions = state.sets.reduce((sum, { repetitions: count }) => sum + count, state.set?.count ?? 0);
  return { sets: state.sets.length + (state.set ? 1 : 0), repetitions };
}

/** Whether an exercise is held. */
export function isHeld(state, exercise) {
  return state.held.includes(exercise);
}

/** What a screen reader is told of an event, or null: sets, every fifth repetition, hints; notices speak for themselves. */
export function announcement(before, after, event) {
  if (event.type === "start") return `Set ${after.sets.length + 1}: ${event.exercise}.`;
  if (event.type === "rep") return event.count % ANNOUNCE_EVERY === 0 ? `${counted(event.count, "repetition")}.` : null;
  if (event.type === "end") {
    return `${event.exercise}: ${isHeld(after, event.exercise) ? "the set is over" : counted(event.repetitions, "repetition")}.`;
  }
  if (event.type === "hint" || event.type === "welcome") return after.hint === before.hint ? null : after.hint.text;
  return null;
}
