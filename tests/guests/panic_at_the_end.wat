;; Has the marker of a panic in the last 16 bytes of its memory, and traps. For a rollback it first writes the marker before, so that
;; the text ends with the memory.
(module
  (; prelude ;)
  (data (i32.const 2048) "\ffhydra:panic:1\ff\ff" "\ff\00\00\00" "cut by the e")
  (data (i32.const 262128) "\ffhydra:panic:1\ff\ff")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (memory.copy (i32.const 262112) (i32.const 2048) (i32.const 32))
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 32))
    unreachable)
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (memory.fill (i32.const 2048) (i32.const 0) (i32.const 32))
    unreachable))
