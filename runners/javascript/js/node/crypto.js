// node:crypto and the web's crypto: digests, HMAC, and the sandbox's random stream, which repeats with
// every run and keeps no secret. Ciphers, keys and signatures are refused.
import host from "coo:host";
import { bytesOf } from "coo:encoding";
import { Buffer } from "node:buffer";

const BLOCK_BYTES = { md5: 64, sha1: 64, sha224: 64, sha256: 64, sha384: 128, sha512: 128 };
const RANDOM_BYTES_AT_ONCE = 65536;

const toBytes = (value, encoding) => (typeof value === "string" ? Buffer.from(value, encoding) : bytesOf(value));

function algorithmOf(name) {
  const plain = String(name).toLowerCase().replace(/^(rsa-)?sha-?/, "sha");
  if (plain in BLOCK_BYTES) return plain;
  throw Object.assign(new Error(`Digest method not supported: ${name}; there are ${Object.keys(BLOCK_BYTES).join(", ")}`), { code: "ERR_CRYPTO_INVALID_DIGEST" });
}

const digestOf = (algorithm, bytes) => host.digest(algorithm, bytesOf(bytes));

class Hash {
  #parts = [];
  #done = false;
  constructor(algorithm) {
    this.algorithm = algorithm;
  }
  update(content, encoding) {
    if (this.#done) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    if (typeof content !== "string" && !ArrayBuffer.isView(content)) {
      throw Object.assign(new TypeError(`The "data" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received ${content === null ? "null" : typeof content}`), { code: "ERR_INVALID_ARG_TYPE" });
    }
    this.#parts.push(Buffer.from(toBytes(content, encoding)));
    return this;
  }
  copy() {
    const other = new this.constructor(this.algorithm, this.key);
    for (const part of this.#parts) other.update(part);
    return other;
  }
  finish(bytes) {
    return digestOf(this.algorithm, bytes);
  }
  digest(encoding) {
    if (this.#done) throw Object.assign(new Error("Digest already called"), { code: "ERR_CRYPTO_HASH_FINALIZED" });
    this.#done = true;
    const digest = Buffer.from(this.finish(Buffer.concat(this.#parts)));
    return encoding && encoding !== "buffer" ? digest.toString(encoding) : digest;
  }
}

class Hmac extends Hash {
  constructor(algorithm, key) {
    super(algorithm);
    this.key = key;
  }
  finish(bytes) {
    const size = BLOCK_BYTES[this.algorithm];
    let key = toBytes(this.key);
    if (key.length > size) key = digestOf(this.algorithm, key);
    const padded = Buffer.alloc(size);
    padded.set(key);
    const inner = digestOf(this.algorithm, Buffer.concat([padded.map((byte) => byte ^ 0x36), bytes]));
    return digestOf(this.algorithm, Buffer.concat([padded.map((byte) => byte ^ 0x5c), inner]));
  }
}

export const createHash = (algorithm) => new Hash(algorithmOf(algorithm));
export const createHmac = (algorithm, key) => new Hmac(algorithmOf(algorithm), key);
export const hash = (algorithm, content, encoding = "hex") => createHash(algorithm).update(content).digest(encoding);
export const getHashes = () => Object.keys(BLOCK_BYTES);

export function randomBytes(size, done) {
  const buffer = randomFillSync(Buffer.alloc(size));
  if (typeof done === "function") queueMicrotask(() => done(null, buffer));
  return buffer;
}

export function randomFillSync(target) {
  const bytes = bytesOf(target);
  for (let at = 0; at < bytes.length; at += RANDOM_BYTES_AT_ONCE) {
    bytes.set(host.random(Math.min(RANDOM_BYTES_AT_ONCE, bytes.length - at)), at);
  }
  return target;
}

export function randomInt(low, high, done) {
  if (high === undefined || typeof high === "function") [low, high, done] = [0, low, high];
  if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || high <= low) {
    throw Object.assign(new RangeError(`The value of "max" is out of range. It must be greater than the value of "min" (${low}). Received ${high}`), { code: "ERR_OUT_OF_RANGE" });
  }
  const range = high - low;
  const limit = 2 ** 48 - (2 ** 48 % range);
  for (;;) {
    const value = Buffer.from(host.random(6)).reduce((sum, byte) => sum * 256 + byte, 0);
    if (value >= limit) continue;
    const number = low + (value % range);
    if (typeof done === "function") queueMicrotask(() => done(null, number));
    return number;
  }
}

export function randomUUID() {
  const bytes = host.random(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export function timingSafeEqual(a, b) {
  if (a.byteLength !== b.byteLength) throw Object.assign(new RangeError("Input buffers must have the same byte length"), { code: "ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH" });
  return Buffer.compare(bytesOf(a), bytesOf(b)) === 0;
}

export function getRandomValues(target) {
  if (!ArrayBuffer.isView(target)) throw new TypeError("The data argument must be an integer-type TypedArray");
  if (target.byteLength > RANDOM_BYTES_AT_ONCE) {
    throw new DOMException(`The requested length exceeds 65,536 bytes`, "QuotaExceededError");
  }
  return randomFillSync(target);
}

const refuse = (name) => () => {
  throw new Error(`crypto.${name} can't be used: this runner has digests, HMAC and random bytes alone, and a mission holds no keys`);
};

export const createCipheriv = refuse("createCipheriv");
export const createDecipheriv = refuse("createDecipheriv");
export const createSign = refuse("createSign");
export const createVerify = refuse("createVerify");
export const generateKeyPairSync = refuse("generateKeyPairSync");
export const pbkdf2Sync = refuse("pbkdf2Sync");
export const scryptSync = refuse("scryptSync");

const later = (name) => async () => refuse(`subtle.${name}`)();

export const subtle = {
  async digest(algorithm, content) {
    const bytes = digestOf(algorithmOf(typeof algorithm === "string" ? algorithm : algorithm?.name), content);
    return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  },
  encrypt: later("encrypt"), decrypt: later("decrypt"), sign: later("sign"), verify: later("verify"),
  generateKey: later("generateKey"), importKey: later("importKey"), deriveBits: later("deriveBits"), deriveKey: later("deriveKey"),
};

export const webcrypto = { getRandomValues, randomUUID, subtle };

export default {
  createHash, createHmac, hash, getHashes, randomBytes, randomFillSync, randomInt, randomUUID, timingSafeEqual,
  getRandomValues, createCipheriv, createDecipheriv, createSign, createVerify, generateKeyPairSync, pbkdf2Sync, scryptSync,
  subtle, webcrypto,
};
