;; fd_read and fd_write with several buffers, empty ones, and pointers outside of memory.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\00\10\00\00\05\00\00\00\00\20\00\00\00\00\00\00\00\30\00\00\64\00\00\00")
  (func (export "_start") (local $errors i32)
    (local.set $errors (call $fd_read (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 256)))
    (i32.store (i32.const 512) (i32.const 4096))
    (i32.store (i32.const 516) (i32.load (i32.const 256)))
    (drop (call $fd_write (i32.const 1) (i32.const 512) (i32.const 1) (i32.const 260)))
    ;; the count has nowhere to go
    (local.set $errors (i32.add (local.get $errors)
      (call $fd_write (i32.const 1) (i32.const 512) (i32.const 1) (i32.const 65533))))
    (call $proc_exit (local.get $errors))))
