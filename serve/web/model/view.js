/** The model's view: which version answers, how good it is, what it was trained on, and the exercises it knows. */

import { announce, h, replace, statePanel } from "../dom.js";
import { percent } from "../format.js";
import { confusionPanel } from "./confusion.js";
import { dataPanel, overlaps, recordPanel } from "./data.js";
import { figuresPanel } from "./figures.js";
import { reliabilityPanel } from "./reliability.js";
import { scoresPanel } from "./scores.js";

const POLL_MS = 10_000;
const REFUSED_ACCESS = new Set([401, 403]);

/**
 * Build the view.
 * @param {HTMLElement} root its section
 * @param {{api: typeof import("../api.js"), layouts: object}} context
 * @returns {Promise<{shown(): void, hidden(): void}>}
 */
export async function mount(root, { api, layouts }) {
  let report = null;
  let facts = null;
  let figures = null; // they stay while versions change, so that they go on moving
  let visible = false;
  let timer = 0;

  /** Fetch all and show it; `quiet`: what is shown stays meanwhile, and if it fails. */
  async function load({ quiet = false } = {}) {
    if (!quiet) {
      root.dataset.state = "loading";
      put(heading(), statePanel({ kind: "busy", title: "Asking which model answers …" }));
    }
    const [told, exercises] = await Promise.allSettled([
      api.getJson("/v1/model/report"),
      figures ? null : api.getJson("/v1/exercises"),
    ]);
    if (told.status === "rejected") {
      console.warn(told.reason);
      if (!quiet) fail(told.reason);
      return;
    }
    const before = report?.model_version;
    report = told.value;
    // A version without a report still says what it was trained on.
    if (!report.data) facts = await api.getJson("/v1/model").catch(() => null);
    if (exercises.value) figures = figuresPanel(exercises.value, layouts);
    show(before !== undefined && before !== report.model_version ? before : null);
  }

  /** In the place of all; what had the focus is gone, and whoever uses a keyboard goes on at the beginning. */
  function put(...children) {
    const hadFocus = root.contains(document.activeElement);
    replace(root, children);
    if (hadFocus) root.querySelector("h1").focus({ preventScroll: true });
  }

  function show(before) {
    const { per_class: perClass, refused } = report;
    const open = new Set([...root.querySelectorAll("details[open]")].map((details) => details.dataset.key));
    const again = root.dataset.state === "ready";
    const inFocus = root.contains(document.activeElement) ? document.activeElement : null;
    figures?.score(perClass);
    replace(
      root,
      heading(),
      refused && refusal(report),
      versionPanel(report, before, report.data?.split ?? facts?.split),
      section("figures", "What it knows", figures?.element ?? noFigures(figuresAgain)),
      section("confusion", "What it mixes up", confusionPanel(report)),
      section("reliability", "Can its certainty be believed?", reliabilityPanel(report)),
      section("data", "What it learned from", dataPanel(report)),
      section("record", "Its record", recordPanel(report, facts)),
    );
    if (again) for (const details of root.querySelectorAll("details")) details.open = open.has(details.dataset.key);
    if (inFocus) (inFocus.isConnected ? inFocus : root.querySelector("h1")).focus({ preventScroll: true });
    root.dataset.state = "ready";
    if (visible) figures?.shown();
    if (before) announce(`Version ${report.model_version} answers now, instead of ${before}. Its accuracy: ${percent(report.scores.accuracy)}.`);
  }

  async function figuresAgain() {
    await load({ quiet: true });
    if (!figures) announce("The figures are still not there.");
  }

  function fail(error) {
    const text = error instanceof api.ProblemError ? error.detail : "The service cannot be reached: see that it runs and that you are connected.";
    root.dataset.state = "failed";
    const actions = [{ label: "Try again", run: again, primary: true }];
    put(heading(), statePanel({ kind: "error", title: "Nothing is known of the model now", text, actions }));
  }

  async function again() {
    await load();
    clearTimeout(timer);
    if (visible) timer = setTimeout(poll, POLL_MS); // it may have stopped for want of a token
  }

  /** Whether another version answers now, or one was refused; then all of it is fetched again. */
  async function check() {
    if (document.hidden || root.dataset.state === "loading") return true;
    try {
      const now = await api.getJson("/v1/model");
      if (!report || root.dataset.state === "failed" || differs(now, report)) await load({ quiet: true });
    } catch (error) {
      // Who has no token would be asked for it again and again.
      return !REFUSED_ACCESS.has(error.status);
    }
    return true;
  }

  async function poll() {
    const goesOn = await check();
    if (!visible) return;
    clearTimeout(timer);
    if (goesOn) timer = setTimeout(poll, POLL_MS);
  }

  await load();
  return {
    shown() {
      visible = true;
      figures?.shown();
      clearTimeout(timer);
      timer = setTimeout(poll, root.dataset.state === "failed" ? POLL_MS : 0);
    },
    hidden() {
      visible = false;
      figures?.hidden();
      clearTimeout(timer);
    },
  };
}

/** Whether what GET /v1/model says now is otherwise than in the report. */
export function differs(now, report) {
  const seen = ({ model_version, following, refused }) => JSON.stringify([model_version, following, refused?.version, refused?.why]);
  return seen(now) !== seen(report);
}

function heading() {
  return h("h1", { tabindex: -1 }, "The model");
}

function section(field, title, ...children) {
  const id = `model-${field}`;
  return h("section", { class: "card stack", dataset: { field }, "aria-labelledby": id }, h("h2", { id }, title), children);
}

function versionPanel(report, before, split) {
  const { model_version: version, model, following, classes } = report;
  const follows = following
    ? ["It follows the alias ", h("code", {}, following), ": a version that is promoted answers here within seconds, without a break."]
    : ["This version is fixed: no other one answers here until the service is started with another."];
  return h(
    "section",
    { class: "card stack", "aria-labelledby": "model-version" },
    h(
      "div",
      { class: "row" },
      h("h2", { id: "model-version", class: "big", dataset: { field: "version" } }, `Version ${version}`),
      h("span", { class: "chip" }, model),
      h("span", { class: "chip" }, `${classes.length} exercises`),
      before && h("span", { class: "chip good" }, `new: version ${before} answered until now`),
    ),
    h("p", { class: "muted" }, follows),
    scoresPanel(report),
    overlaps(split) &&
      h(
        "p",
        { class: "overlap" },
        h("strong", {}, "These scores promise too much. "),
        "The segments that it was tested on overlap with those that it learned from, as in the paper. Of people it does not know it will name fewer right.",
      ),
  );
}

function refusal({ refused, following, model_version: version }) {
  const text =
    `${following ? `The alias ${following} points to version ${refused.version}, but it` : "It"} cannot serve: ${sentence(refused.why)} ` +
    `Version ${version} goes on answering, and all you see here is its. Train or register that version again, or move the alias.`;
  return statePanel({ kind: "warn", title: `Version ${refused.version} was refused`, text });
}

function noFigures(retry) {
  const text = "The service did not send the figures. The rest of this page does not need them.";
  return statePanel({ kind: "warn", title: "No figures", text, actions: [{ label: "Try again", run: retry }] });
}

function sentence(text) {
  return /[.!?]$/.test(text.trim()) ? text.trim() : `${text.trim()}.`;
}
