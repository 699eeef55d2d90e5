// The older module system of Node.js over the script's files, loading of the runner's own modules when a
// script first uses them, and the script's explicit output. Resolves names as imports do.
import host from "coo:host";

const loaded = new Map();
let received;

/** Called by the text that loadNow evaluates. */
export function receive(namespace) {
  received = namespace;
}

/** Loads a module by its full name, at once; returns its namespace. */
export function loadNow(name) {
  if (loaded.has(name)) return loaded.get(name);
  const from = JSON.stringify(host.source(name) === undefined ? name : "file:" + name);
  host.evaluate("coo:load", `import * as m from ${from}; import { receive } from "coo:require"; receive(m);`);
  const namespace = received;
  received = undefined;
  loaded.set(name, namespace);
  return namespace;
}

/** A module of the runner that a global has loaded; undefined if none has. */
export const loadedNow = (name) => loaded.get(name);

const files = new Map();
let mainModule;

/** Runs a file of the older module system once; returns what it exports. */
export function requireFile(path) {
  const known = files.get(path);
  if (known) return known.exports;
  const source = host.source(path);
  const module = { exports: {}, id: path, filename: "/" + path, path: "/" + path.split("/").slice(0, -1).join("/"), loaded: false, children: [] };
  files.set(path, module);
  mainModule ??= module;
  try {
    const text = `(function (exports, require, module, __filename, __dirname) {${source.replace(/^#!.*/, "")}\n})`;
    const run = host.compile(text, path);
    run.call(module.exports, module.exports, makeRequire(path), module, module.filename, module.path);
  } catch (error) {
    files.delete(path);
    throw error;
  }
  module.loaded = true;
  return module.exports;
}

const isOld = (path, source) =>
  /\.c[jt]s$/.test(path) ||
  (!/\.m[jt]s$/.test(path) &&
    !/^[ \t]*(import[ {*"']|export[ {*])/m.test(source) &&
    /require\(|module\.exports|exports\./.test(source));

/** The function `require` of a file. */
export function makeRequire(base) {
  const require = (name) => {
    const path = host.resolve(base, String(name));
    const source = host.source(path);
    if (source === undefined) {
      const namespace = loadNow(path);
      return "default" in namespace ? namespace.default : namespace;
    }
    if (path.endsWith(".json")) return JSON.parse(source);
    if (isOld(path, source)) return requireFile(path);
    return loadNow(path);
  };
  require.resolve = (name) => host.resolve(base, String(name));
  require.cache = {};
  Object.defineProperty(require, "main", { get: () => mainModule, enumerable: true });
  return require;
}

let output = { given: false, value: undefined };

/** Keeps the script's output; a later one replaces it. */
export function setOutput(value) {
  output = { given: true, value: typeof value === "string" ? value.toWellFormed() : loadNow("coo:clone").canonical(value) };
}

/** The output that the script gave; empty if it gave none. */
export function takeOutput() {
  return output.given ? output.value : "";
}

