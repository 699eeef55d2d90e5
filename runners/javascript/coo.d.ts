// What a script imports as "coo". coo itself needs no types; editors do: put this file beside a script, or
// name it in tsconfig.json.

declare module "coo" {
  /** The input of the mission's step, as text. */
  export const input: string;
  /** The input of the mission's step, parsed as JSON. */
  export function inputJson<T = unknown>(): T;
  /** Gives the mission's output: a string as it is, any other value as canonical JSON. The last one holds. */
  export function output(value: unknown): void;

  export interface Image {
    mediaType: "image/png" | "image/jpeg" | "image/gif" | "image/webp";
    content: Uint8Array | ArrayBuffer;
  }
  export interface ToolCall {
    id: string;
    name: string;
    /** A JSON object, as the model wrote it. */
    arguments: string;
  }
  export type Message =
    | { role: "system"; content: string }
    | { role: "user"; content: string; images?: Image[] }
    | { role: "assistant"; content: string; toolCalls?: ToolCall[] }
    | { role: "tool"; callId: string; content: string };
  export interface Tool {
    /** 1 to 64 of `a-z A-Z 0-9 _ -`. */
    name: string;
    description?: string;
    /** JSON Schema of the arguments, an object. */
    parameters?: object;
    /** The arguments must fit the schema: otherwise the error is `unfit`. */
    strict?: boolean;
  }
  export interface Request {
    system?: string;
    prompt?: string;
    images?: Image[];
    messages?: Message[];
    /** A name that the operator maps to a model; the default model if it is left out or not mapped. */
    model?: string;
    temperature?: number;
    topP?: number;
    maxTokens?: number;
    stop?: string | string[];
    tools?: Tool[];
    toolChoice?: "auto" | "none" | "required" | { name: string };
    /** The answer's text is a JSON object. */
    json?: boolean;
    /** The answer's text is JSON that fits this JSON Schema. The host judges it. */
    schema?: object;
    /** 1 to 64 of `a-z A-Z 0-9 _ -`; `answer` if it is left out. */
    schemaName?: string;
  }
  export interface Completion {
    text: string;
    toolCalls: ToolCall[];
    /** The model that answered, as the provider named it. */
    model: string;
    finishReason: "stop" | "length" | "content_filter" | "tool_calls" | "other";
    /** As the provider counted them; null where it did not say. */
    usage: { promptTokens: number | null; completionTokens: number | null };
    /** The text, parsed. */
    json<T = unknown>(): T;
    toString(): string;
  }
  export const llm: {
    /** Asks a model once. Calls of one moment are made together. */
    complete(request: string | Request): Promise<Completion>;
    /** Asks several times at once; the answers stand in the order of the requests. */
    completeMany(requests: Iterable<string | Request>): Promise<Completion[]>;
  };

  export type Parameter = null | undefined | boolean | number | bigint | string | Uint8Array | ArrayBuffer;
  /** An integer beyond Number.MAX_SAFE_INTEGER is a bigint. */
  export type Value = null | number | bigint | string | Uint8Array;
  export const db: {
    /** Runs one read-only statement; `?1`, `?2`, … are the parameters in order. */
    query<Row = Record<string, Value>>(sql: string, params?: Parameter[]): Row[];
    /** Runs one statement that changes data or schema; gives the number of rows changed. */
    execute(sql: string, params?: Parameter[]): number;
  };

  export interface Receipt {
    path: string;
    /** SHA-256 of the content, 64 lower-case hex digits. */
    sha256: string;
    bytes: number;
  }
  export const gateway: {
    /** Writes one artefact, such as `notes/Answer_v1.0.md`. An object is written as JSON. */
    write(path: string, content: string | Uint8Array | ArrayBuffer | object): Receipt;
  };

  export class LlmError extends Error {
    kind: "refused" | "rejected" | "unfit";
    /** The answer that did not fit. */
    completion?: unknown;
  }
  export class DbError extends Error {
    kind: "refused" | "failed" | "constraint" | "limit";
  }
  export class GatewayError extends Error {
    kind: "refused" | "conflict";
  }

  const coo: {
    llm: typeof llm;
    db: typeof db;
    gateway: typeof gateway;
    input: typeof input;
    inputJson: typeof inputJson;
    output: typeof output;
    LlmError: typeof LlmError;
    DbError: typeof DbError;
    GatewayError: typeof GatewayError;
  };
  export default coo;
}
