// What a script imports as "coo": models, the database, artefacts, the input and the output. Checks what it
// is given and names what is wrong; the host decides what is permitted.
import host from "coo:host";
import { ask, CallError } from "coo:calls";
import { bytesOf, utf8 } from "coo:encoding";
import { setOutput } from "coo:require";
import { placeAt } from "coo:stack";

const script = host.script();

/** The input of the mission's step, as text. */
export const input = script.input;

/** The input of the mission's step, parsed as JSON. */
export function inputJson() {
  try {
    return JSON.parse(input);
  } catch (error) {
    throw placeAt(new SyntaxError(`the input is not JSON: ${error.message}`), new Error());
  }
}

/** Gives the mission's output: a string as it is, any other value as canonical JSON. */
export function output(value) {
  setOutput(value);
}

/** An error of the database: `kind` is refused, failed, constraint or limit. */
export class DbError extends Error {
  constructor(kind, text) {
    super(text);
    this.kind = kind;
  }
}

/** An error of the gateway: `kind` is refused or conflict. */
export class GatewayError extends Error {
  constructor(kind, text) {
    super(text);
    this.kind = kind;
  }
}
for (const kind of [DbError, GatewayError]) {
  Object.defineProperty(kind.prototype, "name", { value: kind.name, configurable: true, writable: true });
}
export { CallError as LlmError };

function text(value, what) {
  if (typeof value === "string") return value.toWellFormed();
  throw new TypeError(`${what} must be a string, not ${value === null ? "null" : typeof value}`);
}

function parameter(value, place) {
  const refuse = (found) => {
    throw new TypeError(`parameter ?${place + 1} of a statement is ${found}; it may be null, a boolean, a number, a bigint, a string or a Uint8Array`);
  };
  if (value === undefined || value === null) return null;
  switch (typeof value) {
    case "boolean":
    case "number":
      return value;
    case "string":
      return value.toWellFormed();
    case "bigint":
      return BigInt.asIntN(64, value) === value ? value : refuse("a bigint of more than 64 bits");
    case "object":
      if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return bytesOf(value);
      return refuse(value instanceof Date ? "a Date; give its toISOString() or getTime()" : Array.isArray(value) ? "an array; give its JSON text" : "an object; give its JSON text");
    default:
      return refuse(`a ${typeof value}`);
  }
}

function parameters(values) {
  if (values === undefined) return [];
  if (!Array.isArray(values)) throw new TypeError("the parameters of a statement must be an array");
  return values.map(parameter);
}

function done(kind, result) {
  if (result.error) throw new kind(result.error, result.text);
  return result;
}

export const db = {
  /** Runs one read-only statement; gives its rows as objects. */
  query(sql, params) {
    const { columns, rows } = done(DbError, host.query(text(sql, "a statement"), parameters(params)));
    return rows.map((row) => {
      const object = {};
      columns.forEach((column, at) => {
        Object.defineProperty(object, column, { value: row[at], enumerable: true, writable: true, configurable: true });
      });
      return object;
    });
  },
  /** Runs one statement that changes data or schema; gives the number of rows changed. */
  execute(sql, params) {
    return done(DbError, host.execute(text(sql, "a statement"), parameters(params))).changed;
  },
};

export const gateway = {
  /** Writes one artefact; gives its receipt. An object is written as JSON. */
  write(path, content) {
    const bytes = typeof content === "string" ? utf8(content) : content !== null && typeof content === "object" && !ArrayBuffer.isView(content) && !(content instanceof ArrayBuffer) ? utf8(JSON.stringify(content, null, 2) + "\n") : bytesOf(content);
    const receipt = done(GatewayError, host.write(text(path, "an artefact's path"), bytes));
    return { path: receipt.path, sha256: receipt.sha256, bytes: receipt.bytes };
  },
};

const FIELDS = ["system", "prompt", "messages", "images", "model", "temperature", "topP", "maxTokens", "stop", "tools", "toolChoice", "json", "schema", "schemaName"];

const picture = (image) => ({ media_type: text(image?.mediaType, "an image's mediaType"), base64: host.toBase64(bytesOf(image.content)) });

function message(said) {
  const content = text(said?.content ?? "", "a message's content");
  switch (said?.role) {
    case "system":
      return { role: "system", text: content };
    case "user":
      return { role: "user", text: content, images: (said.images ?? []).map(picture) };
    case "assistant":
      return {
        role: "assistant", text: content,
        tool_calls: (said.toolCalls ?? []).map((call) => ({ id: text(call.id, "a tool call's id"), name: text(call.name, "a tool call's name"), arguments: typeof call.arguments === "string" ? call.arguments : JSON.stringify(call.arguments ?? {}) })),
      };
    case "tool":
      return { role: "tool", call_id: text(said.callId, "a tool message's callId"), text: content };
    default:
      throw new TypeError(`a message has role ${JSON.stringify(said?.role)}; it may be system, user, assistant or tool`);
  }
}

function choice(given) {
  if (given === undefined) return undefined;
  if (["auto", "none", "required"].includes(given)) return given;
  if (typeof given?.name === "string") return { named: given.name };
  throw new TypeError("toolChoice may be \"auto\", \"none\", \"required\" or { name }");
}

function request(given) {
  if (typeof given === "string") return { messages: [{ role: "user", text: given }] };
  if (given === null || typeof given !== "object") throw new TypeError("a model request is a string or an object");
  for (const key of Object.keys(given)) {
    if (!FIELDS.includes(key)) throw new TypeError(`a model request has no field '${key}'; there are ${FIELDS.join(", ")}`);
  }
  const { system, prompt, messages = [], images, model, temperature, topP, maxTokens, stop, tools = [], toolChoice, json, schema, schemaName } = given;
  const all = messages.map(message);
  if (system !== undefined) all.unshift({ role: "system", text: text(system, "system") });
  if (prompt !== undefined || images !== undefined) all.push({ role: "user", text: text(prompt ?? "", "prompt"), images: (images ?? []).map(picture) });
  if (all.length === 0) throw new TypeError("a model request needs a prompt or messages");
  let format = { type: "text" };
  if (schema !== undefined) format = { type: "json_schema", name: schemaName ?? "answer", schema: JSON.stringify(schema) };
  else if (json) format = { type: "json" };
  return {
    messages: all, model, temperature, top_p: topP, max_tokens: maxTokens, stop: stop === undefined ? [] : [stop].flat(),
    tools: tools.map((tool) => ({ name: text(tool.name, "a tool's name"), description: tool.description ?? "", parameters: tool.parameters ? JSON.stringify(tool.parameters) : "", strict: Boolean(tool.strict) })),
    tool_choice: choice(toolChoice), response_format: format,
  };
}

class Completion {
  constructor(answer) {
    this.text = answer.text;
    this.toolCalls = answer.tool_calls;
    this.model = answer.model;
    this.finishReason = answer.finish_reason;
    this.usage = { promptTokens: answer.usage.prompt_tokens, completionTokens: answer.usage.completion_tokens };
  }
  json() {
    return JSON.parse(this.text);
  }
  toString() {
    return this.text;
  }
}

const complete = (given) => {
  let asked;
  try {
    asked = request(given);
  } catch (error) {
    return Promise.reject(error);
  }
  return ask(asked).then((answer) => new Completion(answer));
};

export const llm = {
  /** Asks a model once. */
  complete,
  /** Asks several times at once; the answers stand in the order of the requests. */
  completeMany: (requests) => Promise.all([...requests].map(complete)),
};

export default { llm, db, gateway, input, inputJson, output, LlmError: CallError, DbError, GatewayError };
