// Timers in the sandbox's time: it moves only when nothing else can run, by exactly what the next timer
// waits for. Timers that are due at the same time fire in the order in which they were set.
import host from "coo:host";

const DELAY_MAX = 2147483647;

// Sorted by due time, then by number.
const waiting = [];
let count = 0;

class Timeout {
  constructor(call, delay, args, repeats) {
    let wait = Number(delay);
    if (!(wait >= 1 && wait <= DELAY_MAX)) wait = 1;
    this._number = ++count;
    this._wait = Math.trunc(wait);
    this._call = call;
    this._args = args;
    this._repeats = repeats;
    this._live = true;
    byNumber.set(this._number, this);
    insert(this, host.elapsed() + this._wait);
  }
  ref() {
    return this;
  }
  unref() {
    this._quiet = true;
    return this;
  }
  hasRef() {
    return !this._quiet;
  }
  refresh() {
    remove(this);
    insert(this, host.elapsed() + this._wait);
    this._live = true;
    return this;
  }
  close() {
    clear(this);
    return this;
  }
  [Symbol.toPrimitive]() {
    return this._number;
  }
}
if (Symbol.dispose) {
  Timeout.prototype[Symbol.dispose] = function () {
    clear(this);
  };
}
const byNumber = new Map();

function insert(timer, due) {
  timer._due = due;
  timer._order = ++count;
  let low = 0;
  let high = waiting.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (waiting[middle]._due <= due) low = middle + 1;
    else high = middle;
  }
  waiting.splice(low, 0, timer);
}

function remove(timer) {
  const place = waiting.indexOf(timer);
  if (place >= 0) waiting.splice(place, 1);
}

function clear(timer) {
  const known = timer instanceof Timeout ? timer : byNumber.get(Number(timer));
  if (!known) return;
  known._live = false;
  remove(known);
  byNumber.delete(known._number);
}

function callable(call, name) {
  if (typeof call === "function") return;
  const error = new TypeError(`The "callback" argument of ${name} must be of type function. Received ${call === null ? "null" : typeof call}`);
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

export function setTimeout(call, delay, ...args) {
  callable(call, "setTimeout");
  return new Timeout(call, delay, args, false);
}

export function setInterval(call, delay, ...args) {
  callable(call, "setInterval");
  return new Timeout(call, delay, args, true);
}

export function setImmediate(call, ...args) {
  callable(call, "setImmediate");
  const timer = new Timeout(call, 1, args, false);
  remove(timer);
  insert(timer, host.elapsed());
  return timer;
}

export const clearTimeout = (timer) => clear(timer);
export const clearInterval = (timer) => clear(timer);
export const clearImmediate = (timer) => clear(timer);

/** Fires the first timer that is due at `now`; false if there is none. */
export function fireDue(now) {
  const timer = waiting[0];
  // Sums of fractions may be off by less than a nanosecond.
  if (!timer || timer._due > now + 1e-6) return false;
  waiting.shift();
  if (timer._repeats) insert(timer, Math.max(timer._due, now) + timer._wait);
  else byNumber.delete(timer._number);
  timer._call(...timer._args);
  return true;
}

/** When the next timer is due that keeps the script going, in its own milliseconds. */
export function nextDue() {
  return waiting.some((timer) => !timer._quiet) ? waiting[0]._due : undefined;
}

/** A promise that resolves after `delay` milliseconds. */
export function sleep(delay, value, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => resolve(value), delay);
    signal?.addEventListener("abort", () => {
      clear(timer);
      reject(signal.reason);
    });
  });
}
