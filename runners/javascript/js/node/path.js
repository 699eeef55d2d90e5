// node:path for `/` as the separator. Computes with texts alone: there is no file system, and the
// working directory is `/`.

export const sep = "/";
export const delimiter = ":";

function parts(path, isAbsolute) {
  const kept = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && kept.length > 0 && kept.at(-1) !== "..") kept.pop();
    else if (part !== ".." || !isAbsolute) kept.push(part);
  }
  return kept;
}

function text(path) {
  if (typeof path === "string") return path;
  const error = new TypeError(`The "path" argument must be of type string. Received ${path === null ? "null" : typeof path}`);
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

export const isAbsolute = (path) => text(path).startsWith("/");

export function normalize(path) {
  if (text(path) === "") return ".";
  const absolute = isAbsolute(path);
  const joined = parts(path, absolute).join("/");
  const tail = path.endsWith("/") && joined !== "" ? "/" : "";
  return (absolute ? "/" : "") + joined + tail || (absolute ? "/" : ".");
}

export function join(...paths) {
  const joined = paths.map(text).filter((path) => path !== "").join("/");
  return joined === "" ? "." : normalize(joined);
}

export function resolve(...paths) {
  let whole = "";
  for (const path of [...paths].reverse()) {
    if (text(path) === "") continue;
    whole = whole === "" ? path : `${path}/${whole}`;
    if (isAbsolute(path)) break;
  }
  return "/" + parts(whole, true).join("/");
}

export function dirname(path) {
  const trimmed = text(path).replace(/\/+$/, "");
  if (trimmed === "") return path.startsWith("/") ? "/" : ".";
  const at = trimmed.lastIndexOf("/");
  return at < 0 ? "." : trimmed.slice(0, at).replace(/\/+$/, "") || "/";
}

export function basename(path, ending = "") {
  const name = text(path).replace(/\/+$/, "").split("/").at(-1);
  return ending !== "" && name !== ending && name.endsWith(ending) ? name.slice(0, -ending.length) : name;
}

export function extname(path) {
  const name = basename(path);
  const at = name.lastIndexOf(".");
  return at <= 0 || name === ".." ? "" : name.slice(at);
}

export function relative(from, to) {
  const [a, b] = [from, to].map((path) => resolve(path).split("/").filter(Boolean));
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  return [...a.slice(same).map(() => ".."), ...b.slice(same)].join("/");
}

export function parse(path) {
  const base = basename(path);
  const ext = extname(path);
  const dir = dirname(path);
  return { root: isAbsolute(path) ? "/" : "", dir: path.includes("/") ? dir : "", base, ext, name: ext ? base.slice(0, -ext.length) : base };
}

export function format({ dir, root = "", base, name = "", ext = "" }) {
  const file = base || name + (ext && !ext.startsWith(".") ? "." : "") + ext;
  const folder = dir || root;
  return folder ? (folder === root ? folder + file : `${folder}/${file}`) : file;
}

export const toNamespacedPath = (path) => path;

const path = { sep, delimiter, isAbsolute, normalize, join, resolve, dirname, basename, extname, relative, parse, format, toNamespacedPath };
path.posix = path;
export const posix = path;
export default path;
