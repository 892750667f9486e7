/** Building the page from script. Text always goes in as text, so nothing that a server or a file says can become markup. */

/**
 * An element.
 * @param {string} tag
 * @param {Object<string, any>} [props] attributes; `class`; `dataset` and `style` as objects; functions as `onclick` and the
 *   like; true is an empty attribute, and null, undefined and false leave it out (of `aria-*` false is "false").
 * @param {...any} children nodes, text, lists of them; null and false are left out
 */
export function h(tag, props = {}, ...children) {
  const element = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "dataset") Object.assign(element.dataset, value);
    // By the object model, because the page's Content-Security-Policy allows no style attributes.
    else if (name === "style") for (const [key, each] of Object.entries(value)) element.style.setProperty(cssName(key), each);
    else if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (value === null || value === undefined || (value === false && !name.startsWith("aria-"))) continue;
    else element.setAttribute(name, value === true && !name.startsWith("aria-") ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Put these children in the place of all there are. */
export function replace(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/**
 * What state something is in and what to do about it.
 * @param {{kind: "info"|"busy"|"warn"|"error", title: string, text?: string,
 *   actions?: {label: string, run: () => void, primary?: boolean}[]}} what
 */
export function statePanel({ kind, title, text = "", actions = [] }) {
  return h(
    "div",
    { class: "state", dataset: { kind }, role: kind === "error" ? "alert" : "group", "aria-label": title },
    h("h2", {}, title),
    text && h("p", {}, text),
    actions.length > 0 &&
      h(
        "div",
        { class: "row" },
        actions.map(({ label, run, primary }) =>
          h("button", { type: "button", class: primary ? "button primary" : "button", onclick: run }, label),
        ),
      ),
  );
}

/** Let a screen reader say this when it is done with what it says. */
export function announce(text) {
  document.getElementById("announcer").textContent = text;
}

const SVG = new Set(["svg", "g", "path", "rect", "circle", "line", "polyline", "polygon", "text", "tspan", "title", "desc", "defs", "pattern"]);

function cssName(key) {
  return key.startsWith("--") ? key : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
