;; Approves a promotion by making version 1 the champion, whatever was asked for.
(module
  (; prelude ;)
  (data (i32.const 2000) "champion")
  (data (i32.const 2304)
    "\d0\07\00\00\08\00\00\00" "\01\00\00\00\00\00\00\00" "\01\00\00\00\00\00\00\00")
  (data (i32.const 2200)
    "\00\00\00\00" "\00\00\00\00" "\00\09\00\00\01\00\00\00" "\4c\04\00\00\02\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 2200)))
