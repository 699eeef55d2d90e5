// What an uncaught error says: one line for the mission's reason, and the whole traceback for standard
// error. Shows the author's own files alone, with the source line. Never throws, whatever was thrown.
import host from "coo:host";
import { FRAME, headerOf, isOwn } from "coo:stack";

const IMPORT = /^module '(.*?)', imported from (.*?), can't be imported: /s;
const MESSAGE_LENGTH_MAX = 2000;

/** The frames of an error in the author's files, innermost first. */
function framesOf(error) {
  let text;
  try {
    text = error.stack;
  } catch {
    return [];
  }
  if (typeof text !== "string") return [];
  const frames = [];
  const failed = IMPORT.exec(String(error.message));
  for (const line of text.split("\n")) {
    const match = FRAME.exec(line);
    if (!match || !match[3] || match[2] === "native" || isOwn(match[2])) continue;
    const called = match[1] && !/^<.*>$/.test(match[1]) ? match[1] : undefined;
    frames.push({ called, file: match[2], line: Number(match[3]), column: Number(match[4] ?? 1) });
  }
  if (frames.length === 0 && failed) return importing(failed[1], failed[2]);
  return frames;
}

/** Where a file imports a module: QuickJS does not say it. */
function importing(name, file) {
  const lines = (host.source(file) ?? "").split("\n");
  const quoted = [`"${name}"`, `'${name}'`, `\`${name}\``];
  const at = lines.findIndex((line) => quoted.some((text) => line.includes(text)));
  if (at < 0) return [];
  return [{ called: undefined, file, line: at + 1, column: Math.max(...quoted.map((text) => lines[at].indexOf(text))) + 1 }];
}

const oneLine = (text) => text.replace(/\s*[\r\n]+\s*/g, " ").trim();

const shorten = (text) => {
  if (text.length <= MESSAGE_LENGTH_MAX) return text;
  return text.slice(0, MESSAGE_LENGTH_MAX).toWellFormed() + " …";
};

function sourceLine(frame) {
  const source = host.source(frame.file);
  return source === undefined ? "" : (source.split(/\r\n|\n|\r/)[frame.line - 1] ?? "");
}

function isError(value) {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]" || value instanceof DOMException;
}

function plain(value) {
  if (typeof value === "string") return JSON.stringify(value);
  try {
    const text = JSON.stringify(value);
    if (text !== undefined) return text;
  } catch {
    // It has no JSON text.
  }
  return String(value);
}

/** The one line of the mission's reason. */
function reason(error) {
  if (!isError(error)) return `Uncaught ${oneLine(shorten(plain(error)))}`;
  const text = oneLine(shorten(headerOf(error)));
  const [frame] = framesOf(error);
  if (!frame) return text;
  const source = sourceLine(frame).trim();
  const place = `${frame.file}:${frame.line}${frame.called ? ` in ${frame.called}` : ""}`;
  return `${text}, at ${place}${source ? `: ${shorten(source)}` : ""}`;
}

function traceback(error, depth = 0) {
  if (!isError(error)) return `Uncaught ${plain(error)}\n`;
  const lines = [];
  const frames = framesOf(error);
  if (depth === 0 && frames.length > 0) {
    const [frame] = frames;
    const source = sourceLine(frame);
    lines.push(`${frame.file}:${frame.line}`);
    if (source) lines.push(shorten(source), " ".repeat(Math.min(frame.column - 1, MESSAGE_LENGTH_MAX)) + "^");
    lines.push("");
  }
  lines.push(headerOf(error));
  for (const { called, file, line, column } of frames) {
    const place = `${file}:${line}:${column}`;
    lines.push(`    at ${called ? `${called} (${place})` : place}`);
  }
  let text = lines.join("\n") + "\n";
  const indent = (inner) => inner.replace(/^(?=.)/gm, "  ");
  if (depth < 8 && Array.isArray(error.errors)) {
    for (const inner of error.errors.slice(0, 20)) text += indent(`[error]: ${traceback(inner, depth + 1)}`);
  }
  if (depth < 8 && error.cause !== undefined) text += indent(`[cause]: ${traceback(error.cause, depth + 1)}`);
  return text;
}

/** Writes the traceback to standard error and returns the one line. */
export function report(error) {
  try {
    host.print(true, traceback(error).toWellFormed());
  } catch {
    // The line below still says what happened.
  }
  try {
    return reason(error).toWellFormed();
  } catch {
    return "Error: a value that can't be shown was thrown";
  }
}
