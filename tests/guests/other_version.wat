;; A component for a later version of the interface.
(component
  (instance $empty)
  (export "hydra:lifecycle/policy@0.2.0" (instance $empty)))
