// The package "openai" for scripts that ask models through it: chat.completions and responses over the
// host's model interface. Keys, addresses and time limits are the operator's: those in a script are not
// used. Everything else of the package is refused by name.
import { ask } from "coo:calls";
import { placeAt } from "coo:stack";
import { apiPromise, checked, imageOf, nextId, refusing, seconds, Whole, withRefusals } from "coo:sdk";

export class OpenAIError extends Error {}

export class APIError extends OpenAIError {
  constructor(status, error, message, headers) {
    super(status ? `${status} ${message}` : message);
    this.status = status;
    this.headers = headers;
    this.error = error;
    this.code = error?.code;
    this.param = error?.param;
    this.type = error?.type;
    this.requestID = undefined;
  }
}
export class APIUserAbortError extends APIError {
  constructor({ message } = {}) {
    super(undefined, undefined, message ?? "Request was aborted.");
  }
}
export class APIConnectionError extends APIError {}
export class APIConnectionTimeoutError extends APIConnectionError {}
export class BadRequestError extends APIError {}
export class AuthenticationError extends APIError {}
export class PermissionDeniedError extends APIError {}
export class NotFoundError extends APIError {}
export class ConflictError extends APIError {}
export class UnprocessableEntityError extends APIError {}
export class RateLimitError extends APIError {}
export class InternalServerError extends APIError {}
export class LengthFinishReasonError extends OpenAIError {
  constructor() {
    super("Could not parse response content as the length limit was reached");
  }
}
export class ContentFilterFinishReasonError extends OpenAIError {
  constructor() {
    super("Could not parse response content as the request was rejected by the content filter");
  }
}

const BY_STATUS = { 400: BadRequestError, 401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 409: ConflictError, 422: UnprocessableEntityError, 429: RateLimitError };

function failed(error) {
  if (!error?.kind) return error;
  const told = /\bHTTP (\d{3})\b/.exec(error.message);
  const status = error.kind === "unfit" ? 422 : told ? Number(told[1]) : 400;
  const kind = BY_STATUS[status] ?? BadRequestError;
  const api = new kind(status, { message: error.message, code: error.kind, type: "invalid_request_error", param: null }, error.message);
  if (error.completion) api.completion = error.completion;
  return placeAt(api, error);
}

const isTrue = (value) => value !== false;
const isNotZero = (value) => value !== 0;
const PARAMETERS = {
  known: ["model", "messages", "tools", "tool_choice", "response_format", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "stream"],
  quiet: ["user", "metadata", "store", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "stream_options"],
  noted: ["seed", "parallel_tool_calls", "reasoning_effort", "verbosity", "service_tier"],
  refused: {
    n: (value) => value !== 1, logprobs: isTrue, top_logprobs: isNotZero, logit_bias: (value) => Object.keys(value).length > 0,
    frequency_penalty: isNotZero, presence_penalty: isNotZero, audio: isTrue, modalities: (value) => String(value) !== "text",
    prediction: isTrue, functions: isTrue, function_call: isTrue, web_search_options: isTrue,
  },
};

function plainText(content, call) {
  if (typeof content === "string") return content;
  if (content === null || content === undefined) return "";
  if (!Array.isArray(content)) throw new TypeError(`${call}: a message's content must be a string or an array of parts`);
  return content.map((part) => {
    if (typeof part.text === "string") return part.text;
    if (part.type === "refusal") return part.refusal;
    throw new TypeError(`${call}: a part of type '${part.type}' can't be used in this message`);
  }).join("\n");
}

function userMessage(content, call) {
  if (!Array.isArray(content)) return { role: "user", text: plainText(content, call) };
  const texts = [];
  const images = [];
  for (const part of content) {
    if (part.type === "text" || part.type === "input_text") texts.push(String(part.text));
    else if (part.type === "image_url") images.push(imageOf(part.image_url?.url ?? part.image_url, call));
    else if (part.type === "input_image") images.push(imageOf(part.image_url, call));
    else throw new TypeError(`${call}: a part of type '${part.type}' can't be used: the host's model interface takes texts and images`);
  }
  return { role: "user", text: texts.join("\n"), images };
}

