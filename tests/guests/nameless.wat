;; Describes itself without a name.
(module
  (; prelude ;)
  (data (i32.const 2048)
    "\00\04\00\00\00\00\00\00" "\10\04\00\00\05\00\00\00" "\20\04\00\00\18\00\00\00" "\08\00\00\00\00\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 2048))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 1304)))
