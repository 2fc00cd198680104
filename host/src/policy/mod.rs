//! What a policy is: the sandboxed WebAssembly component that decides promotions and rollbacks.
