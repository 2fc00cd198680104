;; A component that exports something else altogether.
(component
  (instance $empty)
  (export "wasi:cli/run@0.2.0" (instance $empty)))
