/**
 * Sending a video and hearing how far the service is: POST /v1/classify/video, answered by server-sent events.
 *
 * XMLHttpRequest, because fetch cannot tell how much of a body is sent, which is most of the waiting on a slow network; its
 * text grows while the answer comes, so one request tells both.
 */

// The service says something at least every 10 s, so a longer silence is a lost connection that nobody has reported.
const SILENCE_MS = 45_000;
const PATH = "/v1/classify/video?poses=true";

/** The connection was lost, or the answer ended in its middle: the same request may succeed. */
export class LostError extends Error {
  constructor(sent) {
    super(sent ? "the connection was lost while the service worked" : "the connection was lost while the video was sent");
    Object.assign(this, { name: "LostError", sent });
  }
}

/** Server-sent events, from text that comes in any pieces. */
export class EventParser {
  // Of the line that is not complete: a result is one long line of many pieces, and looking through what is there each
  // time would take a time that grows with its square.
  #pieces = [];
  #afterReturn = false;
  #began = false;
  #name = "";
  #data = [];

  /** @param {(event: {name: string, data: string}) => void} onEvent called for each event when it is complete */
  constructor(onEvent) {
    this.onEvent = onEvent;
  }

  /** The next piece of the text. */
  feed(text) {
    if (!text) return;
    if (!this.#began && text[0] === "\ufeff") text = text.slice(1);
    this.#began = true;
    // A line may end with CR LF, and the two may come in different pieces.
    if (this.#afterReturn && text[0] === "\n") text = text.slice(1);
    if (text) this.#afterReturn = text.endsWith("\r");
    let from = 0;
    for (const end of text.matchAll(/\r\n|\n|\r/g)) {
      this.#line(this.#pieces.join("") + text.slice(from, end.index));
      this.#pieces = [];
      from = end.index + end[0].length;
    }
    if (from < text.length) this.#pieces.push(text.slice(from));
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length) this.onEvent({ name: this.#name || "message", data: this.#data.join("\n") });
      this.#name = "";
      this.#data = [];
      return;
    }
    const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line);
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
  }
}

/**
 * Send a video; the answer of the service. A token, where one is needed, is asked for and the video sent again.
 * @param {File} file
 * @param {object} options
 * @param {typeof import("../api.js")} options.api
 * @param {AbortSignal} options.signal ends the request, and with it the service's work
 * @param {(share: number) => void} options.onSent how much is sent
 * @param {(share: number | null) => void} options.onProgress how much is looked at; null: not begun
 * @returns {Promise<object>} VideoResponse
 * Raises ProblemError (api.js) for what the service refuses, LostError, or AbortError.
 */
export async function sendVideo(file, { api, signal, onSent, onProgress }) {
  for (;;) {
    const sent = api.token();
    try {
      return await sendOnce(file, { api, signal, onSent, onProgress });
    } catch (error) {
      if (error.status !== 401) throw error;
      if (api.token() === sent && !(await api.askToken(error.detail))) throw error;
      signal.throwIfAborted();
    }
  }
}

function sendOnce(file, { api, signal, onSent, onProgress }) {
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    let sent = false;
    let read = 0;
    let silence = null;
    const settle = (how, what) => {
      clearTimeout(silence);
      signal.removeEventListener("abort", abort);
      how(what);
      request.abort();
    };
    const lost = () => settle(reject, new LostError(sent));
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(lost, SILENCE_MS);
    };
    const abort = () => settle(reject, signal.reason);
    const parser = new EventParser(({ name, data }) => {
      const told = JSON.parse(data);
      if (name === "progress") onProgress(told.share);
      else if (name === "result") settle(resolve, told);
      else if (name === "problem") settle(reject, new api.ProblemError(told));
    });
    const readMore = () => {
      if (request.status !== 200) return;
      sent = true;
      heard();
      const more = request.responseText.slice(read);
      read += more.length;
      try {
        parser.feed(more);
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        lost();
      }
    };

    request.upload.onprogress = ({ loaded, total }) => onSent(total ? loaded / total : 0);
    request.upload.onload = () => {
      sent = true;
      onProgress(null);
      heard();
    };
    request.onprogress = readMore;
    request.onerror = lost;
    request.onload = async () => {
      if (request.status === 200) {
        readMore();
        lost(); // nothing happens if the last event has settled it
        return;
      }
      const { status, statusText } = request;
      // 204 and the like have no business here and no body; a Response would refuse to be made of them.
      settle(reject, await api.ProblemError.of(new Response(request.responseText, { status: Math.max(status, 400), statusText })));
    };
    signal.addEventListener("abort", abort);
    if (signal.aborted) return abort();

    const form = new FormData();
    form.append("file", file, file.name);
    request.open("POST", PATH);
    const headers = { Accept: "text/event-stream", ...api.authorization() };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.send(form);
  });
}
