// Texts as bytes: TextEncoder, TextDecoder, atob, btoa. UTF-8 and base64 are the host's; only Latin-1 and
// UTF-16 are made here.
import host from "coo:host";

const BYTES_AT_ONCE = 8192;

/** The bytes of any view or buffer, without a copy. */
export function bytesOf(value) {
  if (value instanceof Uint8Array) return Object.getPrototypeOf(value) === Uint8Array.prototype ? value : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new TypeError("the argument must be a string, an ArrayBuffer or a view of one");
}

export const utf8 = (text) => host.toUtf8(String(text).toWellFormed());

export function latin1(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += BYTES_AT_ONCE) {
    text += String.fromCharCode(...bytes.subarray(at, at + BYTES_AT_ONCE));
  }
  return text;
}

export function utf16(bytes) {
  let text = "";
  for (let at = 0; at + 1 < bytes.length; at += 2) text += String.fromCharCode(bytes[at] | (bytes[at + 1] << 8));
  return text;
}

export class TextEncoder {
  get encoding() {
    return "utf-8";
  }
  encode(text = "") {
    return utf8(text);
  }
  encodeInto(text, target) {
    let read = 0;
    let written = 0;
    for (const character of String(text)) {
      const bytes = utf8(character);
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
}

const NAMES = {
  "utf-8": "utf-8", utf8: "utf-8", "unicode-1-1-utf-8": "utf-8",
  "utf-16le": "utf-16le", "utf-16": "utf-16le", "ucs-2": "utf-16le",
  latin1: "windows-1252", "iso-8859-1": "windows-1252", ascii: "windows-1252", "us-ascii": "windows-1252", "windows-1252": "windows-1252",
};

export class TextDecoder {
  #rest = new Uint8Array(0);
  constructor(label = "utf-8", options = {}) {
    const encoding = NAMES[String(label).trim().toLowerCase()];
    if (!encoding) {
      const error = new RangeError(`The "${label}" encoding is not supported`);
      error.code = "ERR_ENCODING_NOT_SUPPORTED";
      throw error;
    }
    this.encoding = encoding;
    this.fatal = Boolean(options.fatal);
    this.ignoreBOM = Boolean(options.ignoreBOM);
  }
  decode(input, options = {}) {
    let bytes = input === undefined ? new Uint8Array(0) : bytesOf(input);
    if (this.#rest.length > 0) {
      const joined = new Uint8Array(this.#rest.length + bytes.length);
      joined.set(this.#rest);
      joined.set(bytes, this.#rest.length);
      bytes = joined;
      this.#rest = new Uint8Array(0);
    }
    if (options.stream && this.encoding === "utf-8") {
      const whole = bytes.length - incomplete(bytes);
      this.#rest = bytes.slice(whole);
      bytes = bytes.subarray(0, whole);
    }
    if (this.encoding === "windows-1252") return latin1(bytes);
    const text = this.encoding === "utf-8" ? host.fromUtf8(bytes, this.fatal) : utf16(bytes);
    if (text === undefined || text === null) {
      const error = new TypeError("The encoded data was not valid for encoding utf-8");
      error.code = "ERR_ENCODING_INVALID_ENCODED_DATA";
      throw error;
    }
    return !this.ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

/** How many bytes at the end begin a character that is not complete. */
function incomplete(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

const invalid = (text) => new DOMException(text, "InvalidCharacterError");

export function atob(text) {
  const plain = String(text).replace(/[\t\n\f\r ]/g, "");
  const bytes = /^[A-Za-z0-9+/]*={0,2}$/.test(plain) && plain.replace(/=+$/, "").length % 4 !== 1 ? host.fromBase64(plain.replace(/=+$/, "")) : undefined;
  if (!bytes) throw invalid("The string to be decoded is not correctly encoded.");
  return latin1(bytes);
}

export function btoa(text) {
  const plain = String(text);
  const bytes = new Uint8Array(plain.length);
  for (let at = 0; at < plain.length; at++) {
    const code = plain.charCodeAt(at);
    if (code > 255) throw invalid("Invalid character");
    bytes[at] = code;
  }
  return host.toBase64(bytes);
}
