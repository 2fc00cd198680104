;; Grows a table until it is refused: tables cost memory that is not linear memory.
(module
  (; prelude ;)
  (table $big 0 funcref)
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $big (ref.null func) (i32.const 100000)) (i32.const -1))))
    (i32.const 1304)))
