// Texts of values as Node.js shows them: util.inspect, util.format and the tables of the console. Calls
// no getter of a script and shows no address.

const BREAK_LENGTH = 80;
const COMPACT = 3;
const CUSTOM = Symbol.for("nodejs.util.inspect.custom");
const DEFAULTS = {
  depth: 2, showHidden: false, customInspect: true, maxArrayLength: 100, maxStringLength: 10000,
  breakLength: BREAK_LENGTH, compact: COMPACT, sorted: false, getters: false, colors: false, numericSeparator: false, showProxy: false,
};

/** How wide a text is in columns: wide characters of East Asia and emoji take two. */
function width(text) {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let sum = 0;
  for (const character of text.normalize("NFC")) {
    const code = character.codePointAt(0);
    if (code < 32 || (code >= 0x7f && code < 0xa0) || /\p{Mn}|\p{Me}|\p{Cf}/u.test(character)) continue;
    const isWide =
      (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) || (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1faff) || (code >= 0x20000 && code <= 0x3fffd);
    sum += isWide ? 2 : 1;
  }
  return sum;
}

const ESCAPES = { "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", "\\": "\\\\", "\v": "\\x0B" };

function quoted(text) {
  let quote = "'";
  if (text.includes("'")) {
    if (!text.includes('"')) quote = '"';
    else if (!text.includes("`") && !text.includes("${")) quote = "`";
  }
  // eslint-disable-next-line no-control-regex
  const escaped = text.replace(/[\x00-\x1f\x7f-\x9f\\]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, (found) => {
    const code = found.charCodeAt(0);
    return ESCAPES[found] ?? (code > 255 ? "\\u" + code.toString(16).toUpperCase() : "\\x" + code.toString(16).toUpperCase().padStart(2, "0"));
  });
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

const isName = (key) => /^[a-zA-Z_][a-zA-Z_0-9]*$/.test(key);

function numberText(value) {
  return Object.is(value, -0) ? "-0" : String(value);
}

function primitive(context, value) {
  switch (typeof value) {
    case "string": {
      let text = value;
      let rest = "";
      if (text.length > context.maxStringLength) {
        const more = text.length - context.maxStringLength;
        text = text.slice(0, context.maxStringLength);
        rest = `... ${more} more character${more > 1 ? "s" : ""}`;
      }
      if (context.compact !== true && text.length > 16 && text.length > context.breakLength - context.indentation - 4) {
        return text.split(/(?<=\n)/).map(quoted).join(` +\n${" ".repeat(context.indentation + 2)}`) + rest;
      }
      return quoted(text) + rest;
    }
    case "number":
      return numberText(value);
    case "bigint":
      return `${value}n`;
    case "undefined":
      return "undefined";
    case "symbol":
      return value.toString();
    default:
      return String(value);
  }
}

function constructorName(value) {
  const tag = value;
  for (let object = value; object !== null; object = Object.getPrototypeOf(object)) {
    const descriptor = Object.getOwnPropertyDescriptor(object, "constructor");
    if (descriptor && typeof descriptor.value === "function" && descriptor.value.name !== "" && isInstance(tag, descriptor.value)) {
      return descriptor.value.name;
    }
  }
  return null;
}

function isInstance(value, constructor) {
  try {
    return value instanceof constructor;
  } catch {
    return false;
  }
}

function tagOf(value, name) {
  let tag;
  try {
    tag = value[Symbol.toStringTag];
  } catch {
    return "";
  }
  return typeof tag === "string" && tag !== "" && tag !== name ? tag : "";
}

function prefix(name, tag, fallback, size = "") {
  if (name === null) {
    return tag && tag !== fallback ? `[${fallback}${size}: null prototype] [${tag}] ` : `[${fallback}${size}: null prototype] `;
  }
  return tag ? `${name}${size} [${tag}] ` : `${name}${size} `;
}

function keysOf(value, showHidden) {
  const keys = showHidden ? Object.getOwnPropertyNames(value) : Object.keys(value);
  for (const symbol of Object.getOwnPropertySymbols(value)) {
    if (showHidden || Object.prototype.propertyIsEnumerable.call(value, symbol)) keys.push(symbol);
  }
  return keys;
}

function keyText(key) {
  if (typeof key === "symbol") return `[${key.toString()}]`;
  return isName(key) ? key : quoted(key);
}

function property(context, value, key, depth, kind) {
  const descriptor = Object.getOwnPropertyDescriptor(value, key) ?? { value: value[key], enumerable: true };
  let text;
  if ("value" in descriptor) {
    const difference = context.compact !== true || kind !== "object" ? 2 : 3;
    context.indentation += difference;
    text = show(context, descriptor.value, depth);
    if (difference === 3 && context.breakLength < width(text)) text = `\n${" ".repeat(context.indentation)}${text}`;
    context.indentation -= difference;
  } else if (descriptor.get) {
    text = descriptor.set ? "[Getter/Setter]" : "[Getter]";
  } else {
    text = descriptor.set ? "[Setter]" : "undefined";
  }
  if (kind === "array") return text;
  const name = keyText(key);
  return `${descriptor.enumerable === false ? `[${typeof key === "symbol" ? key.toString() : key}]` : name}: ${text}`;
}

function list(context, value, depth) {
  const output = [];
  const shown = Math.min(Math.max(0, context.maxArrayLength), value.length);
  for (let at = 0; at < value.length && output.length < shown; at++) {
    if (!Object.hasOwn(value, at)) {
      const next = Object.keys(value).find((key) => Number(key) > at && /^\d+$/.test(key));
      const end = next === undefined ? value.length : Number(next);
      output.push(`<${end - at} empty item${end - at > 1 ? "s" : ""}>`);
      at = end - 1;
      continue;
    }
    output.push(property(context, value, at, depth, "array"));
  }
  const seen = output.length;
  const more = value.length - shown;
  if (more > 0 && seen >= shown) output.push(`... ${more} more item${more > 1 ? "s" : ""}`);
  return output;
}

function bytes(context, value) {
  const shown = Math.min(Math.max(0, context.maxArrayLength), value.length);
  const output = [];
  for (let at = 0; at < shown; at++) output.push(typeof value[at] === "bigint" ? `${value[at]}n` : numberText(value[at]));
  const more = value.length - shown;
  if (more > 0) output.push(`... ${more} more item${more > 1 ? "s" : ""}`);
  return output;
}

function errorText(value, keys) {
  const name = value.name != null ? String(value.name) : "Error";
  let stack;
  try {
    stack = value.stack ? String(value.stack) : Error.prototype.toString.call(value);
  } catch {
    stack = name;
  }
  for (const key of ["name", "message", "stack"]) {
    const place = keys.indexOf(key);
    if (place >= 0 && (typeof value[key] !== "string" || stack.includes(value[key]))) keys.splice(place, 1);
  }
  // Classes of a script name themselves by their constructor.
  const constructor = constructorName(value);
  if (constructor && name === "Error" && constructor !== "Error" && stack.startsWith("Error")) stack = constructor + stack.slice(5);
  return stack.includes("\n    at") ? stack : `[${stack}]`;
}

function functionText(value, name, tag) {
  const source = Function.prototype.toString.call(value);
  if (source.startsWith("class") && source.endsWith("}")) {
    const own = Object.hasOwn(value, "name") && value.name !== "" ? value.name : "(anonymous)";
    const parent = Object.getPrototypeOf(value);
    return `[class ${own}${parent?.name ? ` extends ${parent.name}` : ""}]`;
  }
  let kind = "Function";
  if (/^async\s*(function\s*\*|\*)/.test(source)) kind = "AsyncGeneratorFunction";
  else if (/^async\b/.test(source) && name === "AsyncFunction") kind = "AsyncFunction";
  else if (name === "GeneratorFunction") kind = "GeneratorFunction";
  const shown = value.name === "" ? `[${kind} (anonymous)]` : `[${kind}: ${String(value.name)}]`;
  return tag && tag !== name && tag !== kind ? `${shown} [${tag}]` : shown;
}

function show(context, value, depth, isTyped = false) {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return primitive(context, value);
  if (context.customInspect) {
    const custom = value[CUSTOM];
    if (typeof custom === "function" && custom !== inspect) {
      const { seen, indentation, current, ...options } = context;
      void [seen, indentation, current];
      const left = context.depth === null ? Infinity : context.depth - depth;
      const text = custom.call(value, left, options, inspect);
      if (text !== value) {
        return typeof text === "object" || typeof text === "function" ? show(context, text, depth) : String(text).replaceAll("\n", `\n${" ".repeat(context.indentation)}`);
      }
    }
  }
  if (context.seen.includes(value)) {
    if (!context.circular) context.circular = new Map();
    if (!context.circular.has(value)) context.circular.set(value, context.circular.size + 1);
    return `[Circular *${context.circular.get(value)}]`;
  }
  return raw(context, value, depth, isTyped);
}

function raw(context, value, depth) {
  const name = constructorName(value);
  let tag = tagOf(value, name);
  let keys;
  let base = "";
  let braces = ["{", "}"];
  let output;
  let kind = "object";
  let entries = () => [];
  const view = ArrayBuffer.isView(value) && !(value instanceof DataView);
  if (Array.isArray(value)) {
    keys = Object.keys(value).filter((key) => !/^(0|[1-9]\d*)$/.test(key)).concat(Object.getOwnPropertySymbols(value).filter((key) => Object.prototype.propertyIsEnumerable.call(value, key)));
    const before = name !== "Array" || tag ? prefix(name, tag, "Array", `(${value.length})`) : "";
    braces = [`${before}[`, "]"];
    if (value.length === 0 && keys.length === 0) return `${braces[0]}]`;
    kind = "array";
    entries = () => list(context, value, depth);
  } else if (value instanceof Set) {
    keys = keysOf(value, context.showHidden);
    const before = prefix(name, tag, "Set", `(${value.size})`);
    if (value.size === 0 && keys.length === 0) return `${before}{}`;
    braces[0] = `${before}{`;
    entries = () => {
      context.indentation += 2;
      const shown = [...value].map((inner) => show(context, inner, depth));
      context.indentation -= 2;
      return shown;
    };
  } else if (value instanceof Map) {
    keys = keysOf(value, context.showHidden);
    const before = prefix(name, tag, "Map", `(${value.size})`);
    if (value.size === 0 && keys.length === 0) return `${before}{}`;
    braces[0] = `${before}{`;
    entries = () => {
      context.indentation += 2;
      const shown = [...value].map(([key, inner]) => `${show(context, key, depth)} => ${show(context, inner, depth)}`);
      context.indentation -= 2;
      return shown;
    };
  } else if (view) {
    keys = Object.keys(value).filter((key) => !/^(0|[1-9]\d*)$/.test(key));
    braces = [`${prefix(name, tag === name ? "" : tag, "Uint8Array", `(${value.length})`)}[`, "]"];
    if (value.length === 0 && keys.length === 0) return `${braces[0]}]`;
    kind = "array";
    entries = () => bytes(context, value);
  } else if (Object.prototype.toString.call(value) === "[object Arguments]") {
    keys = [];
    braces = ["[Arguments] [", "]"];
    kind = "array";
    entries = () => list(context, Array.from(value), depth);
  } else {
    keys = keysOf(value, context.showHidden);
    if (typeof value === "function") {
      base = functionText(value, name, tag);
      if (keys.length === 0) return base;
    } else if (value instanceof RegExp) {
      base = RegExp.prototype.toString.call(value);
      if (keys.length === 0) return base;
    } else if (value instanceof Date) {
      base = Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
      if (keys.length === 0) return base;
    } else if (value instanceof Error || (typeof DOMException === "function" && value instanceof DOMException)) {
      base = errorText(value, keys);
      if ("cause" in value && !keys.includes("cause") && Object.hasOwn(value, "cause")) keys.push("cause");
      if (Array.isArray(value.errors) && !keys.includes("errors") && Object.hasOwn(value, "errors")) keys.push("errors");
      if (context.indentation > 0) base = base.replaceAll("\n", `\n${" ".repeat(context.indentation)}`);
      if (keys.length === 0) return base;
    } else if (value instanceof ArrayBuffer) {
      braces[0] = `${prefix(name, tag === name ? "" : tag, "ArrayBuffer")}{`;
      const all = new Uint8Array(value);
      const shown = Array.from(all.subarray(0, 50), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
      const more = all.length - 50;
      entries = () => [`[Uint8Contents]: <${shown}${more > 0 ? ` ... ${more} more byte${more > 1 ? "s" : ""}` : ""}>`, `byteLength: ${value.byteLength}`];
    } else if (value instanceof Promise) {
      braces[0] = `${prefix(name, tag === name ? "" : tag, "Promise")}{`;
      entries = () => ["<pending>"];
    } else if (value instanceof WeakSet || value instanceof WeakMap) {
      braces[0] = `${prefix(name, tag === name ? "" : tag, "WeakSet")}{`;
      entries = () => ["<items unknown>"];
    } else if (value instanceof Number || value instanceof Boolean || value instanceof String || value instanceof BigInt || value instanceof Symbol) {
      const inner = value.valueOf();
      const type = Object.prototype.toString.call(inner).slice(8, -1);
      if (typeof inner === "string") keys = keys.filter((key) => !/^\d+$/.test(String(key)));
      base = `[${type}: ${primitive({ ...context, breakLength: Infinity }, inner)}]`;
      if (keys.length === 0) return base;
    } else if (name === "Object" && !tag) {
      if (keys.length === 0) return "{}";
    } else if (tag === "Module" || (name === null && tag === "Module")) {
      braces[0] = "[Module: null prototype] {";
    } else {
      if (name === "Object" && tag) braces[0] = `Object [${tag}] {`;
      else braces[0] = `${prefix(name, tag, "Object")}{`;
      if (keys.length === 0) return `${braces[0]}}`;
    }
  }
  if (context.depth !== null && depth > context.depth) {
    const shown = prefix(name, tag, Array.isArray(value) ? "Array" : "Object").slice(0, -1);
    return name === null ? shown : `[${shown}]`;
  }
  const deeper = depth + 1;
  context.seen.push(value);
  context.current = deeper;
  depth = deeper;
  output = entries();
  for (const key of keys) output.push(property(context, value, key, deeper, "object"));
  context.seen.pop();
  if (context.circular?.has(value)) {
    const mark = `<ref *${context.circular.get(value)}>`;
    if (base === "") braces[0] = `${mark} ${braces[0]}`;
    else base = `${mark} ${base}`;
  }
  if (context.sorted) {
    const compare = context.sorted === true ? undefined : context.sorted;
    if (kind === "object") output.sort(compare);
  }
  return reduce(context, output, base, braces, kind, deeper, value);
}

function reduce(context, output, base, braces, kind, depth, value) {
  if (context.compact !== true) {
    const count = output.length;
    let lines = output;
    if (kind === "array" && count > 6) lines = grouped(context, output, value);
    if (typeof context.compact === "number" && context.compact >= 1 && context.current - depth < context.compact && count === lines.length) {
      const start = lines.length + context.indentation + braces[0].length + base.length + 10;
      if (fits(context, lines, start, base)) {
        const joined = lines.join(", ");
        if (!joined.includes("\n")) return `${base ? `${base} ` : ""}${braces[0]} ${joined} ${braces[1]}`;
      }
    }
    const indentation = `\n${" ".repeat(context.indentation)}`;
    return `${base ? `${base} ` : ""}${braces[0]}${indentation}  ${lines.join(`,${indentation}  `)}${indentation}${braces[1]}`;
  }
  if (fits(context, output, 0, base)) return `${braces[0]}${base ? ` ${base}` : ""} ${output.join(", ")} ${braces[1]}`;
  const indentation = `\n${" ".repeat(context.indentation)}`;
  const line = base === "" && braces[0].length === 1 ? " " : `${base ? ` ${base}` : ""}\n${" ".repeat(context.indentation)}  `;
  return `${braces[0]}${line}${output.join(`,${indentation}  `)} ${braces[1]}`;
}

function fits(context, output, start, base) {
  let sum = output.length + start;
  if (sum + output.length > context.breakLength) return false;
  for (const text of output) {
    sum += text.length;
    if (sum > context.breakLength) return false;
  }
  return base === "" || !base.includes("\n");
}

/** Puts many short items into columns. */
function grouped(context, output, value) {
  let total = 0;
  let longest = 0;
  let count = output.length;
  const hasMore = context.maxArrayLength < output.length;
  if (hasMore) count--;
  const lengths = new Array(count);
  for (let at = 0; at < count; at++) {
    lengths[at] = width(output[at]);
    total += lengths[at] + 2;
    longest = Math.max(longest, lengths[at]);
  }
  const actual = longest + 2;
  if (!(actual * 3 + context.indentation < context.breakLength && (total / actual > 5 || longest <= 6))) return output;
  const bias = Math.sqrt(actual - total / output.length);
  const biased = Math.max(actual - 3 - bias, 1);
  const columns = Math.min(
    Math.round(Math.sqrt(2.5 * biased * count) / biased),
    Math.floor((context.breakLength - context.indentation) / actual),
    context.compact * 4,
    15,
  );
  if (columns <= 1) return output;
  const widths = [];
  for (let column = 0; column < columns; column++) {
    let widest = 0;
    for (let at = column; at < count; at += columns) widest = Math.max(widest, lengths[at]);
    widths.push(widest + 2);
  }
  const isNumbers = value !== undefined && Array.prototype.every.call(Array.from(value).slice(0, count), (item) => typeof item === "number" || typeof item === "bigint");
  const lines = [];
  for (let at = 0; at < count; at += columns) {
    const end = Math.min(at + columns, count);
    let line = "";
    let place = at;
    for (; place < end - 1; place++) {
      const cell = `${output[place]}, `;
      const padding = " ".repeat(Math.max(0, widths[place - at] - lengths[place] - 2));
      line += isNumbers ? padding + cell : cell + padding;
    }
    if (isNumbers) line += " ".repeat(Math.max(0, widths[place - at] - lengths[place] - 2)) + output[place];
    else line += output[place];
    lines.push(line);
  }
  if (hasMore) lines.push(output[count]);
  return lines;
}

/** util.inspect. */
export function inspect(value, options, ...older) {
  const given = typeof options === "object" && options !== null ? options : { showHidden: Boolean(options), ...(older.length > 0 ? { depth: older[0] } : {}) };
  const context = { ...DEFAULTS, ...given, seen: [], indentation: 0, current: 0 };
  if (context.depth === Infinity || context.depth === undefined) context.depth = given.depth === undefined && "depth" in given ? DEFAULTS.depth : context.depth === Infinity ? null : DEFAULTS.depth;
  for (const bound of ["maxArrayLength", "maxStringLength"]) if (context[bound] === null) context[bound] = Infinity;
  return show(context, value, 0);
}
inspect.custom = CUSTOM;
inspect.defaultOptions = DEFAULTS;

const BUILT_IN = [Object, Array, Error, Date, RegExp, Function, Map, Set, Number, String, Boolean];

function stringOf(value) {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "number") return numberText(value);
  if (value === null || typeof value !== "object") return String(value);
  let holder = value;
  while (holder && !Object.hasOwn(holder, "toString")) holder = Object.getPrototypeOf(holder);
  const isPlain = !holder || typeof value.toString !== "function" || BUILT_IN.some((constructor) => constructor.prototype === holder);
  return isPlain ? inspect(value, { depth: 0, compact: 3 }) : String(value);
}

/** util.formatWithOptions. */
export function formatWithOptions(options, ...args) {
  const [first, ...rest] = args;
  if (typeof first !== "string") return args.map((value) => (typeof value === "string" ? value : inspect(value, options))).join(" ");
  if (args.length === 1) return first;
  let used = 0;
  let text = first.replace(/%[sdifjoOc%]/g, (found) => {
    if (found === "%%") return "%";
    if (used >= rest.length) return found;
    const value = rest[used];
    used++;
    switch (found) {
      case "%s":
        return stringOf(value);
      case "%d":
        return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : numberText(Number(value));
      case "%i":
        return typeof value === "bigint" ? `${value}n` : typeof value === "symbol" ? "NaN" : numberText(parseInt(value));
      case "%f":
        return typeof value === "symbol" ? "NaN" : numberText(parseFloat(value));
      case "%j":
        try {
          return JSON.stringify(value);
        } catch {
          return "[Circular]";
        }
      case "%o":
        return inspect(value, { ...options, showHidden: false, depth: 4 });
      case "%O":
        return inspect(value, options);
      default:
        return "";
    }
  });
  for (const value of rest.slice(used)) text += " " + (typeof value === "string" ? value : inspect(value, options));
  return text;
}

/** util.format. */
export const format = (...args) => formatWithOptions({}, ...args);

/** The text of console.table. */
export function table(rows, columns) {
  const short = (value) => inspect(value, { depth: value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length > 2 ? -1 : 0, maxArrayLength: 3, breakLength: Infinity });
  const isMap = rows instanceof Map;
  const index = rows instanceof Map || rows instanceof Set ? "(iteration index)" : "(index)";
  const entries = isMap ? [...rows].map(([, inner], at) => [at, inner]) : rows instanceof Set ? [...rows].map((inner, at) => [at, inner]) : Object.entries(rows);
  const names = [];
  let hasValues = false;
  for (const [, row] of entries) {
    if (row !== null && typeof row === "object") {
      for (const key of columns ?? Object.keys(row)) if (!names.includes(key)) names.push(key);
    } else hasValues = true;
  }
  const header = [index, ...(isMap ? ["Key"] : []), ...names, ...(hasValues ? ["Values"] : [])];
  const keys = isMap ? [...rows.keys()] : [];
  const lines = entries.map(([key, row], at) => {
    const isObject = row !== null && typeof row === "object";
    const cells = names.map((name) => (isObject && Object.hasOwn(row, name) ? short(row[name]) : ""));
    return [String(key), ...(isMap ? [short(keys[at])] : []), ...cells, ...(hasValues ? [isObject ? "" : short(row)] : [])];
  });
  const widths = header.map((name, column) => Math.max(width(name), ...lines.map((line) => width(line[column]))) + 2);
  const cells = (line) => `│${line.map((cell, column) => ` ${cell}${" ".repeat(widths[column] - width(cell) - 1)}`).join("│")}│`;
  const rule = (left, middle, right) => left + widths.map((wide) => "─".repeat(wide)).join(middle) + right;
  return [rule("┌", "┬", "┐"), cells(header), rule("├", "┼", "┤"), ...lines.map(cells), rule("└", "┴", "┘")].join("\n");
}
