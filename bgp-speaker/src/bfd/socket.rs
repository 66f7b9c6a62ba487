//! Sockets for control packets (RFC 5881 §4, RFC 5883 §4).
//!
//! One receives for each local address and port, and each session has one to send: a source port of its own. Nothing listens on a
//! wildcard address: that would take the port from other programs of the node.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::descriptors::is_of_reserve;
use crate::namespace::{Namespace, make_in};
use crate::sockopt::{self, Ttl};

/// Source ports that RFC 5881 §4 allows.
pub(super) const SOURCE_PORTS: RangeInclusive<u16> = 49152..=65535;
/// Octets of packets that wait to be read: a thousand sessions may send at the same time.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Nobody reads what comes to a socket that sends.
const NO_BUFFER: usize = 1;
/// Ports that are tried before the system is said to have none.
const TRIES: u16 = 128;

/// A socket that receives for a local address.
pub(super) fn receiver(namespace: Option<&Namespace>, local: SocketAddr) -> io::Result<UdpSocket> {
    make_in(namespace, move || {
        let socket = open(local)?;
        sockopt::tell_ttl(&socket)?;
        // The system may allow less.
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.bind(&local.into())?;
        Ok(socket.into())
    })
}

/// A socket that sends for one session, from a port that is free; the search begins at the one given.
pub(super) fn sender(
    namespace: Option<&Namespace>,
    local: SocketAddr,
    first: u16,
) -> io::Result<UdpSocket> {
    make_in(namespace, move || {
        let socket = open(local)?;
        socket.set_recv_buffer_size(NO_BUFFER)?;
        // RFC 5881 §5: whoever receives it can tell that no router has passed it on.
        sockopt::set_ttl(&socket, Ttl::Hops(u8::MAX))?;
        set_class(&socket, local)?;
        bind_to_free_port(&socket, local, first)?;
        Ok(socket.into())
    })
}

/// Our address on the way to a peer, as the kernel chooses it.
pub(super) fn local_address(namespace: Option<&Namespace>, peer: SocketAddr) -> io::Result<IpAddr> {
    make_in(namespace, move || {
        let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
        // Nothing is sent.
        socket.connect(&peer.into())?;
        let local = socket.local_addr()?.as_socket();
        Ok(local.ok_or(io::ErrorKind::AddrNotAvailable)?.ip())
    })
}

fn open(local: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
    if is_of_reserve(&socket) {
        return Err(io::Error::from_raw_os_error(libc::EMFILE));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Precedence Internetwork Control, as BGP has it.
fn set_class(socket: &Socket, local: SocketAddr) -> io::Result<()> {
    let socket = SockRef::from(socket);
    match local.is_ipv6() {
        true => socket.set_tclass_v6(CLASS_SELECTOR_6),
        false => socket.set_tos_v4(CLASS_SELECTOR_6),
    }
}

fn bind_to_free_port(socket: &Socket, local: SocketAddr, first: u16) -> io::Result<()> {
    let count = SOURCE_PORTS.end() - SOURCE_PORTS.start() + 1;
    let mut bound = Err(io::ErrorKind::AddrInUse.into());
    for offset in 0..TRIES {
        let port = SOURCE_PORTS.start() + first.wrapping_add(offset) % count;
        let mut local = local;
        local.set_port(port);
        bound = socket.bind(&local.into());
        if !matches!(&bound, Err(error) if error.kind() == io::ErrorKind::AddrInUse) {
            break;
        }
    }
    bound
}

/// DSCP CS6 in the traffic class octet.
const CLASS_SELECTOR_6: u32 = 0xc0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_a_source_port_of_its_own() {
        let local = "127.0.0.1:0".parse().unwrap();
        let sockets: Vec<_> = (0..20)
            .map(|_| sender(None, local, 65535).unwrap())
            .collect();
        let mut ports: Vec<u16> = sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap().port())
            .collect();
        assert!(
            ports.iter().all(|port| SOURCE_PORTS.contains(port)),
            "{ports:?}"
        );
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), sockets.len());
    }
}
