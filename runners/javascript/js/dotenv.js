// dotenv: a mission's environment comes from its descriptor, and process.env has it already. Reads nothing.

export const config = () => ({ parsed: {} });
export const parse = (text) => Object.fromEntries(
  String(text).split(/\r?\n/).flatMap((line) => {
    const match = /^\s*(?:export\s+)?([\w.-]+)\s*=\s*(.*?)\s*$/.exec(line);
    return match ? [[match[1], match[2].replace(/^(['"])(.*)\1$/, "$2")]] : [];
  }),
);
export default { config, parse };
