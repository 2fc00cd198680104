;; Describes a setting whose default, choice and description would look like lines of the host's own. The key is proper.
(module
  (; prelude ;)
  (data (i32.const 3000) "a\1b[2J\nlimits of each decision\n  fuel  1")
  (data (i32.const 3100) "mode")
  ;; The only choice, then the setting: key, kind choice, default, not required, description.
  (data (i32.const 3500) "\b8\0b\00\00\27\00\00\00")
  (data (i32.const 4000)
    "\1c\0c\00\00\04\00\00\00" "\05\00\00\00\ac\0d\00\00\01\00\00\00"
    "\01\00\00\00\b8\0b\00\00\27\00\00\00" "\00\00\00\00" "\b8\0b\00\00\27\00\00\00")
  (data (i32.const 5000)
    "\00\04\00\00\07\00\00\00" "\10\04\00\00\05\00\00\00" "\20\04\00\00\18\00\00\00" "\a0\0f\00\00\01\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 5000))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 1304)))
