;; Describes a setting that takes one of no choices.
(module
  (; prelude ;)
  (data (i32.const 3000) "mode")
  ;; The setting: key, kind choice, no default, not required, description.
  (data (i32.const 4000)
    "\b8\0b\00\00\04\00\00\00" "\05\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00" "\00\00\00\00" "\b8\0b\00\00\04\00\00\00")
  (data (i32.const 5000)
    "\00\04\00\00\07\00\00\00" "\10\04\00\00\05\00\00\00" "\20\04\00\00\18\00\00\00" "\a0\0f\00\00\01\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 5000))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 1304)))
