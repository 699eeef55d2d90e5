// node:process: arguments, environment, standard streams and the end of the script. The sandbox's clock
// stands behind its times.
import host from "coo:host";
import { bytesOf } from "coo:encoding";
import { loadNow } from "coo:require";
import { EventEmitter } from "node:events";

const script = host.script();
let input;

/** All bytes of standard input. */
export function standardInput() {
  input ??= host.standardInput();
  return input;
}

class Output {
  constructor(isError) {
    this.fd = isError ? 2 : 1;
    this.isTTY = false;
    this.columns = undefined;
    this.writable = true;
  }
  write(content, ...rest) {
    if (typeof content === "string") host.print(this.fd === 2, content.toWellFormed());
    else host.printBytes(this.fd === 2, bytesOf(content));
    const done = rest.at(-1);
    if (typeof done === "function") queueMicrotask(done);
    return true;
  }
  end(content, ...rest) {
    if (content !== undefined && typeof content !== "function") this.write(content, ...rest);
  }
  cork() {}
  uncork() {}
  on() {
    return this;
  }
  once() {
    return this;
  }
}

/** Standard input, whole and at once: by `for await`, or by its events. */
class Input extends EventEmitter {
  #encoding;
  #begun = false;
  fd = 0;
  isTTY = false;
  setEncoding(encoding) {
    this.#encoding = encoding;
    return this;
  }
  #content() {
    const buffer = loadNow("node:buffer").Buffer.from(standardInput());
    return this.#encoding ? buffer.toString(this.#encoding) : buffer;
  }
  on(name, listener) {
    super.on(name, listener);
    if (name === "data" || name === "readable" || name === "end") this.resume();
    return this;
  }
  resume() {
    if (this.#begun) return this;
    this.#begun = true;
    setImmediate(() => {
      const content = this.#content();
      if (content.length > 0) this.emit("data", content);
      this.emit("end");
      this.emit("close");
    });
    return this;
  }
  pause() {
    return this;
  }
  unref() {
    return this;
  }
  async *[Symbol.asyncIterator]() {
    this.#begun = true;
    const content = this.#content();
    if (content.length > 0) yield content;
  }
}

class Process extends EventEmitter {
  title = "coo";
  pid = 1;
  ppid = 0;
  platform = "wasi";
  arch = "wasm32";
  version = "v22.0.0";
  versions = { node: "22.0.0", quickjs: "ng-0.16.2" };
  release = { name: "coo" };
  execArgv = [];
  execPath = "/coo";
  exitCode = undefined;
  argv = ["/coo", "/" + script.main, ...script.arguments];
  argv0 = "coo";
  env = { ...script.environment };
  stdin = new Input();
  stdout = new Output(false);
  stderr = new Output(true);
  exit = (status) => {
    const code = Number(status ?? this.exitCode ?? 0);
    host.exit(Number.isInteger(code) ? code : 1);
  };
  cwd = () => "/";
  uptime = () => host.elapsed() / 1000;
  nextTick = (call, ...args) => queueMicrotask(() => call(...args));
  emitWarning = (warning) => host.print(true, `Warning: ${String(warning?.message ?? warning).toWellFormed()}\n`);
  memoryUsage = () => ({ rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 });
  hrtime = Object.assign(
    (earlier) => {
      const nanoseconds = process.hrtime.bigint();
      const now = [Number(nanoseconds / 1000000000n), Number(nanoseconds % 1000000000n)];
      if (!earlier) return now;
      const difference = nanoseconds - (BigInt(earlier[0]) * 1000000000n + BigInt(earlier[1]));
      return [Number(difference / 1000000000n), Number(difference % 1000000000n)];
    },
    { bigint: () => BigInt(Math.round(host.elapsed() * 1e6)) },
  );
}

const process = new Process();
for (const name of ["chdir", "kill", "abort", "dlopen", "setuid"]) {
  process[name] = () => {
    throw new Error(`process.${name} can't be used: a mission has no processes and no files`);
  };
}

export { process };
export default process;
export const { argv, env, stdin, stdout, stderr, exit, cwd, hrtime, nextTick, platform, version, versions, pid, arch } = process;
