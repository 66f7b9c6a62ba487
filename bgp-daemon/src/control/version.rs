//! What this daemon calls itself.

/// What this daemon calls itself on its sockets. Readers take what follows `BIRD ` as a version only if it begins with `v`.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"), "+bgp-daemon");
