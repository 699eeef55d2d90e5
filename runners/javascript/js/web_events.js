// Event, EventTarget and the abort signals of the web. Calls listeners at once and in order.
import { setTimeout } from "coo:timers";

export class Event {
  constructor(type, options = {}) {
    this.type = String(type);
    this.bubbles = Boolean(options.bubbles);
    this.cancelable = Boolean(options.cancelable);
    this.defaultPrevented = false;
    this.target = null;
    this.currentTarget = null;
    this.timeStamp = 0;
  }
  preventDefault() {
    if (this.cancelable) this.defaultPrevented = true;
  }
  stopPropagation() {}
  stopImmediatePropagation() {
    this._stopped = true;
  }
}

export class CustomEvent extends Event {
  constructor(type, options = {}) {
    super(type, options);
    this.detail = options.detail ?? null;
  }
}

const lists = new WeakMap();

export class EventTarget {
  addEventListener(type, listener, options) {
    if (!listener) return;
    if (!lists.has(this)) lists.set(this, new Map());
    const byType = lists.get(this);
    if (!byType.has(type)) byType.set(type, []);
    const list = byType.get(type);
    if (list.some((known) => known.listener === listener)) return;
    list.push({ listener, once: typeof options === "object" && Boolean(options?.once) });
  }
  removeEventListener(type, listener) {
    const list = lists.get(this)?.get(type);
    const place = list?.findIndex((known) => known.listener === listener) ?? -1;
    if (place >= 0) list.splice(place, 1);
  }
  dispatchEvent(event) {
    event.target = event.currentTarget = this;
    const handler = this["on" + event.type];
    if (typeof handler === "function") handler.call(this, event);
    for (const { listener, once } of [...(lists.get(this)?.get(event.type) ?? [])]) {
      if (event._stopped) break;
      if (once) this.removeEventListener(event.type, listener);
      if (typeof listener === "function") listener.call(this, event);
      else listener.handleEvent(event);
    }
    return !event.defaultPrevented;
  }
}

const KEY = Symbol("key");

export class AbortSignal extends EventTarget {
  constructor(key) {
    if (key !== KEY) throw new TypeError("Illegal constructor");
    super();
    this.aborted = false;
    this.reason = undefined;
    this.onabort = null;
  }
  throwIfAborted() {
    if (this.aborted) throw this.reason;
  }
  static abort(reason) {
    const signal = new AbortSignal(KEY);
    abort(signal, reason);
    return signal;
  }
  static timeout(milliseconds) {
    const signal = new AbortSignal(KEY);
    const timer = setTimeout(
      () => abort(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError")),
      milliseconds,
    );
    timer.unref();
    return signal;
  }
  static any(signals) {
    const signal = new AbortSignal(KEY);
    for (const other of signals) {
      if (other.aborted) {
        abort(signal, other.reason);
        break;
      }
      other.addEventListener("abort", () => abort(signal, other.reason), { once: true });
    }
    return signal;
  }
}

function abort(signal, reason) {
  if (signal.aborted) return;
  signal.aborted = true;
  signal.reason = reason === undefined ? new DOMException("This operation was aborted", "AbortError") : reason;
  signal.dispatchEvent(new Event("abort"));
}

export class AbortController {
  constructor() {
    this.signal = new AbortSignal(KEY);
  }
  abort(reason) {
    abort(this.signal, reason);
  }
}

