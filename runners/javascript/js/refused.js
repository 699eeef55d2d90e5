// The globals that a mission can't have: each is a function that throws a sentence with what to do
// instead. Tries nothing.

const NETWORK =
  'a mission has no network; ask models through "openai", "@anthropic-ai/sdk" or "coo", and give other data as the input';

const SENTENCES = {
  fetch: NETWORK,
  XMLHttpRequest: NETWORK,
  WebSocket: NETWORK,
  EventSource: NETWORK,
  Worker: "a mission has no threads; make several model calls at once with Promise.all",
  WebAssembly: "a mission's script can't run other modules",
  prompt: "there is nobody to ask; the input is coo.input",
  alert: "there is nobody to tell; use console.log",
  confirm: "there is nobody to ask; a human step of the descriptor is for that",
};

/** Pairs of a name and the function that refuses it. */
export const refusals = Object.entries(SENTENCES).map(([name, sentence]) => {
  const refuse = function () {
    const error = new Error(`${name} can't be used: ${sentence}`);
    error.code = "ERR_COO_REFUSED";
    // What gives a promise elsewhere fails as one.
    if (name === "fetch") return Promise.reject(error);
    throw error;
  };
  Object.defineProperty(refuse, "name", { value: name });
  return [name, refuse];
});
