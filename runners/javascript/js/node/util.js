// node:util: texts of values, promisify, equality, and the tests of types that scripts use.
import { inspect, format, formatWithOptions } from "coo:inspect";
import { TextEncoder, TextDecoder } from "coo:encoding";
import { isDeepStrictEqual } from "node:assert";

export { inspect, format, formatWithOptions, isDeepStrictEqual, TextEncoder, TextDecoder };

const CUSTOM = Symbol.for("nodejs.util.promisify.custom");

export function promisify(call) {
  if (typeof call !== "function") throw new TypeError('The "original" argument must be of type function');
  if (call[CUSTOM]) return call[CUSTOM];
  return function (...args) {
    return new Promise((resolve, reject) => {
      call.call(this, ...args, (error, value) => (error ? reject(error) : resolve(value)));
    });
  };
}
promisify.custom = CUSTOM;

export function callbackify(call) {
  return function (...args) {
    const back = args.pop();
    call.apply(this, args).then(
      (value) => queueMicrotask(() => back(null, value)),
      (error) => queueMicrotask(() => back(error)),
    );
  };
}

export function inherits(constructor, parent) {
  Object.defineProperty(constructor, "super_", { value: parent, writable: true, configurable: true });
  Object.setPrototypeOf(constructor.prototype, parent.prototype);
}

export const deprecate = (call) => call;
export const debuglog = () => () => {};
export const stripVTControlCharacters = (text) => String(text).replace(/\u001b\[[0-9;]*[A-Za-z]/g, "");
export const toUSVString = (text) => String(text).toWellFormed();

const COLOURS = { bold: [1, 22], dim: [2, 22], italic: [3, 23], underline: [4, 24], black: [30, 39], red: [31, 39], green: [32, 39], yellow: [33, 39], blue: [34, 39], magenta: [35, 39], cyan: [36, 39], white: [37, 39], gray: [90, 39], grey: [90, 39] };

/** Standard output is no terminal here, so a text stays as it is, unless the caller insists. */
export function styleText(style, text, options = {}) {
  if (options.validateStream !== false) return text;
  return [style].flat().reduceRight((inner, name) => `\u001b[${COLOURS[name]?.[0] ?? 0}m${inner}\u001b[${COLOURS[name]?.[1] ?? 0}m`, text);
}

const tag = (value) => Object.prototype.toString.call(value).slice(8, -1);

export const types = {
  isPromise: (value) => value instanceof Promise,
  isRegExp: (value) => value instanceof RegExp,
  isDate: (value) => value instanceof Date,
  isMap: (value) => value instanceof Map,
  isSet: (value) => value instanceof Set,
  isNativeError: (value) => value instanceof Error,
  isTypedArray: (value) => ArrayBuffer.isView(value) && !(value instanceof DataView),
  isUint8Array: (value) => value instanceof Uint8Array,
  isArrayBuffer: (value) => value instanceof ArrayBuffer,
  isAsyncFunction: (value) => tag(value) === "AsyncFunction",
  isGeneratorFunction: (value) => tag(value) === "GeneratorFunction",
};

/** util.parseArgs for options that are given as Node.js's documentation shows. */
export function parseArgs({ args = globalThis.process.argv.slice(2), options = {}, strict = true, allowPositionals = !strict } = {}) {
  const values = Object.create(null);
  const positionals = [];
  const bad = (text) => Object.assign(new TypeError(text), { code: "ERR_PARSE_ARGS_UNKNOWN_OPTION" });
  const keep = (name, value) => {
    if (options[name]?.multiple) (values[name] ??= []).push(value);
    else values[name] = value;
  };
  const rest = [...args];
  while (rest.length > 0) {
    const word = rest.shift();
    if (word === "--") {
      positionals.push(...rest.splice(0));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      if (!allowPositionals) throw bad(`Unexpected argument '${word}'. This command does not take positional arguments`);
      positionals.push(word);
      continue;
    }
    let [name, value] = word.startsWith("--") ? word.slice(2).split(/=(.*)/s) : [word[1], word.slice(2) || undefined];
    if (!word.startsWith("--")) name = Object.keys(options).find((key) => options[key].short === name) ?? name;
    const known = options[name];
    if (!known && strict) throw bad(`Unknown option '${word}'`);
    if (known?.type === "string") {
      value ??= rest.shift();
      if (value === undefined) throw bad(`Option '--${name} <value>' argument missing`);
      keep(name, value);
    } else keep(name, value ?? true);
  }
  for (const [name, known] of Object.entries(options)) if (!(name in values) && known.default !== undefined) values[name] = known.default;
  return { values, positionals };
}

export default {
  inspect, format, formatWithOptions, isDeepStrictEqual, TextEncoder, TextDecoder, promisify, callbackify, inherits,
  deprecate, debuglog, stripVTControlCharacters, toUSVString, styleText, types, parseArgs,
};
