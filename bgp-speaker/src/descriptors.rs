//! File descriptors of the process, some of which are reserved.

use std::os::fd::AsRawFd;

use rustix::process::{Resource, getrlimit};

/// Descriptors reserved for files, control sockets and netlink: connections of peers never get them.
const RESERVE: u64 = 64;

/// Whether a connection took a reserved descriptor and must be closed. The system hands out the smallest free number. With a low
/// limit, a quarter of the descriptors is reserved.
pub(crate) fn is_of_reserve(socket: &impl AsRawFd) -> bool {
    let number = u64::try_from(socket.as_raw_fd()).unwrap_or_default();
    let limit = getrlimit(Resource::Nofile).current;
    limit.is_some_and(|limit| number + RESERVE.min(limit / 4) >= limit)
}
