// node:timers/promises: timers as promises, in the sandbox's time.
import { sleep, setImmediate as immediate } from "coo:timers";

export const setTimeout = (delay, value, options) => sleep(delay, value, options?.signal);
export const setImmediate = (value) => new Promise((resolve) => immediate(() => resolve(value)));
export async function* setInterval(delay, value) {
  for (;;) yield await sleep(delay, value);
}
export const scheduler = { wait: (delay, options) => sleep(delay, undefined, options?.signal), yield: () => setImmediate() };
export default { setTimeout, setImmediate, setInterval, scheduler };
