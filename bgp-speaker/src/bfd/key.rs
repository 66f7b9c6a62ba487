//! What identifies a path.

use std::net::{IpAddr, SocketAddr};

use super::spec::BfdPath;

/// By what a packet finds its path if it has no number of ours: never by its source alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PathKey {
    pub(super) remote: IpAddr,
    /// The interface, of a link-local address; otherwise zero.
    pub(super) scope: u32,
    pub(super) local: IpAddr,
    /// 3784 or 4784.
    pub(super) port: u16,
}

impl PathKey {
    pub(super) fn new(remote: SocketAddr, local: IpAddr, path: BfdPath) -> Self {
        Self {
            remote: remote.ip(),
            scope: scope_of(remote),
            local,
            port: path.port(),
        }
    }

    /// Where packets of the path come to.
    pub(super) fn receiver(&self) -> SocketAddr {
        with_scope(self.local, self.port, self.scope)
    }

    pub(super) fn destination(&self) -> SocketAddr {
        with_scope(self.remote, self.port, self.scope)
    }
}

/// The interface of a link-local address; otherwise zero.
fn scope_of(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V6(address) if address.ip().is_unicast_link_local() => address.scope_id(),
        _ => 0,
    }
}

pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn with_scope(address: IpAddr, port: u16, scope: u32) -> SocketAddr {
    let mut socket = SocketAddr::new(address, port);
    if let SocketAddr::V6(socket) = &mut socket
        && is_link_local(address)
    {
        socket.set_scope_id(scope);
    }
    socket
}
