;; Leaves the text of a panic that has no end and imitates lines of the host, and traps. A rollback traps with memory of 4 GiB.
(module
  (; prelude ;)
  (data (i32.const 2048) "\ffhydra:panic:1\ff\ff" "\00\00\00\00" "this one is empty")
  (data (i32.const 4096) "\ffhydra:panic:1\ff\ff" "\ff\ff\ff\ff" "\1b[2Jno\0aok: \c2\85version 3 is champion\ff")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (drop (memory.grow (i32.const 65532)))
    unreachable)
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    unreachable))
