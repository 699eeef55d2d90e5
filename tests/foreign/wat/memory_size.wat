;; The size that was declared is the size that is seen, before and after a call.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\05\00\00\00size\n")
  (func (export "_start") (local $before i32)
    (local.set $before (memory.size))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    (call $proc_exit (i32.add (i32.mul (local.get $before) (i32.const 10)) (memory.size)))))
