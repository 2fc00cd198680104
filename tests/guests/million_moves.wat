;; Approves with a list of 10^6 moves, 24 MB of them.
(module
  (; prelude ;)
  (data (i32.const 2048)
    "\00\00\00\00" "\00\00\00\00" "\00\00\01\00\40\42\0f\00" "\4c\04\00\00\02\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (drop (memory.grow (i32.const 400)))
    (i32.const 2048)))
