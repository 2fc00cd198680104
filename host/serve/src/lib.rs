//! HTTP and gRPC scoring that follows the champion.
