;; Vector operators, their result written as sixteen bytes.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\30\00\00\00")
  (func (export "_start")
    (v128.store (i32.const 16) (i8x16.add_sat_u
      (v128.const i8x16 250 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15) (i8x16.splat (i32.const 48))))
    (v128.store (i32.const 32) (i32x4.trunc_sat_f32x4_s
      (f32x4.mul (v128.const f32x4 1.5 -2.5 1e20 nan) (f32x4.splat (f32.const 3)))))
    (v128.store (i32.const 48) (i16x8.q15mulr_sat_s
      (v128.const i16x8 32767 -32768 1000 -1000 5 6 7 8) (i16x8.splat (i32.const -32768))))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 80)))))
