;; A memory of no pages that grows by hand, then prints.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 0)
  (data $text "\08\00\00\00\06\00\00\00grown\n")
  (func (export "_start")
    (if (i32.ne (memory.grow (i32.const 3)) (i32.const 0)) (then (call $proc_exit (i32.const 1))))
    (memory.init $text (i32.const 0) (i32.const 0) (i32.const 14))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    (call $proc_exit (memory.size))))
