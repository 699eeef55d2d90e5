// What the shims of model packages have in common: refusals by name, notes about what is not passed on,
// images, and promises that scripts use as the packages' own. Makes no call itself.
import host from "coo:host";

/** Something that the package has and a mission has not: throws when it is called. */
export function refusing(path, instead) {
  const call = () => {
    throw new Error(`${path} can't be used: ${instead}`);
  };
  return new Proxy(call, {
    get(target, name) {
      if (typeof name === "symbol" || name === "then" || name === "prototype") return target[name];
      return refusing(`${path}.${name}`, instead);
    },
    construct: call,
  });
}

/** An object whose unknown members refuse by name. */
export function withRefusals(object, path, instead) {
  return new Proxy(object, {
    get(target, name, self) {
      if (name in target || typeof name === "symbol" || name === "then" || name === "toJSON") return Reflect.get(target, name, self);
      return refusing(`${path}.${name}`, instead);
    },
  });
}

const noted = new Set();

/** Says once on standard error what a call asks for and the host can't pass on. */
export function note(text) {
  if (noted.has(text)) return;
  noted.add(text);
  host.print(true, `coo: ${text}\n`);
}

/** Sorts the parameters of a call: throws by name for those that can't be had. */
export function checked(call, given, { known, quiet, noted: passed, refused }) {
  const values = {};
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === undefined || value === null) continue;
    if (known.includes(name)) values[name] = value;
    else if (quiet.includes(name)) continue;
    else if (passed.includes(name)) note(`${call}: ${name} is not passed on to the model`);
    else if (!(name in refused)) throw new TypeError(`${call}: ${name} can't be used: this runner does not know it`);
    else if (refused[name](value)) throw new TypeError(`${call}: ${name} can't be used: the host's model interface has none`);
  }
  return values;
}

/** The image of a data URL. */
export function imageOf(url, call) {
  const match = /^data:([a-z]+\/[a-z0-9.+-]+);base64,([A-Za-z0-9+/=_-]+)$/i.exec(String(url));
  if (!match) throw new TypeError(`${call}: an image is given by its bytes as a data URL (data:image/png;base64,…): a mission has no network`);
  return { media_type: match[1].toLowerCase(), base64: host.toBase64(host.fromBase64(match[2].replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "")) ?? new Uint8Array(0)) };
}

/** A promise with the extra methods of the packages' own. */
export function apiPromise(promise, id = "req_coo") {
  const response = { ok: true, status: 200, statusText: "OK", headers: new Map([["x-request-id", id]]) };
  return Object.defineProperties(promise, {
    withResponse: { value: () => promise.then((data) => ({ data, response, request_id: id })) },
    asResponse: { value: () => promise.then(() => response) },
  });
}

/** An answer as a stream that has come whole. */
export class Whole {
  constructor(items) {
    this.items = items;
    this.controller = { abort() {}, signal: { aborted: false } };
  }
  async *[Symbol.asyncIterator]() {
    for (const item of this.items) yield item;
  }
  tee() {
    return [new Whole(this.items), new Whole(this.items)];
  }
}

let count = 0;

/** An identifier that repeats with every run. */
export function nextId(prefix) {
  count++;
  return prefix + String(count).padStart(8, "0");
}

export const seconds = () => Math.floor(Date.now() / 1000);
