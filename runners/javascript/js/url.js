// URL and URLSearchParams for the URLs that scripts take apart: http, https, file, and others by their
// generic form. Host names stay as they are written, in lower case: there is no network to look them up in.

const PORTS = { "http:": "80", "https:": "443", "ws:": "80", "wss:": "443", "ftp:": "21", "file:": "" };
const isSpecial = (protocol) => protocol in PORTS;

function invalid(text) {
  return Object.assign(new TypeError("Invalid URL"), { code: "ERR_INVALID_URL", input: String(text) });
}

/** Escapes what is not allowed in a part, and leaves escapes alone. */
function escapeIn(text, allowed) {
  let escaped = "";
  for (const character of text.toWellFormed()) escaped += allowed.test(character) ? character : encodeURIComponent(character).replace(/^'$/, "%27");
  return escaped;
}
const IN_PATH = /[^\x00-\x20"#<>?`{}\x7f-\u{10ffff}]/u;
const IN_QUERY = /[^\x00-\x20"#<>'\x7f-\u{10ffff}]/u;
const IN_HASH = /[^\x00-\x20"<>`\x7f-\u{10ffff}]/u;
const IN_USER = /[^\x00-\x20"#<>?`{}/:;=@[\\\]^|\x7f-\u{10ffff}]/u;

function normal(path) {
  const kept = [];
  const parts = path.split("/").slice(1);
  parts.forEach((part, at) => {
    const plain = part.replace(/%2e/gi, ".");
    const isLast = at === parts.length - 1;
    if (plain === "..") {
      kept.pop();
      if (isLast) kept.push("");
    } else if (plain === ".") {
      if (isLast) kept.push("");
    } else kept.push(part);
  });
  return "/" + kept.join("/");
}

function parse(text, base) {
  const trimmed = String(text).replace(/^[\x00-\x20]+|[\x00-\x20]+$/g, "").replace(/[\t\n\r]/g, "");
  const [, before, hashText] = /^([^#]*)(#.*)?$/s.exec(trimmed);
  const scheme = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(before);
  const url = { protocol: "", username: "", password: "", hostname: "", port: "", pathname: "", search: "", hash: "", isOpaque: false };
  url.hash = hashText && hashText !== "#" ? "#" + escapeIn(hashText.slice(1), IN_HASH) : "";
  let rest = before;
  if (scheme) {
    url.protocol = scheme[1].toLowerCase() + ":";
    rest = before.slice(scheme[0].length);
    if (!isSpecial(url.protocol) && !rest.startsWith("/")) {
      const [, path, query] = /^([^?]*)(\?.*)?$/s.exec(rest);
      return { ...url, pathname: path, search: query && query !== "?" ? query : "", isOpaque: true };
    }
    if (isSpecial(url.protocol)) rest = rest.replaceAll(/^[/\\]+/g, (slashes) => (url.protocol === "file:" && slashes.length > 2 ? "///" : url.protocol === "file:" && slashes.length === 1 ? "///" : "//"));
    if (isSpecial(url.protocol) && !rest.startsWith("//")) rest = "//" + rest;
  } else {
    if (!base) throw invalid(text);
    url.protocol = base.protocol;
    if (base.isOpaque && rest !== "") throw invalid(text);
    if (!rest.startsWith("//")) {
      for (const part of ["username", "password", "hostname", "port"]) url[part] = base[part];
      const [, path, query] = /^([^?]*)(\?.*)?$/s.exec(rest);
      if (path === "") {
        url.pathname = base.pathname;
        url.search = query === undefined ? base.search : query;
      } else {
        const whole = path.startsWith("/") ? path : base.pathname.replace(/[^/]*$/, "") + path;
        url.pathname = normal(escapeIn(whole.startsWith("/") ? whole : "/" + whole, IN_PATH));
        url.search = query ?? "";
      }
      url.search = url.search === "?" ? "" : escapeIn(url.search, IN_QUERY);
      return url;
    }
  }
  if (rest.startsWith("//")) {
    const [, authority, path, query] = /^\/\/([^/?\\]*)([^?]*)(\?.*)?$/s.exec(rest);
    const at = authority.lastIndexOf("@");
    if (at >= 0) {
      const [user, ...password] = authority.slice(0, at).split(":");
      url.username = escapeIn(user, IN_USER);
      url.password = escapeIn(password.join(":"), IN_USER);
    }
    const place = /^(\[[0-9a-fA-F:.]+\]|[^:]*)(?::(\d*))?$/.exec(authority.slice(at + 1));
    if (!place) throw invalid(text);
    url.hostname = decodeURIComponentSafely(place[1]).toLowerCase();
    // eslint-disable-next-line no-control-regex
    if (/[\x00-\x20#%/<>?@\\^|]/.test(url.hostname) || (isSpecial(url.protocol) && url.protocol !== "file:" && url.hostname === "")) throw invalid(text);
    if (place[2] && Number(place[2]) > 65535) throw invalid(text);
    url.port = place[2] && String(Number(place[2])) !== PORTS[url.protocol] ? String(Number(place[2])) : "";
    const slashed = isSpecial(url.protocol) ? path.replaceAll("\\", "/") : path;
    url.pathname = slashed === "" ? (isSpecial(url.protocol) ? "/" : "") : normal(escapeIn(slashed, IN_PATH));
    url.search = query && query !== "?" ? escapeIn(query, IN_QUERY) : "";
    return url;
  }
  const [, path, query] = /^([^?]*)(\?.*)?$/s.exec(rest);
  url.pathname = normal(escapeIn(path, IN_PATH));
  url.search = query && query !== "?" ? escapeIn(query, IN_QUERY) : "";
  return url;
}

function decodeURIComponentSafely(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export class URL {
  #parts;
  #params;
  constructor(text, base) {
    this.#parts = parse(text, base === undefined ? undefined : parse(base));
    this.#params = new URLSearchParams(this.#parts.search);
    watchers.set(this.#params, () => {
      const query = this.#params.toString();
      this.#parts.search = query === "" ? "" : "?" + query;
    });
  }
  static canParse(text, base) {
    try {
      return Boolean(new URL(text, base));
    } catch {
      return false;
    }
  }
  static parse(text, base) {
    return URL.canParse(text, base) ? new URL(text, base) : null;
  }
  get searchParams() {
    return this.#params;
  }
  get href() {
    const { protocol, username, password, hostname, port, pathname, search, hash, isOpaque } = this.#parts;
    if (isOpaque) return protocol + pathname + search + hash;
    const user = username || password ? username + (password ? ":" + password : "") + "@" : "";
    const authority = hostname || isSpecial(protocol) ? "//" + user + hostname + (port ? ":" + port : "") : "";
    return protocol + authority + pathname + search + hash;
  }
  set href(text) {
    this.#parts = parse(text);
    refill(this.#params, this.#parts.search);
  }
  get origin() {
    const { protocol } = this.#parts;
    return isSpecial(protocol) && protocol !== "file:" ? `${protocol}//${this.host}` : "null";
  }
  get host() {
    return this.#parts.hostname + (this.#parts.port ? ":" + this.#parts.port : "");
  }
  set host(text) {
    const other = parse(`${this.#parts.protocol}//${text}`);
    Object.assign(this.#parts, { hostname: other.hostname, port: other.port });
  }
  get search() {
    return this.#parts.search;
  }
  set search(text) {
    const plain = String(text).replace(/^\?/, "");
    this.#parts.search = plain === "" ? "" : "?" + escapeIn(plain, IN_QUERY);
    refill(this.#params, this.#parts.search);
  }
  get protocol() {
    return this.#parts.protocol;
  }
  set protocol(text) {
    this.#parts.protocol = String(text).replace(/:.*$/, "").toLowerCase() + ":";
  }
  get pathname() {
    return this.#parts.pathname;
  }
  set pathname(text) {
    const path = escapeIn(String(text), IN_PATH);
    this.#parts.pathname = normal(path.startsWith("/") ? path : "/" + path);
  }
  get hash() {
    return this.#parts.hash;
  }
  set hash(text) {
    const plain = String(text).replace(/^#/, "");
    this.#parts.hash = plain === "" ? "" : "#" + escapeIn(plain, IN_HASH);
  }
  get hostname() {
    return this.#parts.hostname;
  }
  set hostname(text) {
    this.#parts.hostname = String(text).toLowerCase();
  }
  get port() {
    return this.#parts.port;
  }
  set port(text) {
    this.#parts.port = String(text) === PORTS[this.#parts.protocol] ? "" : String(text);
  }
  get username() {
    return this.#parts.username;
  }
  set username(text) {
    this.#parts.username = escapeIn(String(text), IN_USER);
  }
  get password() {
    return this.#parts.password;
  }
  set password(text) {
    this.#parts.password = escapeIn(String(text), IN_USER);
  }
  toString() {
    return this.href;
  }
  toJSON() {
    return this.href;
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth, options, inspect) {
    const shown = {};
    for (const name of ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "searchParams", "hash"]) shown[name] = this[name];
    return `URL ${inspect(shown, options)}`;
  }
}

const watchers = new WeakMap();
const lists = new WeakMap();

const encodeForm = (text) => encodeURIComponent(text.toWellFormed()).replace(/%20/g, "+").replace(/[!'()~]/g, (found) => "%" + found.charCodeAt(0).toString(16).toUpperCase());
const decodeForm = (text) => decodeURIComponentSafely(text.replaceAll("+", " "));

function pairsOf(text) {
  const plain = text.startsWith("?") ? text.slice(1) : text;
  return plain.split("&").filter(Boolean).map((pair) => {
    const [, key, value = ""] = /^([^=]*)(?:=(.*))?$/s.exec(pair);
    return [decodeForm(key), decodeForm(value)];
  });
}

const refill = (params, text) => lists.set(params, pairsOf(text));

export class URLSearchParams {
  constructor(init = "") {
    let pairs;
    if (init instanceof URLSearchParams) pairs = [...init];
    else if (init !== null && typeof init === "object" && typeof init[Symbol.iterator] === "function") {
      pairs = [...init].map(([key, value]) => [String(key), String(value)]);
    } else if (init !== null && typeof init === "object") pairs = Object.entries(init).map(([key, value]) => [key, String(value)]);
    else pairs = pairsOf(String(init));
    lists.set(this, pairs);
  }
  #change(pairs) {
    lists.set(this, pairs);
    watchers.get(this)?.();
  }
  append(key, value) {
    this.#change([...lists.get(this), [String(key), String(value)]]);
  }
  delete(key, value) {
    this.#change(lists.get(this).filter(([known, held]) => known !== String(key) || (value !== undefined && held !== String(value))));
  }
  get(key) {
    return lists.get(this).find(([known]) => known === String(key))?.[1] ?? null;
  }
  getAll(key) {
    return lists.get(this).filter(([known]) => known === String(key)).map(([, value]) => value);
  }
  has(key, value) {
    return lists.get(this).some(([known, held]) => known === String(key) && (value === undefined || held === String(value)));
  }
  set(key, value) {
    const pairs = lists.get(this);
    const place = pairs.findIndex(([known]) => known === String(key));
    if (place < 0) return this.append(key, value);
    this.#change(pairs.filter(([known], at) => known !== String(key) || at === place).map((pair) => (pair[0] === String(key) ? [pair[0], String(value)] : pair)));
  }
  sort() {
    this.#change([...lists.get(this)].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  }
  get size() {
    return lists.get(this).length;
  }
  forEach(call, self) {
    for (const [key, value] of lists.get(this)) call.call(self, value, key, this);
  }
  *keys() {
    for (const [key] of lists.get(this)) yield key;
  }
  *values() {
    for (const [, value] of lists.get(this)) yield value;
  }
  *entries() {
    for (const [key, value] of lists.get(this)) yield [key, value];
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  toString() {
    return lists.get(this).map(([key, value]) => `${encodeForm(key)}=${encodeForm(value)}`).join("&");
  }
  [Symbol.for("nodejs.util.inspect.custom")](depth, options, inspect) {
    const pairs = lists.get(this).map(([key, value]) => `${inspect(key)} => ${inspect(value)}`);
    return pairs.length === 0 ? "URLSearchParams {}" : `URLSearchParams { ${pairs.join(", ")} }`;
  }
}
