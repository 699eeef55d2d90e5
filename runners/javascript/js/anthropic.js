// The package "@anthropic-ai/sdk" for scripts that ask models through it: messages over the host's model
// interface. Keys, addresses and time limits are the operator's: those in a script are not used.
// Everything else of the package is refused by name.
import { ask } from "coo:calls";
import { placeAt } from "coo:stack";
import { EventEmitter } from "node:events";
import { apiPromise, checked, nextId, refusing, Whole, withRefusals } from "coo:sdk";

export class AnthropicError extends Error {}

export class APIError extends AnthropicError {
  constructor(status, error, message, headers) {
    super(status ? `${status} ${message}` : message);
    this.status = status;
    this.headers = headers;
    this.error = error;
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

const BY_STATUS = { 400: BadRequestError, 401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 409: ConflictError, 422: UnprocessableEntityError, 429: RateLimitError };
const CALL = "messages.create";

function failed(error) {
  if (!error?.kind) return error;
  const told = /\bHTTP (\d{3})\b/.exec(error.message);
  const status = error.kind === "unfit" ? 422 : told ? Number(told[1]) : 400;
  const kind = BY_STATUS[status] ?? BadRequestError;
  const api = new kind(status, { type: "error", error: { type: "invalid_request_error", message: error.message } }, error.message);
  if (error.completion) api.completion = error.completion;
  return placeAt(api, error);
}

const isTrue = (value) => value !== false;
const PARAMETERS = {
  known: ["model", "max_tokens", "system", "messages", "tools", "tool_choice", "stop_sequences", "temperature", "top_p", "stream"],
  quiet: ["metadata", "cache_control"],
  noted: ["service_tier", "inference_geo"],
  refused: {
    top_k: isTrue, thinking: (value) => value.type !== "disabled", betas: (value) => value.length > 0, container: isTrue,
    mcp_servers: (value) => value.length > 0, context_management: isTrue, output_config: isTrue, output_format: isTrue,
  },
};

function plainText(content, where) {
  if (typeof content === "string") return content;
  if (content === undefined || content === null) return "";
  return [content].flat().map((block) => {
    if (block.type === "text") return block.text;
    throw new TypeError(`${CALL}: a block of type '${block.type}' can't be used in ${where}`);
  }).join("\n");
}

function image({ source }) {
  if (source?.type !== "base64") throw new TypeError(`${CALL}: an image is given by its bytes (source.type "base64"): a mission has no network`);
  return { media_type: source.media_type, base64: source.data };
}

function messagesOf({ role, content }) {
  if (role !== "user" && role !== "assistant") throw new TypeError(`${CALL}: a message of role ${JSON.stringify(role)} can't be used`);
  if (typeof content === "string") return [{ role, text: content }];
  if (!Array.isArray(content)) throw new TypeError(`${CALL}: a message's content must be a string or an array of blocks`);
  const results = [];
  const texts = [];
  const images = [];
  const calls = [];
  for (const block of content) {
    if (block.type === "text") texts.push(block.text);
    else if (block.type === "image" && role === "user") images.push(image(block));
    else if (block.type === "tool_use" && role === "assistant") calls.push({ id: String(block.id), name: String(block.name), arguments: JSON.stringify(block.input ?? {}) });
    else if (block.type === "tool_result" && role === "user") {
      const told = plainText(block.content, "a tool's result");
      results.push({ role: "tool", call_id: String(block.tool_use_id), text: block.is_error ? `error: ${told}` : told });
    } else throw new TypeError(`${CALL}: a block of type '${block.type}' can't be used in a message of role '${role}'`);
  }
  if (role === "assistant") return [{ role, text: texts.join("\n"), tool_calls: calls }];
  const said = texts.length > 0 || images.length > 0 || results.length === 0;
  return said ? [...results, { role, text: texts.join("\n"), images }] : results;
}

function tool(offered) {
  if (offered.type !== undefined && offered.type !== "custom") throw new TypeError(`${CALL}: a tool of type '${offered.type}' can't be used: the model's provider would run it outside the record`);
  return { name: String(offered.name), description: offered.description ?? "", parameters: JSON.stringify(offered.input_schema ?? {}), strict: Boolean(offered.strict) };
}

function choice(given) {
  switch (given?.type) {
    case undefined:
      return undefined;
    case "auto":
    case "none":
      return given.type;
    case "any":
      return "required";
    case "tool":
      return { named: String(given.name) };
    default:
      throw new TypeError(`${CALL}: tool_choice of type '${given.type}' can't be used`);
  }
}

function request(given) {
  const { model, max_tokens, system, messages, tools = [], tool_choice, stop_sequences = [], temperature, top_p } = checked(CALL, given, PARAMETERS);
  if (!Array.isArray(messages) || messages.length === 0) throw new TypeError(`${CALL}: messages must be an array of at least one message`);
  const all = messages.flatMap(messagesOf);
  if (system !== undefined) all.unshift({ role: "system", text: plainText(system, "system") });
  return {
    messages: all, model: model === undefined ? undefined : String(model), temperature, top_p, max_tokens, stop: stop_sequences.map(String),
    tools: tools.map(tool), tool_choice: choice(tool_choice), response_format: { type: "text" },
  };
}

const REASONS = { stop: "end_turn", length: "max_tokens", tool_calls: "tool_use", content_filter: "refusal", other: "end_turn" };

function answered(answer) {
  const content = [];
  if (answer.text !== "") content.push({ type: "text", text: answer.text, citations: null });
  for (const { id, name, arguments: text } of answer.tool_calls) content.push({ type: "tool_use", id, name, input: JSON.parse(text) });
  return {
    id: nextId("msg_"), type: "message", role: "assistant", model: answer.model, content,
    stop_reason: answer.tool_calls.length > 0 ? "tool_use" : REASONS[answer.finish_reason], stop_sequence: null,
    usage: { input_tokens: answer.usage.prompt_tokens ?? 0, output_tokens: answer.usage.completion_tokens ?? 0 },
  };
}

function events(message) {
  const list = [{ type: "message_start", message: { ...message, content: [], stop_reason: null, usage: { ...message.usage, output_tokens: 0 } } }];
  message.content.forEach((block, index) => {
    const isText = block.type === "text";
    list.push({ type: "content_block_start", index, content_block: isText ? { ...block, text: "" } : { ...block, input: {} } });
    list.push({ type: "content_block_delta", index, delta: isText ? { type: "text_delta", text: block.text } : { type: "input_json_delta", partial_json: JSON.stringify(block.input) } });
    list.push({ type: "content_block_stop", index });
  });
  list.push({ type: "message_delta", delta: { stop_reason: message.stop_reason, stop_sequence: null }, usage: { output_tokens: message.usage.output_tokens } });
  list.push({ type: "message_stop" });
  return list;
}

function create(given, options) {
  const signal = options?.signal;
  if (signal?.aborted) return apiPromise(Promise.reject(new APIUserAbortError()));
  let asked;
  try {
    asked = request(given);
  } catch (error) {
    return apiPromise(Promise.reject(error));
  }
  const promise = ask(asked).then(answered, (error) => {
    throw failed(error);
  });
  const shaped = given.stream ? promise.then((message) => new Whole(events(message))) : promise;
  if (!signal) return apiPromise(shaped);
  return apiPromise(new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(new APIUserAbortError()));
    shaped.then(resolve, reject);
  }));
}

