// No shim: the imports are declared here, and the memory is what the runtime leaves of it.
// runtimes: stub minimal incremental
// shim: none
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, parts: usize, count: i32, written: usize): i32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "proc_exit")
declare function proc_exit(status: i32): void;

export function refused(message: usize, file: usize, line: u32, column: u32): void {
  proc_exit(70);
}

const parts = memory.data(16);

function say(text: string): void {
  const bytes = Uint8Array.wrap(String.UTF8.encode(text + "\n"));
  store<usize>(parts, bytes.dataStart);
  store<i32>(parts, bytes.length, 4);
  fd_write(1, parts, 1, parts + 8);
}

say("pages " + memory.size().toString());
let sum: u64 = 0;
for (let i = 0; i < 300; i++) {
  const block = new Uint8Array(10000 + i);
  block.fill(<u8>i);
  for (let j = 0; j < block.length; j += 1000) sum = sum * 31 + block[j];
  if (i % 100 == 0) say("block " + i.toString());
}
say("sum " + sum.toString());
say("pages " + (memory.size() > 1 ? "more than one" : "one"));
proc_exit(11);
