;; A promotion gets a verdict of tag 9, a rollback a result of tag 7.
(module
  (; prelude ;)
  (data (i32.const 2048) "\00\00\00\00" "\09\00\00\00" "\4c\04\00\00\02\00\00\00")
  (data (i32.const 2096) "\07\00\00\00" "\01\00\00\00" "\4c\04\00\00\02\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 2096))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 2048)))
