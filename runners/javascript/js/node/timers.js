// node:timers: the global timers by import.
import { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate } from "coo:timers";
import promises from "node:timers/promises";

export { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, promises };
export default { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate, promises };
