;; A component that wants the time and something of the host's own.
(component
  (import "wasi:clocks/monotonic-clock@0.2.6" (instance (export "now" (func (result u64)))))
  (import "host-log" (func (param "line" string)))
  (instance $empty)
  (export "hydra:lifecycle/policy@0.2.0" (instance $empty)))