function message(said, call) {
  switch (said?.role) {
    case "system":
    case "developer":
      return { role: "system", text: plainText(said.content, call) };
    case "user":
      return userMessage(said.content, call);
    case "assistant":
      return {
        role: "assistant", text: plainText(said.content, call),
        tool_calls: (said.tool_calls ?? []).map(({ id, function: called }) => ({ id: String(id), name: String(called.name), arguments: String(called.arguments) })),
      };
    case "tool":
      return { role: "tool", call_id: String(said.tool_call_id), text: plainText(said.content, call) };
    default:
      throw new TypeError(`${call}: a message of role ${JSON.stringify(said?.role)} can't be used`);
  }
}

function tool(offered, call) {
  if (offered?.type !== "function") throw new TypeError(`${call}: a tool of type '${offered?.type}' can't be used: the model's provider would run it outside the record`);
  const { name, description = "", parameters, strict = false } = offered.function ?? offered;
  return { name: String(name), description: description ?? "", parameters: parameters ? JSON.stringify(parameters) : "", strict: Boolean(strict) };
}

function choice(given, call) {
  if (given === undefined || ["auto", "none", "required"].includes(given)) return given;
  const name = given.function?.name ?? given.name;
  if (given.type === "function" && typeof name === "string") return { named: name };
  throw new TypeError(`${call}: tool_choice ${JSON.stringify(given)} can't be used`);
}

function format(given, call) {
  switch (given?.type) {
    case undefined:
    case "text":
      return { type: "text" };
    case "json_object":
      return { type: "json" };
    case "json_schema": {
      const { name, schema } = given.json_schema ?? given;
      return { type: "json_schema", name: String(name ?? "answer"), schema: JSON.stringify(schema ?? {}) };
    }
    default:
      throw new TypeError(`${call}: response_format of type '${given.type}' can't be used`);
  }
}

function request(given, call) {
  const { model, messages, tools = [], tool_choice, response_format, temperature, top_p, max_tokens, max_completion_tokens, stop } = checked(call, given, PARAMETERS);
  if (!Array.isArray(messages) || messages.length === 0) throw new TypeError(`${call}: messages must be an array of at least one message`);
  return {
    messages: messages.map((said) => message(said, call)), model: model === undefined ? undefined : String(model), temperature, top_p,
    max_tokens: max_completion_tokens ?? max_tokens, stop: stop === undefined ? [] : [stop].flat().map(String),
    tools: tools.map((offered) => tool(offered, call)), tool_choice: choice(tool_choice, call), response_format: format(response_format, call),
  };
}

function usage({ prompt_tokens, completion_tokens }) {
  if (prompt_tokens === null && completion_tokens === null) return undefined;
  const [prompt, completion] = [prompt_tokens ?? 0, completion_tokens ?? 0];
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

const finish = (reason) => (reason === "other" ? "stop" : reason);

function completed(answer) {
  const calls = answer.tool_calls.map(({ id, name, arguments: text }) => ({ id, type: "function", function: { name, arguments: text } }));
  const said = { role: "assistant", content: answer.text === "" && calls.length > 0 ? null : answer.text, refusal: null };
  if (calls.length > 0) said.tool_calls = calls;
  const completion = {
    id: nextId("chatcmpl-"), object: "chat.completion", created: seconds(), model: answer.model,
    choices: [{ index: 0, message: said, logprobs: null, finish_reason: finish(answer.finish_reason) }],
  };
  const counted = usage(answer.usage);
  if (counted) completion.usage = counted;
  return completion;
}

function chunks(completion, withUsage) {
  const [{ message: said, finish_reason }] = completion.choices;
  const base = { id: completion.id, object: "chat.completion.chunk", created: completion.created, model: completion.model };
  const delta = { role: "assistant", content: said.content };
  if (said.tool_calls) delta.tool_calls = said.tool_calls.map((call, index) => ({ index, ...call }));
  const list = [{ ...base, choices: [{ index: 0, delta, logprobs: null, finish_reason }] }];
  if (withUsage) list.push({ ...base, choices: [], usage: completion.usage ?? null });
  return list;
}

/** Runs what may throw at once, and gives the error as a rejected promise, as the package does. */
function promised(options, make) {
  const signal = options?.signal;
  if (signal?.aborted) return apiPromise(Promise.reject(new APIUserAbortError()));
  let promise;
  try {
    promise = make();
  } catch (error) {
    promise = Promise.reject(error);
  }
  if (!signal) return apiPromise(promise);
  return apiPromise(new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new APIUserAbortError()));
    promise.then(resolve, reject);
  }));
}

