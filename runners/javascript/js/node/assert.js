// node:assert: checks that throw an AssertionError. Equality is strict wherever the name says so.
import { loadNow } from "coo:require";

const inspect = (value) => loadNow("coo:inspect").inspect(value);

export class AssertionError extends Error {
  constructor(options) {
    super(options.message ?? `${inspect(options.actual)} ${options.operator} ${inspect(options.expected)}`);
    this.generatedMessage = options.message === undefined;
    this.code = "ERR_ASSERTION";
    this.actual = options.actual;
    this.expected = options.expected;
    this.operator = options.operator;
  }
}
Object.defineProperty(AssertionError.prototype, "name", { value: "AssertionError", configurable: true, writable: true });

function fail(actual, expected, message, operator, text) {
  if (message instanceof Error) throw message;
  throw new AssertionError({ actual, expected, operator, message: message ?? text });
}

function equal(a, b, isStrict, seen) {
  if (isStrict ? Object.is(a, b) : a == b || (a !== a && b !== b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (isStrict && Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (seen.some(([x, y]) => x === a && y === b)) return true;
  seen = [...seen, [a, b]];
  const same = (x, y) => equal(x, y, isStrict, seen);
  if (a instanceof Date && b instanceof Date) {
    if (!Object.is(a.getTime(), b.getTime())) return false;
  } else if (a instanceof RegExp && b instanceof RegExp) {
    if (String(a) !== String(b)) return false;
  } else if (a instanceof Error && b instanceof Error) {
    if (a.name !== b.name || a.message !== b.message) return false;
  } else if (a instanceof Map || b instanceof Map) {
    if (!(a instanceof Map && b instanceof Map) || a.size !== b.size) return false;
    for (const [key, value] of a) {
      const found = b.has(key) ? [key] : [...b.keys()].filter((other) => typeof key === "object" && same(key, other));
      if (found.length === 0 || !same(value, b.get(found[0]))) return false;
    }
  } else if (a instanceof Set || b instanceof Set) {
    if (!(a instanceof Set && b instanceof Set) || a.size !== b.size) return false;
    for (const value of a) if (!b.has(value) && ![...b].some((other) => typeof value === "object" && same(value, other))) return false;
  } else if ((a instanceof Number || a instanceof String || a instanceof Boolean) && !Object.is(a.valueOf(), b.valueOf())) return false;
  const keys = Object.keys(a);
  const others = Object.keys(b);
  if (keys.length !== others.length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}

export const isDeepStrictEqual = (a, b) => equal(a, b, true, []);

export function ok(value, message) {
  if (!value) fail(value, true, message, "==", arguments.length === 0 ? "No value argument passed to `assert.ok()`" : "The expression evaluated to a falsy value");
}

const strictEqual = (a, b, message) => Object.is(a, b) || fail(a, b, message, "strictEqual", `Expected values to be strictly equal:\n\n${inspect(a)} !== ${inspect(b)}\n`);
const notStrictEqual = (a, b, message) => !Object.is(a, b) || fail(a, b, message, "notStrictEqual", `Expected "actual" to be strictly unequal to: ${inspect(b)}`);
const looseEqual = (a, b, message) => a == b || (a !== a && b !== b) || fail(a, b, message, "==");
const notEqual = (a, b, message) => a != b || fail(a, b, message, "!=");
const deepStrictEqual = (a, b, message) => equal(a, b, true, []) || fail(a, b, message, "deepStrictEqual", `Expected values to be strictly deep-equal:\n${inspect(a)}\n\nshould equal\n\n${inspect(b)}`);
const notDeepStrictEqual = (a, b, message) => !equal(a, b, true, []) || fail(a, b, message, "notDeepStrictEqual");
const deepEqual = (a, b, message) => equal(a, b, false, []) || fail(a, b, message, "deepEqual");
const notDeepEqual = (a, b, message) => !equal(a, b, false, []) || fail(a, b, message, "notDeepEqual");
const match = (text, pattern, message) => pattern.test(text) || fail(text, pattern, message, "match", `The input did not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`);
const doesNotMatch = (text, pattern, message) => !pattern.test(text) || fail(text, pattern, message, "doesNotMatch");

function fits(error, expected, message) {
  if (expected === undefined) return;
  if (typeof expected === "string") return;
  if (expected instanceof RegExp) return match(String(error), expected, message);
  if (typeof expected === "function") {
    if (expected.prototype !== undefined && error instanceof expected) return;
    if (Error.isPrototypeOf(expected)) throw error;
    if (expected(error) === true) return;
    throw error;
  }
  for (const [key, value] of Object.entries(expected)) {
    if (value instanceof RegExp && typeof error[key] === "string") match(error[key], value, message);
    else deepStrictEqual(error[key], value, message);
  }
}

function throws(call, expected, message) {
  let caught;
  try {
    call();
  } catch (error) {
    caught = { error };
  }
  if (!caught) fail(undefined, expected, typeof expected === "string" ? expected : message, "throws", "Missing expected exception.");
  fits(caught.error, expected, message);
}
function doesNotThrow(call, message) {
  try {
    call();
  } catch (error) {
    fail(error, undefined, typeof message === "string" ? message : undefined, "doesNotThrow", `Got unwanted exception.\nActual message: "${error?.message}"`);
  }
}
async function rejects(promise, expected, message) {
  let caught;
  try {
    await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    caught = { error };
  }
  if (!caught) fail(undefined, expected, typeof expected === "string" ? expected : message, "rejects", "Missing expected rejection.");
  fits(caught.error, expected, message);
}
async function doesNotReject(promise, message) {
  try {
    await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    fail(error, undefined, typeof message === "string" ? message : undefined, "doesNotReject", `Got unwanted rejection.\nActual message: "${error?.message}"`);
  }
}
const ifError = (value) => {
  if (value !== null && value !== undefined) throw value;
};
const failNow = (message = "Failed") => fail(undefined, undefined, message, "fail");

function assert(value, message) {
  if (!value) fail(value, true, message, "==", "The expression evaluated to a falsy value");
}
const strict = Object.assign((value, message) => assert(value, message), {});
const members = {
  ok, strictEqual, notStrictEqual, deepStrictEqual, notDeepStrictEqual, match, doesNotMatch, throws, doesNotThrow, rejects,
  doesNotReject, ifError, fail: failNow, AssertionError,
};
Object.assign(strict, members, { equal: strictEqual, notEqual: notStrictEqual, deepEqual: deepStrictEqual, notDeepEqual: notDeepStrictEqual });
Object.assign(assert, members, { equal: looseEqual, notEqual, deepEqual, notDeepEqual, strict });
strict.strict = strict;

export {
  assert as default, looseEqual as equal, notEqual, strictEqual, notStrictEqual, deepEqual, notDeepEqual, deepStrictEqual,
  notDeepStrictEqual, match, doesNotMatch, throws, doesNotThrow, rejects, doesNotReject, ifError, failNow as fail, strict, assert,
};
