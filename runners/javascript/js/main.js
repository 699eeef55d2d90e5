// Starts the script and drives it: what src/script.rs calls. Fires one timer at a time, and makes the
// model calls that wait when nothing else can run. Decides nothing about the mission's end.
import host from "coo:host";
import { installGlobals } from "coo:globals";
import { fireDue, nextDue } from "coo:timers";
import { makeCalls, haveCalls } from "coo:calls";
import { loadedNow, loadNow, takeOutput, setOutput } from "coo:require";

const script = host.script();
installGlobals(script);

/** Loads the script's main file, and calls its default export if it is a function. */
export async function start() {
  const main = await import("file:" + script.main);
  const entry = main.default;
  if (typeof entry !== "function" || !main[Symbol.toStringTag] || isClass(entry)) return;
  const result = await entry(script.input);
  if (result !== undefined) setOutput(result);
}

const isClass = (value) => /^class\b/.test(Function.prototype.toString.call(value));

/** Does the next thing after all jobs have run; false if there is none. */
export function step() {
  if (fireDue(host.elapsed())) return true;
  if (haveCalls()) {
    makeCalls();
    return true;
  }
  const due = nextDue();
  if (due === undefined) return false;
  const now = host.elapsed();
  if (due > now) host.sleep(due - now);
  // A fraction of a nanosecond may be missing.
  return fireDue(Math.max(due, host.elapsed()));
}

/** The error of a script that waits for nothing. */
export function deadlock() {
  const error = new Error(
    "deadlock: the script waits for a promise that nothing will resolve: no timer is set and no model call is under way",
  );
  error.stack = "Error: " + error.message;
  return error;
}

/** The text of the mission's output; empty if the script gave none. Ends with the script's own status. */
export function finish(hasExited) {
  const process = loadedNow("node:process")?.process;
  if (process && !hasExited) {
    process.emit("exit", Number(process.exitCode ?? 0));
    if (process.exitCode) process.exit();
  }
  return takeOutput();
}

/** Writes the traceback of an uncaught error, and gives the one line of the mission's reason. */
export function report(error) {
  return loadNow("coo:failure").report(error);
}