const answered = (asked, make) => ask(asked).then(make, (error) => {
  throw failed(error);
});

function create(given, options) {
  const call = "chat.completions.create";
  return promised(options, () => answered(request(given, call), (answer) => {
    const completion = completed(answer);
    return given.stream ? new Whole(chunks(completion, given.stream_options?.include_usage)) : completion;
  }));
}

function parse(given, options) {
  const call = "chat.completions.parse";
  return promised(options, () => answered(request({ ...given, stream: undefined }, call), (answer) => {
    const completion = completed(answer);
    const [{ message: said, finish_reason }] = completion.choices;
    if (finish_reason === "length") throw new LengthFinishReasonError();
    if (finish_reason === "content_filter") throw new ContentFilterFinishReasonError();
    const isJson = given.response_format && given.response_format.type !== "text";
    said.parsed = isJson && said.content ? (given.response_format.$parseRaw ?? JSON.parse)(said.content) : null;
    for (const called of said.tool_calls ?? []) called.function.parsed_arguments = JSON.parse(called.function.arguments);
    return completion;
  }));
}

const RESPONSE_PARAMETERS = {
  known: ["model", "input", "instructions", "temperature", "top_p", "max_output_tokens", "text", "tools", "tool_choice", "stream"],
  quiet: ["user", "metadata", "store", "safety_identifier", "prompt_cache_key", "include", "stream_options"],
  noted: ["parallel_tool_calls", "reasoning", "service_tier", "truncation"],
  refused: { previous_response_id: isTrue, conversation: isTrue, background: isTrue, prompt: isTrue, max_tool_calls: isTrue, top_logprobs: isNotZero },
};

function inputs(input, call) {
  if (typeof input === "string") return [{ role: "user", text: input }];
  if (!Array.isArray(input)) throw new TypeError(`${call}: input must be a string or an array`);
  const messages = [];
  for (const item of input) {
    if (item.type === "function_call") {
      const called = { id: String(item.call_id), name: String(item.name), arguments: String(item.arguments) };
      const last = messages.at(-1);
      if (last?.role === "assistant") last.tool_calls.push(called);
      else messages.push({ role: "assistant", text: "", tool_calls: [called] });
    } else if (item.type === "function_call_output") {
      messages.push({ role: "tool", call_id: String(item.call_id), text: plainText(item.output, call) });
    } else if (item.type === undefined || item.type === "message") messages.push(message(item, call));
    else if (item.type !== "reasoning") throw new TypeError(`${call}: an input of type '${item.type}' can't be used`);
  }
  return messages;
}

