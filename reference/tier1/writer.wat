;; The probe of 'coo tier1': a mission that writes one artefact. The first line of its input is the
;; path, the rest is the content. It returns the path of its receipt, or the gateway's words as its
;; own error. It judges nothing, so that the gateway has to.
;;
;; writer.wasm beside this file is this text in binary form; the test
;; tests/tier1/probe.rs compares them, and writes the file if COO_UPDATE_PROBE is set.
(component
  (import "coo:mission/gateway@1.0.0" (instance $gateway
    (type $receipt' (record (field "path" string) (field "sha256" string) (field "bytes" u64)))
    (export "receipt" (type $receipt (eq $receipt')))
    (type $error' (variant (case "refused" string) (case "conflict" string)))
    (export "error" (type $error (eq $error')))
    (export "write" (func (param "path" string) (param "content" (list u8))
      (result (result $receipt (error $error)))))))

  ;; 1 MiB, far more than the texts that it writes.
  (core module $memory
    (memory (export "memory") 16)
    (global $free (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  (core instance $memory (instantiate $memory))
  (core func $write (canon lower (func $gateway "write")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))

  ;; The answer lies at 64: whether it is an error, then the receipt (path first) or the error
  ;; (which one, then its text). What `run` returns lies at 0: likewise, then the text.
  (core module $mission
    (import "host" "memory" (memory 1))
    (import "host" "write" (func $write (param i32 i32 i32 i32 i32)))
    (func (export "run") (param $input i32) (param $length i32) (result i32)
      (local $path_length i32) (local $content i32) (local $content_length i32) (local $text i32)
      ;; The path ends at the first line feed, or with the input.
      (block $found
        (loop $next
          (br_if $found (i32.ge_u (local.get $path_length) (local.get $length)))
          (br_if $found (i32.eq
            (i32.load8_u (i32.add (local.get $input) (local.get $path_length)))
            (i32.const 10)))
          (local.set $path_length (i32.add (local.get $path_length) (i32.const 1)))
          (br $next)))
      (local.set $content
        (i32.add (local.get $input) (i32.add (local.get $path_length) (i32.const 1))))
      (if (i32.lt_u (local.get $path_length) (local.get $length))
        (then (local.set $content_length (i32.sub
          (i32.sub (local.get $length) (local.get $path_length)) (i32.const 1)))))
      (call $write (local.get $input) (local.get $path_length)
        (local.get $content) (local.get $content_length) (i32.const 64))
      (i32.store8 (i32.const 0) (i32.load8_u (i32.const 64)))
      (local.set $text (select (i32.const 76) (i32.const 72) (i32.load8_u (i32.const 64))))
      (i32.store (i32.const 4) (i32.load (local.get $text)))
      (i32.store (i32.const 8) (i32.load offset=4 (local.get $text)))
      (i32.const 0)))
  (core instance $mission (instantiate $mission
    (with "host" (instance
      (export "memory" (memory $memory "memory"))
      (export "write" (func $write))))))
  (func (export "run") (param "input" string) (result (result string (error string)))
    (canon lift (core func $mission "run")
      (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
