;; A component for a later version of the interface.
(component
  (instance $empty)
  (export "hydra:lifecycle/policy@0.3.0" (instance $empty)))
