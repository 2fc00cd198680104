;; Rejects with an explanation that would look like lines of the host's own, after clearing the terminal.
(module
  (; prelude ;)
  (data (i32.const 2000) "\1b[2Jno\n  alias   champion: 1 -> 2\n")
  (data (i32.const 2048) "\00\00\00\00" "\01\00\00\00" "\d0\07\00\00\22\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 2048)))
