/** Messages of protocol 1 (docs/streaming.md) as bytes and text, and what its close codes ask of a client. */

export const PROTOCOL = 1;
const [JOINTS, PICTURE] = [1, 2];
const HEADER = 4;

/** What to do after a close: "resume", a "new" session, try "later", ask for a "token", or "stop". */
export const AFTER_CLOSE = {
  1000: "stop",
  1009: "stop",
  4400: "stop",
  4401: "token",
  4403: "stop",
  4409: "stop",
  4413: "new",
  4429: "later",
};

/** What a close means that is not tried again, and what to do, where the service gave no reason of its own. */
export const WHY_CLOSED = {
  1009: "A picture was larger than the service takes. Start again with another camera, or let the pose be found on this device.",
  4400: "The service could not read what this page sent. Load the page anew: it may be older than the service.",
  4403:
    "The service does not answer this page from where you are. Open it at the address that whoever runs the service gave you, " +
    "or ask them to let this address in.",
  4409: "The session goes on in another window. Go on there, or start a new one here.",
};

/** The first message; what is null or undefined is left out. */
export function hello(fields) {
  const told = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined);
  return JSON.stringify({ type: "hello", protocol: PROTOCOL, ...Object.fromEntries(told) });
}

/**
 * One picture.
 * @param {number} t seconds
 * @param {ArrayBuffer} jpeg
 */
export function picture(t, jpeg) {
  const message = new Uint8Array(HEADER + 8 + jpeg.byteLength);
  const view = header(message.buffer, PICTURE, 0);
  view.setFloat64(HEADER, t, true);
  message.set(new Uint8Array(jpeg), HEADER + 8);
  return message.buffer;
}

/**
 * One frame of joints. Browsers run on little-endian machines only, but the parts are not aligned, hence the view.
 * @param {number} t seconds
 * @param {([number, number, number] | null)[] | null} joints metres; null where one, or nobody, was seen
 * @param {number} count of the layout's joints
 * @param {number[] | null} scores
 */
export function frame(t, joints, count, scores = null) {
  const buffer = new ArrayBuffer(HEADER + 8 + count * (scores ? 16 : 12));
  const view = header(buffer, JOINTS, scores ? 1 : 0);
  view.setFloat64(HEADER, t, true);
  for (let joint = 0; joint < count; joint++) {
    const seen = joints?.[joint];
    for (let axis = 0; axis < 3; axis++) view.setFloat32(HEADER + 8 + (3 * joint + axis) * 4, seen ? seen[axis] : NaN, true);
    if (scores) view.setFloat32(HEADER + 8 + (3 * count + joint) * 4, seen ? scores[joint] : 0, true);
  }
  return buffer;
}

function header(buffer, kind, flags) {
  const view = new DataView(buffer);
  view.setUint8(0, kind);
  view.setUint8(1, flags);
  view.setUint16(2, 1, true);
  return view;
}
