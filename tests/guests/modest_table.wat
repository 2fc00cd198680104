;; Declares a table of at most 4 elements, asks for 100, and lives with the -1 it gets.
(module
  (; prelude ;)
  (table $small 0 4 funcref)
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (if (i32.ne (table.grow $small (ref.null func) (i32.const 100)) (i32.const -1)) (then unreachable))
    (i32.const 1304)))
