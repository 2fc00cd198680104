;; Rejects with an explanation of 900 bytes.
(module
  (; prelude ;)
  (data (i32.const 2048) "\00\00\00\00" "\01\00\00\00" "\00\20\00\00\84\03\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (memory.fill (i32.const 8192) (i32.const 97) (i32.const 900))
    (i32.const 2048)))
