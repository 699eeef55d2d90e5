// node:querystring: query strings as objects.

export const escape = (text) => encodeURIComponent(text);
export const unescape = (text) => decodeURIComponent(text);

export function parse(text, separator = "&", assign = "=") {
  const found = Object.create(null);
  for (const pair of String(text).split(separator)) {
    if (pair === "") continue;
    const [key, ...value] = pair.split(assign).map((part) => decodeURIComponent(part.replaceAll("+", " ")));
    const joined = value.join(assign);
    if (!(key in found)) found[key] = joined;
    else found[key] = [found[key], joined].flat();
  }
  return found;
}

export function stringify(values, separator = "&", assign = "=") {
  const text = (value) => (["string", "number", "bigint", "boolean"].includes(typeof value) ? encodeURIComponent(String(value)) : "");
  const pairs = Object.entries(values ?? {}).flatMap(([key, value]) => [value].flat().map((one) => encodeURIComponent(key) + assign + text(one)));
  return pairs.join(separator);
}

export const decode = parse;
export const encode = stringify;
export default { escape, unescape, parse, stringify, decode, encode };
