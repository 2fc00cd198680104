;; Calls itself without end.
(module
  (; prelude ;)
  (func $deeper (param i32) (result i32)
    (i32.add (call $deeper (local.get 0)) (i32.const 1)))
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (call $deeper (i32.const 0))))
