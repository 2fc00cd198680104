//! Installs the heap of a guest that lives for one decision: a policy only has to link this crate. Native builds keep the
//! standard library's allocator.

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "implementing an allocator is unsafe")]
mod heap;
