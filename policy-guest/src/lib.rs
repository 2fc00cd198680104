//! The default lifecycle policy.
