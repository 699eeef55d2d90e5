;; A memory that can't grow, used to its last byte: memory.grow is refused, nothing is overwritten.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 2 2)
  (data (i32.const 0) "\08\00\00\00\06\00\00\00fixed\n")
  (func (export "_start") (local $at i32) (local $wrong i32)
    (memory.fill (i32.const 64) (i32.const 0xab) (i32.const 131008))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
    (local.set $at (i32.const 64))
    (loop $next
      (local.set $wrong (i32.add (local.get $wrong)
        (i32.ne (i32.load8_u (local.get $at)) (i32.const 0xab))))
      (br_if $next (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 131072))))
    ;; 50 if nothing changed, memory.grow said -1 and the size is as declared
    (call $proc_exit (i32.add (i32.add (local.get $wrong) (i32.const 48))
      (i32.add (i32.eq (memory.grow (i32.const 1)) (i32.const -1))
               (i32.eq (memory.size) (i32.const 2)))))))
