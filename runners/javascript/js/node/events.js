// node:events: EventEmitter and once. Calls listeners at once and in order; an "error" that nobody listens
// to is thrown.

export class EventEmitter {
  #listeners = new Map();
  static defaultMaxListeners = 10;

  on(name, listener) {
    return this.#add(name, listener, listener, false);
  }
  addListener(name, listener) {
    return this.on(name, listener);
  }
  prependListener(name, listener) {
    return this.#add(name, listener, listener, true);
  }
  once(name, listener) {
    return this.#add(name, listener, this.#single(name, listener), false);
  }
  prependOnceListener(name, listener) {
    return this.#add(name, listener, this.#single(name, listener), true);
  }
  #single(name, listener) {
    const call = (...args) => {
      this.off(name, listener);
      return listener.apply(this, args);
    };
    return call;
  }
  #add(name, listener, call, isFirst) {
    if (typeof listener !== "function") throw new TypeError(`The "listener" argument must be of type function. Received ${listener === null ? "null" : typeof listener}`);
    if (this.#listeners.has("newListener") && name !== "newListener") this.emit("newListener", name, listener);
    const list = this.#listeners.get(name) ?? [];
    this.#listeners.set(name, isFirst ? [{ listener, call }, ...list] : [...list, { listener, call }]);
    return this;
  }
  off(name, listener) {
    const list = this.#listeners.get(name) ?? [];
    const place = list.findLastIndex((known) => known.listener === listener);
    if (place >= 0) {
      const left = list.toSpliced(place, 1);
      if (left.length > 0) this.#listeners.set(name, left);
      else this.#listeners.delete(name);
    }
    return this;
  }
  removeListener(name, listener) {
    return this.off(name, listener);
  }
  removeAllListeners(name) {
    if (name === undefined) this.#listeners.clear();
    else this.#listeners.delete(name);
    return this;
  }
  emit(name, ...args) {
    const list = this.#listeners.get(name);
    if (!list) {
      if (name !== "error") return false;
      if (args[0] instanceof Error) throw args[0];
      throw Object.assign(new Error(`Unhandled error. (${String(args[0])})`), { code: "ERR_UNHANDLED_ERROR", context: args[0] });
    }
    for (const { call } of list) call.apply(this, args);
    return true;
  }
  listeners(name) {
    return (this.#listeners.get(name) ?? []).map(({ listener }) => listener);
  }
  rawListeners(name) {
    return (this.#listeners.get(name) ?? []).map(({ call }) => call);
  }
  listenerCount(name) {
    return (this.#listeners.get(name) ?? []).length;
  }
  eventNames() {
    return [...this.#listeners.keys()];
  }
  setMaxListeners() {
    return this;
  }
  getMaxListeners() {
    return EventEmitter.defaultMaxListeners;
  }
}

/** A promise of the arguments of the next event of this name. */
export function once(emitter, name) {
  return new Promise((resolve, reject) => {
    const failed = (error) => {
      emitter.off(name, done);
      reject(error);
    };
    const done = (...args) => {
      emitter.off("error", failed);
      resolve(args);
    };
    emitter.once(name, done);
    if (name !== "error") emitter.once("error", failed);
  });
}

Object.assign(EventEmitter, { EventEmitter, once });
export default EventEmitter;
