;; Approves with a million moves whose aliases are one and the same 10 MB string: 34 MB here, 10 TB for a host that
;; copies without counting.
(module
  (; prelude ;)
  (data (i32.const 2048)
    "\00\00\00\00" "\00\00\00\00" "\00\00\a0\00\40\42\0f\00" "\4c\04\00\00\02\00\00\00")
  (func (export "hydra:lifecycle/policy@0.2.0#describe") (result i32)
    (i32.const 1200))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-rollback") (param i32) (result i32)
    (i32.const 1304))
  (func (export "hydra:lifecycle/policy@0.2.0#decide-promotion") (param i32) (result i32)
    (local $at i32)
    (drop (memory.grow (i32.const 600)))
    (memory.fill (i32.const 65536) (i32.const 97) (i32.const 10000000))
    (local.set $at (i32.const 10485760))
    (loop $next
      (i32.store (local.get $at) (i32.const 65536))
      (i32.store offset=4 (local.get $at) (i32.const 10000000))
      (local.set $at (i32.add (local.get $at) (i32.const 24)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 34485760))))
    (i32.const 2048)))