/** What messages.stream gives: the whole message, as its events and by its promises. */
class MessageStream extends EventEmitter {
  #message;
  constructor(given, options) {
    super();
    this.#message = create({ ...given, stream: false }, options);
    this.#message.then(
      (message) => {
        for (const event of events(message)) this.emit("streamEvent", event, message);
        for (const block of message.content) {
          if (block.type === "text") this.emit("text", block.text, block.text);
          this.emit("contentBlock", block);
        }
        this.emit("message", message);
        this.emit("finalMessage", message);
        this.emit("end");
      },
      (error) => {
        if (this.listenerCount("error") > 0) this.emit("error", error);
        this.emit("end");
      },
    );
  }
  finalMessage() {
    return this.#message;
  }
  async finalText() {
    const message = await this.#message;
    return message.content.filter((block) => block.type === "text").map((block) => block.text).join(" ");
  }
  async done() {
    await this.#message;
  }
  async *[Symbol.asyncIterator]() {
    for (const event of events(await this.#message)) yield event;
  }
}

const INSTEAD = "a mission asks models by messages.create and messages.stream alone";

/** The client. What it is given about keys, servers and time limits is the operator's to say here. */
export class Anthropic {
  constructor(options = {}) {
    const { apiKey = null, authToken = null, baseURL = null, maxRetries = 2, timeout = 600000 } = options;
    Object.assign(this, { apiKey, authToken, baseURL, maxRetries, timeout });
    this.messages = withRefusals({ create, stream: (given, more) => new MessageStream(given, more) }, "messages", INSTEAD);
    for (const name of ["beta", "completions", "models"]) this[name] = refusing(`anthropic.${name}`, INSTEAD);
  }
  withOptions() {
    return this;
  }
}

export const HUMAN_PROMPT = "\n\nHuman:";
export const AI_PROMPT = "\n\nAssistant:";

const members = {
  Anthropic, AnthropicError, APIError, APIUserAbortError, APIConnectionError, APIConnectionTimeoutError, BadRequestError,
  AuthenticationError, PermissionDeniedError, NotFoundError, ConflictError, UnprocessableEntityError, RateLimitError,
  InternalServerError, HUMAN_PROMPT, AI_PROMPT,
};
for (const [name, value] of Object.entries({ ...members, default: Anthropic })) {
  Object.defineProperty(Anthropic, name, { value, writable: true, configurable: true });
}
export default Anthropic;
