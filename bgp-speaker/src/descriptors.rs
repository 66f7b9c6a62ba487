//! Descriptors of the process, of which some are held back.

use std::os::fd::AsRawFd;

use rustix::process::{Resource, getrlimit};

/// Descriptors that are not given to connections of peers: files, control sockets and the kernel need some.
const RESERVE: u64 = 64;

/// Whether a connection took one of the last descriptors, and is to be closed: the system gives the smallest number that is
/// free. Where few are allowed, a quarter is held back.
pub(crate) fn is_of_reserve(socket: &impl AsRawFd) -> bool {
    let number = u64::try_from(socket.as_raw_fd()).unwrap_or_default();
    let limit = getrlimit(Resource::Nofile).current;
    limit.is_some_and(|limit| number + RESERVE.min(limit / 4) >= limit)
}
