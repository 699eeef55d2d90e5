// node:fs: a mission has no files. Standard input can be read, and standard output and error written, by
// their numbers; everything else is refused by a sentence that says what to do.
import host from "coo:host";
import { bytesOf, utf8 } from "coo:encoding";
import { standardInput } from "node:process";
import { loadNow } from "coo:require";

const READ = 'give the data as the input (coo.input, or standard input), or import it from a .js or .json file beside the script';
const WRITE = 'use gateway.write(path, content) of "coo": the artefact is on record';

/** The error of a call that a mission can't make. */
export function refused(call, path, instead) {
  const shown = typeof path === "string" || path instanceof URL ? ` '${path}'` : "";
  const error = new Error(`EACCES: a mission has no files, ${call}${shown}: ${instead}`);
  return Object.assign(error, { code: "EACCES", errno: -13, syscall: call, path: shown ? String(path) : undefined });
}

const isInput = (path) => path === 0 || path === "/dev/stdin";

export function readFileSync(path, options) {
  if (!isInput(path)) throw refused("open", path, READ);
  const encoding = typeof options === "string" ? options : options?.encoding;
  const { Buffer } = loadNow("node:buffer");
  const buffer = Buffer.from(standardInput());
  return encoding ? buffer.toString(encoding) : buffer;
}

export function writeSync(descriptor, content) {
  if (descriptor !== 1 && descriptor !== 2) throw refused("write", undefined, WRITE);
  const bytes = typeof content === "string" ? utf8(content) : bytesOf(content);
  host.printBytes(descriptor === 2, bytes);
  return bytes.length;
}

export function writeFileSync(path, content) {
  const descriptor = { "/dev/stdout": 1, "/dev/stderr": 2 }[path] ?? path;
  if (descriptor !== 1 && descriptor !== 2) throw refused("open", path, WRITE);
  writeSync(descriptor, content);
}

export const existsSync = (path) => isInput(path);

const reading = (call) => (path) => {
  throw refused(call, path, READ);
};
const writing = (call) => (path) => {
  throw refused(call, path, WRITE);
};

export const readdirSync = reading("scandir");
export const statSync = reading("stat");
export const lstatSync = reading("lstat");
export const openSync = reading("open");
export const accessSync = reading("access");
export const createReadStream = reading("open");
export const watch = reading("watch");
export const realpathSync = reading("realpath");
export const appendFileSync = writing("open");
export const createWriteStream = writing("open");
export const mkdirSync = writing("mkdir");
export const mkdtempSync = writing("mkdtemp");
export const rmSync = writing("rm");
export const unlinkSync = writing("unlink");
export const renameSync = writing("rename");
export const copyFileSync = writing("copyfile");
export const closeSync = () => {};

const later = (call) => async (...args) => call(...args);

export const promises = {
  readFile: later(readFileSync), writeFile: later(writeFileSync), readdir: later(readdirSync), stat: later(statSync),
  lstat: later(lstatSync), open: later(openSync), access: later(accessSync), appendFile: later(appendFileSync),
  mkdir: later(mkdirSync), mkdtemp: later(mkdtempSync), rm: later(rmSync), unlink: later(unlinkSync),
  rename: later(renameSync), copyFile: later(copyFileSync), realpath: later(realpathSync),
};

const back = (call) => (...args) => {
  const done = args.pop();
  if (typeof done !== "function") throw new TypeError('The "cb" argument must be of type function');
  promises[call](...args).then((value) => done(null, value), (error) => done(error));
};
export const readFile = back("readFile");
export const writeFile = back("writeFile");
export const readdir = back("readdir");
export const stat = back("stat");
export const access = back("access");
export const appendFile = back("appendFile");
export const mkdir = back("mkdir");
export const unlink = back("unlink");
export const rename = back("rename");

export default {
  readFileSync, writeSync, writeFileSync, existsSync, readdirSync, statSync, lstatSync, openSync, accessSync, createReadStream,
  watch, realpathSync, appendFileSync, createWriteStream, mkdirSync, mkdtempSync, rmSync, unlinkSync, renameSync,
  copyFileSync, closeSync, promises, readFile, writeFile, readdir, stat, access, appendFile, mkdir, unlink, rename,
};
