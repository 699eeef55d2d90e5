// node:perf_hooks: the sandbox's time since the script began. It moves only when the script waits.
import host from "coo:host";

const marks = new Map();

export const performance = {
  timeOrigin: host.now() - host.elapsed(),
  now: () => host.elapsed(),
  mark(name) {
    const entry = { name, entryType: "mark", startTime: host.elapsed(), duration: 0 };
    marks.set(name, entry);
    return entry;
  },
  measure(name, from, to) {
    const startTime = typeof from === "string" ? (marks.get(from)?.startTime ?? 0) : 0;
    const end = typeof to === "string" ? (marks.get(to)?.startTime ?? 0) : host.elapsed();
    return { name, entryType: "measure", startTime, duration: end - startTime };
  },
  clearMarks: () => marks.clear(),
  clearMeasures() {},
  getEntries: () => [...marks.values()],
  toJSON() {
    return { timeOrigin: performance.timeOrigin };
  },
};
export default { performance };
