// Model calls that wait: those of one moment go to the host together, in the order in which the script
// made them, and are answered in that order. A model's name that the operator has mapped to nothing is
// left out from then on, and the operator's default model answers.
import host from "coo:host";
import { placeAt } from "coo:stack";

let waiting = [];
const unknown = new Set();

const IS_UNKNOWN = /^model '.*' asked[;,] (but )?the descriptor lists .* under llm\.models$/s;

/** An answer of the host that is an error. `kind` is refused, rejected or unfit. */
export class CallError extends Error {
  constructor(answer) {
    super(answer.text);
    this.kind = answer.error;
    if (answer.completion) this.completion = answer.completion;
  }
}
Object.defineProperty(CallError.prototype, "name", { value: "LlmError", configurable: true, writable: true });

const wellFormed = (_, value) => (typeof value === "string" ? value.toWellFormed() : value);

/** Makes a call when nothing else can run; the promise gives the host's completion. */
export function ask(request) {
  const place = new Error();
  return new Promise((resolve, reject) => waiting.push({ request, resolve, reject, place }));
}

export const haveCalls = () => waiting.length > 0;

const sent = ({ request }) => {
  if (request.model === undefined || !unknown.has(request.model)) return request;
  const { model, ...rest } = request;
  return rest;
};

const perform = (calls) => JSON.parse(host.complete(JSON.stringify(calls.map(sent), wellFormed)));

/** Makes all calls that wait. */
export function makeCalls() {
  const calls = waiting;
  waiting = [];
  let answers;
  try {
    answers = perform(calls);
    const again = [];
    answers.forEach((answer, place) => {
      const { model } = sent(calls[place]);
      if (answer.error === "refused" && model !== undefined && IS_UNKNOWN.test(answer.text)) again.push(place);
    });
    for (const { model } of again.map((place) => calls[place].request)) {
      if (unknown.has(model)) continue;
      unknown.add(model);
      host.print(true, `coo: no model is mapped to the name '${model.toWellFormed()}'; the operator's default model answers\n`);
    }
    if (again.length > 0) {
      const second = perform(again.map((place) => calls[place]));
      again.forEach((place, index) => (answers[place] = second[index]));
    }
  } catch (error) {
    // A request that is no request at all: the script learns it at each of the calls.
    for (const { reject } of calls) reject(error);
    return;
  }
  calls.forEach((call, place) => {
    const answer = answers[place];
    if (answer.error) call.reject(placeAt(new CallError(answer), call.place));
    else call.resolve(answer.completion);
  });
}
