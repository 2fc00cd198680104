;; Loops in its start function: before any export is called.
(module
  (; prelude ;)
  (func $start (loop $forever (br $forever)))
  (start $start)
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 1304)))
