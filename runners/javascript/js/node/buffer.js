// node:buffer: bytes with texts of several encodings. A Buffer is a Uint8Array with what scripts use of
// Node.js's; it never shares memory that it was not given.
import host from "coo:host";
import { atob, btoa, bytesOf, latin1, utf16, utf8 } from "coo:encoding";

const NAMES = {
  utf8: "utf8", "utf-8": "utf8", hex: "hex", base64: "base64", base64url: "base64url", ascii: "ascii", latin1: "latin1",
  binary: "latin1", ucs2: "utf16le", "ucs-2": "utf16le", utf16le: "utf16le", "utf-16le": "utf16le",
};

function encodingOf(name = "utf8") {
  const found = NAMES[String(name).toLowerCase()];
  if (!found) throw Object.assign(new TypeError(`Unknown encoding: ${name}`), { code: "ERR_UNKNOWN_ENCODING" });
  return found;
}

function encode(text, encoding) {
  switch (encodingOf(encoding)) {
    case "utf8":
      return utf8(text);
    case "hex": {
      const digits = /^(?:[0-9a-fA-F]{2})*/.exec(text)[0];
      return Uint8Array.from({ length: digits.length / 2 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
    }
    case "base64":
    case "base64url": {
      const digits = text.split("=")[0].replaceAll("-", "+").replaceAll("_", "/").replace(/[^A-Za-z0-9+/]/g, "");
      return host.fromBase64(digits.length % 4 === 1 ? digits.slice(0, -1) : digits) ?? new Uint8Array(0);
    }
    case "utf16le": {
      const bytes = new Uint8Array(text.length * 2);
      for (let at = 0; at < text.length; at++) {
        bytes[2 * at] = text.charCodeAt(at) & 255;
        bytes[2 * at + 1] = text.charCodeAt(at) >> 8;
      }
      return bytes;
    }
    default:
      return Uint8Array.from({ length: text.length }, (_, at) => text.charCodeAt(at) & 255);
  }
}

function decode(bytes, encoding) {
  switch (encodingOf(encoding)) {
    case "utf8":
      return host.fromUtf8(bytesOf(bytes), false);
    case "hex":
      return Array.from(bytesOf(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
    case "base64":
      return host.toBase64(bytesOf(bytes));
    case "base64url":
      return host.toBase64(bytesOf(bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    case "utf16le":
      return utf16(bytes);
    case "ascii":
      return latin1(bytes.map((byte) => byte & 127));
    default:
      return latin1(bytesOf(bytes));
  }
}

const wrap = (bytes) => new Buffer(bytes.buffer, bytes.byteOffset, bytes.length);

export class Buffer extends Uint8Array {
  static poolSize = 8192;
  static from(value, encoding, length) {
    if (typeof value === "string") return wrap(encode(value, encoding));
    if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
    if (ArrayBuffer.isView(value)) return wrap(value instanceof Uint8Array ? new Uint8Array(bytesOf(value)) : Uint8Array.from(value, (item) => Number(item) & 255));
    if (Array.isArray(value)) return wrap(Uint8Array.from(value, (byte) => Number(byte) & 255));
    if (value?.type === "Buffer" && Array.isArray(value.data)) return Buffer.from(value.data);
    if (value !== null && typeof value === "object") {
      const inner = value.valueOf?.();
      if (inner !== value && inner != null) return Buffer.from(inner, encoding, length);
      if (typeof value.length === "number") return wrap(Uint8Array.from(value));
    }
    throw Object.assign(new TypeError(`The first argument must be of type string or an instance of Buffer, ArrayBuffer, or Array. Received ${value === null ? "null" : typeof value}`), { code: "ERR_INVALID_ARG_TYPE" });
  }
  static alloc(size, fill, encoding) {
    const buffer = new Buffer(size);
    return fill === undefined ? buffer : buffer.fill(fill, 0, size, encoding);
  }
  static allocUnsafe(size) {
    return new Buffer(size);
  }
  static isBuffer(value) {
    return value instanceof Buffer;
  }
  static isEncoding(name) {
    return String(name).toLowerCase() in NAMES;
  }
  static byteLength(value, encoding) {
    return typeof value === "string" ? encode(value, encoding).length : value.byteLength;
  }
  static concat(list, total = list.reduce((sum, item) => sum + item.length, 0)) {
    const joined = new Buffer(total);
    let at = 0;
    for (const item of list) {
      if (at >= total) break;
      joined.set(item.subarray(0, total - at), at);
      at += item.length;
    }
    return joined;
  }
  static compare(a, b) {
    for (let at = 0; at < a.length && at < b.length; at++) if (a[at] !== b[at]) return a[at] < b[at] ? -1 : 1;
    return Math.sign(a.length - b.length);
  }
  toString(encoding, start = 0, end = this.length) {
    return decode(this.subarray(start, end), encoding);
  }
  toJSON() {
    return { type: "Buffer", data: Array.from(this) };
  }
  equals(other) {
    return Buffer.compare(this, other) === 0;
  }
  compare(other) {
    return Buffer.compare(this, other);
  }
  slice(start, end) {
    return this.subarray(start, end);
  }
  write(text, offset = 0, length = this.length - offset, encoding = "utf8") {
    if (typeof offset === "string") [offset, length, encoding] = [0, this.length, offset];
    else if (typeof length === "string") [length, encoding] = [this.length - offset, length];
    const bytes = encode(text, encoding).subarray(0, Math.min(length, this.length - offset));
    this.set(bytes, offset);
    return bytes.length;
  }
  copy(target, at = 0, start = 0, end = this.length) {
    const bytes = this.subarray(start, Math.min(end, start + target.length - at));
    target.set(bytes, at);
    return bytes.length;
  }
  fill(value, start = 0, end = this.length, encoding = "utf8") {
    if (typeof value === "number") return super.fill(value & 255, start, end);
    const bytes = typeof value === "string" ? encode(value, encoding) : bytesOf(value);
    if (bytes.length === 0) return super.fill(0, start, end);
    for (let at = start; at < end; at++) this[at] = bytes[(at - start) % bytes.length];
    return this;
  }
  indexOf(value, from = 0, encoding = "utf8") {
    if (typeof value === "number") return super.indexOf(value & 255, from);
    const bytes = typeof value === "string" ? encode(value, encoding) : value;
    for (let at = Math.max(from < 0 ? this.length + from : from, 0); at + bytes.length <= this.length; at++) {
      if (bytes.every((byte, place) => this[at + place] === byte)) return at;
    }
    return -1;
  }
  includes(value, from, encoding) {
    return this.indexOf(value, from, encoding) >= 0;
  }
  [Symbol.for("nodejs.util.inspect.custom")]() {
    const shown = Array.from(this.subarray(0, 50), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const more = this.length - 50;
    return `<Buffer${shown ? ` ${shown}` : ""}${more > 0 ? ` ... ${more} more byte${more > 1 ? "s" : ""}` : ""}>`;
  }
}

const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
const NUMBERS = { UInt8: ["Uint8", 1], Int8: ["Int8", 1], UInt16: ["Uint16", 2], Int16: ["Int16", 2], UInt32: ["Uint32", 4], Int32: ["Int32", 4], Float: ["Float32", 4], Double: ["Float64", 8], BigUInt64: ["BigUint64", 8], BigInt64: ["BigInt64", 8] };
for (const [name, [type, size]] of Object.entries(NUMBERS)) {
  for (const order of size === 1 ? [""] : ["LE", "BE"]) {
    const methods = {
      [`read${name}${order}`](at = 0) {
        return view(this)[`get${type}`](at, order === "LE");
      },
      [`write${name}${order}`](value, at = 0) {
        view(this)[`set${type}`](at, value, order === "LE");
        return at + size;
      },
    };
    for (const [method, value] of Object.entries(methods)) Object.defineProperty(Buffer.prototype, method, { value, writable: true, configurable: true });
  }
}

export { atob, btoa };
export const constants = { MAX_LENGTH: 2147483647, MAX_STRING_LENGTH: 1073741823 };
export default { Buffer, atob, btoa, constants };
