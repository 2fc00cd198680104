;; Explains itself in bytes that are not UTF-8.
(module
  (; prelude ;)
  (data (i32.const 2000) "\ff\fe\80\c0")
  (data (i32.const 2048) "\00\00\00\00" "\01\00\00\00" "\d0\07\00\00\04\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 2048)))
