// The global names that Node.js has and QuickJS has not. What costs time to make is made when a script
// first uses it. What can't be here is refused by a sentence that says what to do.
import host from "coo:host";
import { console } from "coo:console";
import * as timers from "coo:timers";
import { installStack } from "coo:stack";
import { loadNow, makeRequire } from "coo:require";
import { refusals } from "coo:refused";

const global = globalThis;

function define(name, value) {
  Object.defineProperty(global, name, { value, writable: true, configurable: true, enumerable: false });
}

/** A global that a module of the runner makes when it is first used. */
function later(module, ...names) {
  for (const name of names) {
    Object.defineProperty(global, name, {
      get() {
        const value = loadNow(module)[name];
        define(name, value);
        return value;
      },
      set(value) {
        define(name, value);
      },
      configurable: true,
      enumerable: false,
    });
  }
}

/** Makes the globals; once, before the script runs. */
export function installGlobals(script) {
  installStack();
  define("global", global);
  define("console", console);
  for (const name of ["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate"]) {
    define(name, timers[name]);
  }
  Object.defineProperty(Math, "random", { value: function random() { return host.chance(); }, writable: true, configurable: true });
  later("coo:encoding", "TextEncoder", "TextDecoder", "atob", "btoa");
  later("coo:events", "Event", "EventTarget", "CustomEvent", "AbortController", "AbortSignal");
  later("coo:url", "URL", "URLSearchParams");
  later("coo:clone", "structuredClone");
  later("node:buffer", "Buffer");
  later("node:process", "process");
  later("node:perf_hooks", "performance");
  later("coo:intl", "Intl");
  Object.defineProperty(global, "crypto", {
    get() {
      const { webcrypto } = loadNow("node:crypto");
      define("crypto", webcrypto);
      return webcrypto;
    },
    set(value) {
      define("crypto", value);
    },
    configurable: true,
  });
  define("require", makeRequire(script.main));
  for (const [name, refuse] of refusals) define(name, refuse);
  for (const name of ["toString", "toTimeString"]) {
    const plain = Date.prototype[name];
    const text = { [name]() { return plain.call(this).replace(/ GMT\+0000$/, " GMT+0000 (Coordinated Universal Time)"); } }[name];
    Object.defineProperty(Date.prototype, name, { value: text, writable: true, configurable: true });
  }
  const locale = (prototype, names) => {
    for (const name of names) {
      Object.defineProperty(prototype, name, {
        value: { [name](...args) { return loadNow("coo:intl").localeTexts[name].call(this, ...args); } }[name],
        writable: true,
        configurable: true,
      });
    }
  };
  locale(Number.prototype, ["toLocaleString"]);
  locale(Date.prototype, ["toLocaleDateString", "toLocaleTimeString"]);
  Object.defineProperty(Date.prototype, "toLocaleString", {
    value: function toLocaleString(...args) { return loadNow("coo:intl").localeTexts.toLocaleDateTimeString.call(this, ...args); },
    writable: true,
    configurable: true,
  });
}
