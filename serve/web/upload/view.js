/** The Upload view: choose a video, see how far it is, then the video with its skeleton, timeline, sets and segments. */

import { announce, h, replace, statePanel } from "../dom.js";
import { save } from "../files.js";
import { clock, percent } from "../format.js";
import { fileName, toCsv, toJson } from "./download.js";
import { createPlayer } from "./player.js";
import { refusal, tooLong } from "./refusal.js";
import { LostError, sendVideo } from "./send.js";
import { createTables } from "./tables.js";
import { createTimeline } from "./timeline.js";
import { headline } from "./words.js";

/** Builds the view into `root`. */
export async function mount(root, { api, layouts, pageSettings }) {
  const { max_body_mb: most = null, max_video_seconds: longest = null } = pageSettings;
  const news = h("div", {}); // what became of the last files, over whatever is shown
  const body = h("div", { class: "stack" });
  const input = h("input", { type: "file", accept: "video/*,.mkv,.avi,.mts,.m2ts", hidden: true, "aria-label": "A video", onchange: chosen });
  replace(root, h("h1", { class: "visually-hidden" }, "Upload a video"), h("div", { class: "stack" }, news, body), input);
  let player = null;
  let work = null; // aborts the request that runs
  let over = 0; // of the elements that a file is dragged over

  root.addEventListener("dragenter", (event) => dragged(event, 1));
  root.addEventListener("dragleave", (event) => dragged(event, -1));
  // A file that is dropped beside the zone would otherwise be opened in the page's place.
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", dropped);
  idle();

  function state(name, ...children) {
    root.dataset.state = name;
    player?.close();
    player = null;
    const hadFocus = body.contains(document.activeElement);
    replace(news);
    replace(body, ...children);
    // What had the focus is gone: whoever uses a keyboard goes on at the new state's beginning.
    if (hadFocus) (body.querySelector("h2[tabindex]") ?? body.querySelector("button"))?.focus({ preventScroll: true });
  }

  /** Files that are not taken leave what is shown as it is: it may be an answer that has taken minutes. */
  function refuse(title, text) {
    replace(news, statePanel({ kind: "warn", title, text }));
    news.scrollIntoView({ block: "nearest" });
    announce(text);
  }

  function idle() {
    const zone = h(
      "button",
      { type: "button", class: "dropzone", onclick: choose },
      h("span", { class: "arrow", "aria-hidden": "true" }, "↑"),
      h("span", { class: "lead" }, "Choose a video, or drop one here"),
      h("span", { class: "muted" }, "One athlete, from head to feet, from the front or the side, for 12 seconds or more."),
    );
    state(
      "idle",
      zone,
      h(
        "p",
        { class: "muted small" },
        "The video is sent to this service, looked at, and deleted there once you have the answer. The page plays it from your device.",
      ),
    );
  }

  function choose() {
    input.value = ""; // so that the same file may be chosen again
    input.click();
  }

  function chosen() {
    take([...input.files]);
  }

  function dragged(event, step) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    over = Math.max(0, over + step);
    root.toggleAttribute("data-over", over > 0 && !work);
  }

  function dropped(event) {
    event.preventDefault();
    over = 0;
    root.removeAttribute("data-over");
    take([...event.dataTransfer.files]);
  }

  function take(files) {
    if (!files.length) return;
    if (work) {
      refuse("One video at a time", "Wait for this one, or cancel it.");
      return;
    }
    const first = files.find((file) => !refusal(file, most));
    if (!first) refuse("Choose another file", refusal(files[0], most));
    else upload(first, files.length > 1 ? `One video at a time: this is “${first.name}”. Drop the others after it.` : "");
  }

  async function upload(file, note = "") {
    work = new AbortController();
    const { signal } = work;
    const why = await tooLong(file, longest);
    if (why) {
      work = null;
      return refuse("Choose another file", why);
    }
    const shown = progressPanel(file, note, () => work?.abort());
    state("sending", shown.element);
    announce(`Sending ${file.name}.`);
    try {
      const result = await sendVideo(file, {
        api,
        signal,
        onSent: (share) => {
          root.dataset.state = "sending"; // again, if a token had to be asked for
          shown.sent(share);
        },
        onProgress: (share) => {
          if (root.dataset.state === "sending") {
            root.dataset.state = "working";
            announce("The video is sent. The service looks at it.");
          }
          shown.looked(share);
        },
      });
      work = null;
      done(file, result, note);
    } catch (error) {
      work = null;
      if (signal.aborted) idle();
      else failed(file, error);
    }
  }

  function failed(file, error) {
    const [title, text] = whatFailed(error, file);
    const again = { label: "Try again", run: () => upload(file), primary: true };
    const other = { label: "Choose another video", run: choose };
    // What the service says of this very video it will say again.
    const actions = [413, 415, 422].includes(error.status) ? [{ ...other, primary: true }] : [again, other];
    state("failed", statePanel({ kind: "error", title, text, actions }));
  }

  function done(file, result, note) {
    const said = headline(result);
    const poses = result.poses ?? null;
    const moved = (now) => timeline.moved(now);
    const seek = (time) => player.seek(time);
    const timeline = createTimeline({ result, seek });
    const answer = h(
      "div",
      { class: "answer card stack" },
      h("p", { class: "muted small file" }, file.name),
      h("h2", { class: "big", tabindex: "-1", dataset: { field: "exercise" } }, said.title),
      h(
        "p",
        { class: "row" },
        h("span", { class: `chip ${said.good ? "good" : said.advice ? "warn" : ""}` }, said.sure),
        h("span", { class: `chip ${result.person_seen < 0.5 ? "warn" : ""}` }, `person seen in ${percent(result.person_seen)}`),
        h("span", { class: "chip" }, clock(result.seconds)),
      ),
      h("p", {}, said.sentence),
      said.advice && h("p", { class: "advice" }, said.advice),
      note && h("p", { class: "muted small" }, note),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", class: "button primary", onclick: choose }, "Another video"),
        h("button", { type: "button", class: "button", onclick: () => keep("csv", "text/csv", toCsv) }, "Save CSV"),
        h("button", { type: "button", class: "button", onclick: () => keep("json", "application/json", toJson) }, "Save JSON"),
      ),
    );
    const keep = (extension, type, write) => save(write(result, file.name), fileName(file.name, extension), type);
    const place = h("div", { class: "place" });
    state("done", h("div", { class: "result" }, answer, place, timeline.element, createTables(result, seek)));
    player = createPlayer({ file, seconds: result.seconds, poses, layout: layouts[poses?.layout], onTime: moved });
    place.replaceWith(player.element);
    announce(`${said.title}. ${said.sentence} ${said.advice}`);
  }

  return {
    shown() {},
    hidden() {
      player?.pause();
    },
  };
}

