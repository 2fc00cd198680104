;; Reports errors that would look like lines of the host's own: with escape sequences for a promotion, and for a rollback with 400
;; escape characters.
(module
  (; prelude ;)
  (data (i32.const 2000) "\1b[2Jno\nok: \e2\80\aeversion 3\e2\80\a8is champion\07")
  (data (i32.const 2048) "\01\00\00\00" "\02\00\00\00" "\d0\07\00\00\26\00\00\00")
  (data (i32.const 2100) "\00\00\00\00" "\01\00\00\00" "\00\10\00\00\90\01\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (memory.fill (i32.const 4096) (i32.const 27) (i32.const 400))
    (i32.const 2100))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (i32.const 2048)))
