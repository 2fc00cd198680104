//! HTTP and gRPC scoring that follows the champion.

mod protocol;
