//! The version of this daemon.

/// The version of this daemon on its sockets. Readers accept the text after `BIRD ` as a version only if it begins with `v`.
pub const VERSION: &str = concat!("v", env!("CARGO_PKG_VERSION"), "+bgp-daemon");