function responded(answer, given) {
  const output = [];
  if (answer.text !== "" || answer.tool_calls.length === 0) {
    output.push({ id: nextId("msg_"), type: "message", role: "assistant", status: "completed", content: [{ type: "output_text", text: answer.text, annotations: [] }] });
  }
  for (const { id, name, arguments: text } of answer.tool_calls) output.push({ id: nextId("fc_"), type: "function_call", status: "completed", call_id: id, name, arguments: text });
  const isCut = answer.finish_reason === "length";
  const counted = usage(answer.usage);
  return {
    id: nextId("resp_"), object: "response", created_at: seconds(), status: isCut ? "incomplete" : "completed", error: null,
    incomplete_details: isCut ? { reason: "max_output_tokens" } : null, instructions: given.instructions ?? null, model: answer.model, output,
    output_text: answer.text, usage: counted ? { input_tokens: counted.prompt_tokens, output_tokens: counted.completion_tokens, total_tokens: counted.total_tokens } : null,
  };
}

function respond(given, options, call = "responses.create") {
  return promised(options, () => {
    const { model, input, instructions, temperature, top_p, max_output_tokens, text, tools = [], tool_choice } = checked(call, given, RESPONSE_PARAMETERS);
    const messages = inputs(input, call);
    if (instructions !== undefined) messages.unshift({ role: "system", text: String(instructions) });
    const asked = {
      messages, model: model === undefined ? undefined : String(model), temperature, top_p, max_tokens: max_output_tokens, stop: [],
      tools: tools.map((offered) => tool(offered, call)), tool_choice: choice(tool_choice, call), response_format: format(text?.format, call),
    };
    return answered(asked, (answer) => {
      const response = responded(answer, given);
      if (call === "responses.parse") response.output_parsed = text?.format && response.output_text ? JSON.parse(response.output_text) : null;
      if (!given.stream) return response;
      const events = [{ type: "response.created", response: { ...response, status: "in_progress", output: [] } }];
      if (response.output_text) {
        events.push({ type: "response.output_text.delta", output_index: 0, content_index: 0, delta: response.output_text });
        events.push({ type: "response.output_text.done", output_index: 0, content_index: 0, text: response.output_text });
      }
      events.push({ type: "response.completed", response });
      return new Whole(events.map((event, sequence_number) => ({ ...event, sequence_number })));
    });
  });
}

const INSTEAD = "a mission asks models by chat.completions and responses alone";

/** The client. What it is given about keys, servers and time limits is the operator's to say here. */
export class OpenAI {
  constructor(options = {}) {
    const { apiKey = null, baseURL = null, organization = null, project = null, maxRetries = 2, timeout = 600000 } = options;
    Object.assign(this, { apiKey, baseURL, organization, project, maxRetries, timeout });
    const completions = withRefusals({ create, parse }, "chat.completions", INSTEAD);
    this.chat = withRefusals({ completions }, "chat", INSTEAD);
    this.responses = withRefusals({ create: respond, parse: (given, more) => respond(given, more, "responses.parse") }, "responses", INSTEAD);
    this.beta = withRefusals({ chat: this.chat }, "beta", INSTEAD);
    for (const name of ["audio", "assistants", "batches", "completions", "containers", "conversations", "embeddings", "evals", "files", "fineTuning", "images", "models", "moderations", "realtime", "uploads", "vectorStores", "videos", "webhooks"]) {
      this[name] = refusing(`openai.${name}`, INSTEAD);
    }
  }
  withOptions() {
    return this;
  }
}

export class AzureOpenAI extends OpenAI {}

/** A file for an upload, which a mission can't make. */
export const toFile = refusing("openai.toFile", INSTEAD);

const members = {
  OpenAI, AzureOpenAI, OpenAIError, APIError, APIUserAbortError, APIConnectionError, APIConnectionTimeoutError, BadRequestError,
  AuthenticationError, PermissionDeniedError, NotFoundError, ConflictError, UnprocessableEntityError, RateLimitError,
  InternalServerError, LengthFinishReasonError, ContentFilterFinishReasonError, toFile,
};
for (const [name, value] of Object.entries({ ...members, default: OpenAI })) {
  Object.defineProperty(OpenAI, name, { value, writable: true, configurable: true });
}
export default OpenAI;
