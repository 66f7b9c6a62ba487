//! Everything netlink: framing, the few message types this speaker needs, and the sockets.
//!
//! Written by hand rather than with a message library: a full library parses every attribute of every message and gives
//! up on the whole message when a newer kernel or an unusual link has one it does not expect. Here what is not needed is
//! skipped. All numbers are from `linux/netlink.h`, `linux/rtnetlink.h` and `linux/if_*.h`; byte order is the host's.

pub(super) mod link;
pub(super) mod message;
pub(super) mod route;
pub(super) mod socket;
