// The stacks of errors as Node.js shows them: a first line, and the frames in the author's files alone.
// What an uncaught error says is coo:failure's.

const nativeStack = Object.getOwnPropertyDescriptor(Error.prototype, "stack").get;
/** A line of a stack: function, file, line, column. */
export const FRAME = /^ {4}at (?:(.*) \()?([^()]+?)(?::(\d+))?(?::(\d+))?\)?$/;
/** Whether a file is one of the runner. */
export const isOwn = (file) => /^(coo|coo:.*|openai|@anthropic-ai\/sdk|dotenv|dotenv\/config|node:.*)$/.test(file);

/** The first line of an error's stack. */
export const headerOf = (error) => {
  let name = String(error.name ?? "Error");
  const made = error.constructor?.name;
  // A class of a script seldom sets its name.
  if (name === "Error" && typeof made === "string" && made !== "" && made !== "Object") name = made;
  const message = String(error.message ?? "");
  return name && message ? `${name}: ${message}` : name || message;
};

function classesOf(error) {
  const names = new Set();
  for (let prototype = Object.getPrototypeOf(error); prototype && prototype !== Error.prototype; prototype = Object.getPrototypeOf(prototype)) {
    const constructor = Object.getOwnPropertyDescriptor(prototype, "constructor")?.value;
    if (typeof constructor === "function" && constructor.name) names.add(constructor.name);
  }
  return names;
}

/** Makes `error.stack` what Node.js shows: a first line, and the frames in the author's files. */
export function installStack() {
  Object.defineProperty(Error.prototype, "stack", {
    get() {
      const text = nativeStack.call(this);
      if (typeof text !== "string") return text;
      let header;
      try {
        header = headerOf(this);
      } catch {
        header = "Error";
      }
      const frames = text.split("\n").filter((line) => {
        const match = FRAME.exec(line);
        return match && match[3] && !isOwn(match[2]);
      });
      // An error is made where its class is called, not in the class.
      const classes = classesOf(this);
      while (frames.length > 1 && classes.has(FRAME.exec(frames[0])[1])) frames.shift();
      const shown = frames.map((line) => line.replace(/ <[a-z]+> \((.*)\)$/, " $1"));
      return [header, ...shown].join("\n");
    },
    set(value) {
      Object.defineProperty(this, "stack", { value, writable: true, configurable: true, enumerable: false });
    },
    configurable: true,
  });
}

/** Gives `error` the place at which `other` was made; returns it. */
export function placeAt(error, other) {
  const frames = String(other.stack).split("\n").filter((line) => FRAME.test(line));
  error.stack = [headerOf(error), ...frames].join("\n");
  return error;
}
