// Copies and texts of values: structuredClone, and canonical JSON (sorted keys, no spaces). Changes no
// value that it is given.

const byCodePoint = (a, b) => {
  if (a === b) return 0;
  const [x, y] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] !== y[i]) return x[i].codePointAt(0) - y[i].codePointAt(0);
  }
  return x.length - y.length;
};

/** The canonical JSON of a value; throws a TypeError if it has none. */
export function canonical(value) {
  const text = JSON.stringify(value, (_, inner) => {
    if (typeof inner === "string") return inner.toWellFormed();
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    const sorted = Object.create(null);
    for (const key of Object.keys(inner).sort(byCodePoint)) {
      Object.defineProperty(sorted, key.toWellFormed(), { value: inner[key], enumerable: true, configurable: true, writable: true });
    }
    return sorted;
  });
  if (text === undefined) throw new TypeError(`the output is a ${typeof value}, which has no JSON text`);
  // An object keeps keys that are whole numbers before all others, whatever their order should be.
  return /"\d+":/.test(text) ? sortedText(JSON.parse(text)) : text;
}

function sortedText(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return "[" + value.map(sortedText).join(",") + "]";
  const members = Object.keys(value).sort(byCodePoint);
  return "{" + members.map((key) => JSON.stringify(key) + ":" + sortedText(value[key])).join(",") + "}";
}

function refuse(what) {
  throw new DOMException(`${what} could not be cloned.`, "DataCloneError");
}

/** The web's structuredClone, for the types that a script can have here. */
export function structuredClone(value, options) {
  if (arguments.length === 0) throw new TypeError("structuredClone needs a value");
  const seen = new Map();
  const buffer = (from) => {
    if (!seen.has(from)) seen.set(from, from.slice(0));
    return seen.get(from);
  };
  const copy = (from) => {
    if (typeof from === "symbol") refuse(String(from));
    if (typeof from === "function") refuse(String(from).slice(0, 80));
    if (from === null || typeof from !== "object") return from;
    if (seen.has(from)) return seen.get(from);
    let to;
    if (from instanceof Date) to = new Date(from.getTime());
    else if (from instanceof RegExp) to = new RegExp(from.source, from.flags);
    else if (from instanceof ArrayBuffer) return buffer(from);
    else if (ArrayBuffer.isView(from)) {
      const kind = from.constructor.name === "Buffer" ? Uint8Array : from.constructor;
      to = new kind(buffer(from.buffer), from.byteOffset, from instanceof DataView ? from.byteLength : from.length);
    } else if (from instanceof Boolean || from instanceof Number || from instanceof String) to = Object(from.valueOf());
    else if (from instanceof Promise || from instanceof WeakMap || from instanceof WeakSet || from instanceof WeakRef) {
      refuse(Object.prototype.toString.call(from).replace("[object ", "#<").replace("]", ">"));
    }
    if (to) {
      seen.set(from, to);
      return to;
    }
    if (from instanceof Map) {
      to = new Map();
      seen.set(from, to);
      for (const [key, inner] of from) to.set(copy(key), copy(inner));
      return to;
    }
    if (from instanceof Set) {
      to = new Set();
      seen.set(from, to);
      for (const inner of from) to.add(copy(inner));
      return to;
    }
    if (from instanceof Error) {
      const kinds = { EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };
      to = new (kinds[from.name] ?? Error)(from.message);
      seen.set(from, to);
      to.stack = from.stack;
      if ("cause" in from) Object.defineProperty(to, "cause", { value: copy(from.cause), configurable: true, writable: true });
      return to;
    }
    to = Array.isArray(from) ? new Array(from.length) : {};
    seen.set(from, to);
    for (const key of Object.keys(from)) to[key] = copy(from[key]);
    return to;
  };
  void options;
  return copy(value);
}
