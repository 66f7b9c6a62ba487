//! Everything netlink: framing, the few message types this speaker needs, and the sockets.
//!
//! Written by hand rather than with a message library: a full library parses every attribute of every message, and rejects the
//! whole message when a newer kernel or an unusual link has an attribute that it does not expect. This code skips attributes that
//! it does not need. All numbers are from `linux/netlink.h`, `linux/rtnetlink.h` and `linux/if_*.h`; byte order is the host's.

pub(super) mod link;
pub(super) mod message;
pub(super) mod route;
pub(super) mod socket;
