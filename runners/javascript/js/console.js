// The console: log, info and debug to standard output, warn and error to standard error, as in Node.js.
// Texts and numbers take the short way; what else there is, coo:inspect shows.
import host from "coo:host";
import { loadNow } from "coo:require";

let indentation = "";
const counts = new Map();
const begun = new Map();

const isShort = (value) => typeof value === "string" || typeof value === "boolean";

function textOf(args) {
  if (args.every(isShort) && !(typeof args[0] === "string" && args.length > 1 && args[0].includes("%"))) return args.join(" ");
  return loadNow("coo:inspect").format(...args);
}

function put(toError, args) {
  let text = textOf(args);
  if (indentation) text = indentation + text.replaceAll("\n", "\n" + indentation);
  host.print(toError, text.toWellFormed() + "\n");
}

const log = (...args) => put(false, args);
const error = (...args) => put(true, args);

function timeText(label) {
  const at = begun.get(label);
  const passed = host.elapsed() - at;
  if (passed >= 1000) return `${(passed / 1000).toFixed(3)}s`;
  return `${Number(passed.toFixed(3))}ms`;
}

/** The global `console`. */
export const console = {
  log,
  info: log,
  debug: log,
  error,
  warn: error,
  trace(...args) {
    const place = new Error(textOf(args));
    error(place.stack.replace(/^Error/, "Trace"));
  },
  assert(condition, ...args) {
    if (condition) return;
    if (typeof args[0] === "string") args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift("Assertion failed");
    error(...args);
  },
  dir(value, options) {
    put(false, [loadNow("coo:inspect").inspect(value, { customInspect: false, ...options })]);
  },
  dirxml: log,
  group(...args) {
    if (args.length > 0) log(...args);
    indentation += "  ";
  },
  groupCollapsed(...args) {
    console.group(...args);
  },
  groupEnd() {
    indentation = indentation.slice(2);
  },
  count(label = "default") {
    const count = (counts.get(String(label)) ?? 0) + 1;
    counts.set(String(label), count);
    log(`${label}: ${count}`);
  },
  countReset(label = "default") {
    counts.delete(String(label));
  },
  time(label = "default") {
    begun.set(String(label), host.elapsed());
  },
  timeLog(label = "default", ...args) {
    if (begun.has(String(label))) log(`${label}: ${timeText(String(label))}`, ...args);
    else error(`Warning: No such label '${label}' for console.timeLog()`);
  },
  timeEnd(label = "default") {
    if (!begun.has(String(label))) return error(`Warning: No such label '${label}' for console.timeEnd()`);
    log(`${label}: ${timeText(String(label))}`);
    begun.delete(String(label));
  },
  table(rows, columns) {
    if (rows === null || typeof rows !== "object") return log(rows);
    log(loadNow("coo:inspect").table(rows, columns));
  },
  clear() {},
};
