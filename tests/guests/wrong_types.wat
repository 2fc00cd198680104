;; A component that exports the interface by name, with nothing in it.
(component
  (instance $empty)
  (export "hydra:lifecycle/policy@0.2.0" (instance $empty)))
