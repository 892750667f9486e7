/** A worker that says when: browsers slow the timers of hidden tabs down, but not those of their workers. */
let timer = null;
onmessage = ({ data: milliseconds }) => {
  clearInterval(timer);
  timer = setInterval(() => postMessage(null), milliseconds);
};
