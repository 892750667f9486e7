/** The service's HTTP API. A token, where one is needed, is asked for once and kept until the tab is closed. */

const KEY = "gymspotter-token";
// Kept here too, because a browser may refuse a page any storage; with it the token outlives a reload.
let held = stored();
let asking = null;

/** A problem document (RFC 9457) as an error: `detail` is one sentence that says what to do. */
export class ProblemError extends Error {
  constructor({ status, title, detail }) {
    super(detail);
    Object.assign(this, { name: "ProblemError", status, title, detail });
  }

  /** Of a response that is not ok, whatever its body is. */
  static async of(response) {
    const told = await response.json().catch(() => ({}));
    return new ProblemError({
      status: response.status,
      title: told.title ?? response.statusText,
      detail: told.detail ?? `The service answered with status ${response.status}: try again in a moment.`,
    });
  }
}

/** The token to send, or null. */
export function token() {
  return held;
}

/** How a token is asked for: `app.js` gives the dialog. */
let dialog = async () => null;
export function askWith(ask) {
  dialog = ask;
}

/** Ask for a token, because of what a sentence says; null if the visitor has none. Who asks meanwhile gets the same answer. */
export function askToken(sentence) {
  asking ??= dialog(sentence)
    .then((given) => {
      if (given) keep(given);
      return given;
    })
    .finally(() => (asking = null));
  return asking;
}

/** What a path answers to GET, as JSON. Raises ProblemError, or TypeError if the service cannot be reached. */
export async function getJson(path) {
  for (;;) {
    const sent = token();
    const response = await fetch(path, { headers: authorization() });
    if (response.ok) return response.json();
    const problem = await ProblemError.of(response);
    if (response.status !== 401) throw problem;
    // Another request may have asked for one meanwhile.
    if (token() === sent && !(await askToken(problem.detail))) throw problem;
  }
}

/** Where streams are. */
export function streamUrl() {
  const url = new URL("/v1/stream", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url.href;
}

/** The header that carries the token. */
export function authorization() {
  return token() ? { Authorization: `Bearer ${token()}` } : {};
}

function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function keep(given) {
  held = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // It has to be given again after a reload.
  }
}
