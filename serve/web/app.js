/** The page: one view at a time, by the address' hash, and the dialog that asks for a token. */

import * as api from "./api.js";
import { h, replace, statePanel } from "./dom.js";

const VIEWS = ["live", "upload", "model"];
// All at once: a browser remembers which module could not be loaded, and only a page that is loaded anew asks for it again.
const modules = Promise.all(VIEWS.map((name) => import(`./${name}/view.js`))).catch((error) => (console.warn(error), null));
const mounted = new Map();
let context = null;
let current = null;

api.askWith(askForToken);
addEventListener("hashchange", () => show(wanted()));
// A file that is dropped where nobody takes it would be opened in the page's place, and end a session.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
show(wanted());

function wanted() {
  const name = location.hash.slice(1);
  return VIEWS.includes(name) ? name : (current ?? VIEWS[0]);
}

async function show(name) {
  for (const view of VIEWS) document.getElementById(view).hidden = view !== name;
  for (const link of document.querySelectorAll("nav[aria-label=Views] a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} – gymspotter`;
  if (current !== name) mounted.get(current)?.then((view) => view?.hidden?.());
  current = name;
  if (!mounted.has(name)) mounted.set(name, mount(name));
  const view = await mounted.get(name);
  if (current === name) view?.shown?.();
}

/** A view, or null if it could not be begun; then its section says so, and how to try again. */
async function mount(name) {
  const root = document.getElementById(name);
  const loaded = await modules;
  if (!loaded) {
    const text = "Parts of the page could not be loaded. See that the service runs and that you are connected, then load it anew.";
    return failed(root, text, { label: "Reload the page", run: () => location.reload() });
  }
  try {
    context ??= await begin();
    return await loaded[VIEWS.indexOf(name)].mount(root, context);
  } catch (error) {
    console.warn(error);
    const again = () => {
      mounted.delete(name);
      replace(root);
      document.getElementById("content").focus({ preventScroll: true });
      show(name);
    };
    const text =
      error instanceof api.ProblemError
        ? error.detail
        : "The service cannot be reached. See that it runs and that you are connected, then try again.";
    return failed(root, text, { label: "Try again", run: again });
  }
}

/** In a view's place: why it is not there, and the button that may help. */
function failed(root, text, action) {
  root.dataset.state = "failed";
  replace(root, statePanel({ kind: "error", title: "This does not work yet", text, actions: [{ ...action, primary: true }] }));
  return null;
}

/** What all views need of the service. */
async function begin() {
  const [{ layouts }, pageSettings] = await Promise.all([api.getJson("/v1/layouts"), api.getJson("/web/settings.json")]);
  return { api, layouts, pageSettings, running };
}

/** Say in the navigation whether a live session runs: its camera looks on while another view is shown. */
function running(on) {
  const link = document.querySelector("nav a[href='#live']");
  link.toggleAttribute("data-running", on);
  replace(link, "Live", on && h("span", {}, ", running"));
}

/** The token that the visitor gives, or null. */
function askForToken(sentence) {
  return new Promise((resolve) => {
    const field = h("input", { id: "token", type: "password", autocomplete: "off", required: true, "aria-describedby": "token-why" });
    const form = h(
      "form",
      { method: "dialog", class: "stack" },
      h("h2", { id: "token-title" }, "A token is needed"),
      // What the service says to those who sent none is meant for programs.
      h("p", { id: "token-why" }, api.token() ? sentence : "This service answers only those who have a token."),
      h("div", {}, h("label", { for: "token" }, "Token"), field),
      h("p", { class: "muted" }, "Whoever runs this service gives you one. It is kept in this tab only."),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button primary", value: "use" }, "Use it"),
        h("button", { class: "button", value: "cancel", formnovalidate: true }, "Cancel"),
      ),
    );
    const dialog = h("dialog", { "aria-labelledby": "token-title" }, form);
    dialog.addEventListener("close", () => {
      // What cannot stand in a header, such as an invisible space that was copied along, would make every request fail.
      resolve(dialog.returnValue === "use" ? field.value.replace(/[^!-~]/g, "") || null : null);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
