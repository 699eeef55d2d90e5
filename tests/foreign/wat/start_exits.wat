;; The start section ends the program: _start never runs.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (func $first (call $proc_exit (i32.const 21)))
  (start $first)
  (func (export "_start") unreachable))