/** How far it is, and a button that ends it. */
function progressPanel(file, note, cancel) {
  const bar = h("div");
  const meter = h("div", { class: "meter", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
  const heading = h("h2");
  const words = h("p", { class: "muted" });
  const element = h(
    "div",
    { class: "state progress", dataset: { kind: "busy", field: "progress" } },
    heading,
    meter,
    words,
    note && h("p", { class: "muted small" }, note),
    h("button", { type: "button", class: "button", onclick: cancel }, "Cancel"),
  );
  let began = null;
  const show = (share, doing, done) => {
    heading.textContent = `${doing} “${file.name}”`;
    meter.setAttribute("aria-label", done);
    bar.style.width = `${100 * share}%`;
    meter.setAttribute("aria-valuenow", Math.round(100 * share));
  };
  const sent = (share) => {
    show(share, "Sending", "Sent");
    words.textContent = megabytes(share, file.size);
  };
  sent(0);
  return {
    element,
    sent,
    looked(share) {
      show(share ?? 0, "Looking at", "Looked at");
      if (share === null) {
        words.textContent = "The video is sent. Waiting for the service to begin.";
        return;
      }
      began ??= { at: performance.now(), share };
      words.textContent = `${percent(share)} of the video is looked at${left(began, share)}.`;
    },
  };
}

/** ", about 20 s left", once that can be told. */
function left(began, share) {
  const took = (performance.now() - began.at) / 1000;
  if (took < 2 || share - began.share < 0.05) return "";
  const seconds = (took * (1 - share)) / (share - began.share);
  return `, about ${seconds < 90 ? `${Math.max(1, Math.round(seconds))}\u00a0s` : `${Math.round(seconds / 60)}\u00a0min`} left`;
}

function megabytes(share, size) {
  const text = (bytes) => (bytes / 2 ** 20).toFixed(1);
  return `${text(share * size)} of ${text(size)} MiB sent.`;
}

/** A title and a sentence for what went wrong. */
function whatFailed(error, file) {
  if (error instanceof LostError) {
    const sentence = error.sent
      ? "The service went away before it had answered. See that you are connected, then try again: the video is sent anew."
      : "The video could not be sent whole. See that you are connected and that the file is still there, then try again.";
    return ["The connection was lost", sentence];
  }
  if (!Number.isInteger(error.status)) {
    console.error(error); // a defect of the page
    return ["The page failed", "The answer could not be shown. Load the page anew and try again."];
  }
  const told = error.detail[0].toUpperCase() + error.detail.slice(1);
  switch (error.status) {
    case 401:
      return ["A token is needed", told];
    case 413:
      return [`“${file.name}” is too large`, `It has ${(file.size / 2 ** 20).toFixed(0)} MiB. ${told}`];
    case 422:
      return ["This video cannot be used", told];
    case 429:
    case 503:
      return ["The service is busy", told];
    default:
      return [error.title || "The service failed", told];
  }
}
