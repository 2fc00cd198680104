;; Few instructions, much work: fills 64 MiB again and again.
(module
  (; prelude ;)
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (drop (memory.grow (i32.const 1020)))
    (loop $forever
      (memory.fill (i32.const 65536) (i32.const 7) (i32.const 66000000))
      (br $forever))
    unreachable))
