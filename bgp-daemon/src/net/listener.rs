//! The sockets on which BGP peers reach this node.
//!
//! Binds, holds the TCP MD5 key and TTL rule of each peer, and hands out accepted connections. IPv4 and IPv6 have
//! sockets of their own. Whether the other side is a configured peer at all is not judged here.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use super::sockopt::{self, Md5Key, Ttl};

/// All listening sockets of the speaker, with what each peer's connections need.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: Vec<Bound>,
    peers: HashMap<IpAddr, PeerSecurity>,
    /// Where the next search for a waiting connection starts, so that no socket starves the others.
    turn: usize,
}

/// A listening socket, and the address that it was asked for with.
#[derive(Debug)]
struct Bound {
    wanted: SocketAddr,
    socket: TcpListener,
}

/// What connections from one peer need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerSecurity {
    /// Key for TCP MD5 signatures (RFC 2385).
    pub md5: Option<Md5Key>,
    /// TTL to send and to demand.
    pub ttl: Ttl,
}

/// An accepted connection.
#[derive(Debug)]
pub struct Incoming {
    /// The connection, with its options set.
    pub stream: TcpStream,
    /// The other side.
    pub peer: SocketAddr,
    /// The own address that was dialled.
    pub local: SocketAddr,
}

/// Why a socket cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on address {} port {}: {}", .address.ip(), .address.port(), self.reason())]
pub struct ListenError {
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

/// A peer's key or TTL rule could not be set on a listening socket.
#[derive(Debug, thiserror::Error)]
#[error("cannot protect the listening socket for peer {peer}: {error}")]
pub struct ProtectError {
    peer: IpAddr,
    error: io::Error,
}

impl Listeners {
    /// Listens on one more address, if not there already; 0.0.0.0 and :: stand for all of the family. Port 0 lets the system
    /// choose. An address need not be on this node yet.
    ///
    /// # Errors
    /// A sentence with address, port and reason.
    pub fn bind(&mut self, address: SocketAddr) -> Result<SocketAddr, ListenError> {
        let kept = self.sockets.iter().find(|bound| bound.wanted == address);
        let local = match kept {
            Some(bound) => bound.socket.local_addr(),
            None => self.bind_new(address),
        };
        local.map_err(|error| ListenError { address, error })
    }

    fn bind_new(&mut self, wanted: SocketAddr) -> io::Result<SocketAddr> {
        let socket = self.protect_all(listen(wanted)?)?;
        let local = socket.local_addr()?;
        self.sockets.push(Bound { wanted, socket });
        Ok(local)
    }

    /// Stops listening on all other addresses; the peers stay known.
    pub fn keep(&mut self, addresses: &[SocketAddr]) {
        self.sockets
            .retain(|bound| addresses.contains(&bound.wanted));
    }

    /// Addresses listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets
            .iter()
            .filter_map(|bound| bound.socket.local_addr().ok())
            .collect()
    }

    /// Sets what connections from a peer need, in the place of what was set before. With a key, the kernel drops
    /// unsigned segments of that peer from now on.
    ///
    /// # Errors
    /// When the system refuses, for example a kernel without TCP MD5. The peer counts as set nevertheless.
    pub fn set_peer(&mut self, peer: IpAddr, security: PeerSecurity) -> Result<(), ProtectError> {
        self.peers.insert(peer, security);
        self.apply(peer)
            .map_err(|error| ProtectError { peer, error })
    }

    /// Forgets a peer and its key.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove_peer(&mut self, peer: IpAddr) -> Result<(), ProtectError> {
        self.peers.remove(&peer);
        self.apply(peer)
            .map_err(|error| ProtectError { peer, error })
    }

    /// The next connection. Waits for ever while there is no socket. Safe to drop and call again.
    pub async fn accept(&mut self) -> Incoming {
        loop {
            let (index, accepted) = std::future::poll_fn(|cx| self.poll_accept(cx)).await;
            match accepted.and_then(|(stream, peer)| self.admit(stream, peer)) {
                Ok(incoming) => return incoming,
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: the connection stays in the queue, so give the system time.
                    let address = self.sockets[index].socket.local_addr().ok();
                    warn!(?address, %error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<(usize, io::Result<(TcpStream, SocketAddr)>)> {
        for step in 0..self.sockets.len() {
            let index = (self.turn + step) % self.sockets.len();
            if let Poll::Ready(accepted) = self.sockets[index].socket.poll_accept(cx) {
                self.turn = index + 1;
                return Poll::Ready((index, accepted));
            }
        }
        Poll::Pending
    }

    /// Sets the options of an accepted connection.
    fn admit(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<Incoming> {
        let ttl = self
            .peers
            .get(&peer.ip())
            .map(|security| security.ttl)
            .unwrap_or_default();
        sockopt::set_ttl(&stream, ttl)?;
        sockopt::set_bgp_defaults(&stream)?;
        let local = stream.local_addr()?;
        Ok(Incoming {
            stream,
            peer,
            local,
        })
    }

    /// Brings one peer's rules to the sockets of its family.
    fn apply(&self, peer: IpAddr) -> io::Result<()> {
        let key = self
            .peers
            .get(&peer)
            .and_then(|security| security.md5.as_ref());
        for Bound { socket, .. } in &self.sockets {
            let of_family = socket.local_addr()?.is_ipv4() == peer.is_ipv4();
            if of_family {
                sockopt::set_md5_key(socket, peer, key)?;
            }
            sockopt::set_ttl(socket, self.handshake_ttl())?;
        }
        Ok(())
    }

    /// Brings the rules of all peers to a new socket.
    fn protect_all(&self, socket: TcpListener) -> io::Result<TcpListener> {
        let ipv4 = socket.local_addr()?.is_ipv4();
        for (peer, security) in self.peers.iter().filter(|(peer, _)| peer.is_ipv4() == ipv4) {
            if security.md5.is_some() {
                sockopt::set_md5_key(&socket, *peer, security.md5.as_ref())?;
            }
        }
        sockopt::set_ttl(&socket, self.handshake_ttl())?;
        Ok(socket)
    }

    /// The listener answers for all peers. One with TTL security only takes answers sent with 255 (RFC 5082 §3); which
    /// TTL to demand in turn is only known when the peer is, on the accepted connection.
    fn handshake_ttl(&self) -> Ttl {
        let secured = self
            .peers
            .values()
            .any(|security| matches!(security.ttl, Ttl::Security { .. }));
        if secured {
            Ttl::Hops(u8::MAX)
        } else {
            Ttl::System
        }
    }
}

impl ListenError {
    fn reason(&self) -> String {
        match self.error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there".into(),
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE".into()
            }
            _ if self.is_family_absent() && self.address.is_ipv6() => {
                "this system has no IPv6".into()
            }
            _ if self.is_family_absent() => "this system has no IPv4".into(),
            _ => self
                .error
                .raw_os_error()
                .map_or_else(|| self.error.to_string(), sockopt::errno_text),
        }
    }

    /// Where it was to listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Another program has the port.
    pub fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }

    /// The system does not know the family of the address at all, such as a kernel without IPv6.
    pub fn is_family_absent(&self) -> bool {
        self.error.raw_os_error() == Some(libc::EAFNOSUPPORT)
    }
}

/// The wildcard address of each family with a port.
pub fn any_address(port: u16) -> [SocketAddr; 2] {
    [
        (Ipv4Addr::UNSPECIFIED, port).into(),
        (Ipv6Addr::UNSPECIFIED, port).into(),
    ]
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    // A restart must not wait for old connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Whether an error of `accept` or of the first options concerns only that one connection, which is gone already.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | InvalidInput | NotConnected
    )
}

/// Connections that the kernel completes ahead of us.
const BACKLOG: i32 = 128;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepts_on_every_socket() {
        let mut listeners = Listeners::default();
        let v4 = listeners.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let other = listeners.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        assert_eq!(listeners.addresses(), [v4, other]);
        for address in [other, v4, v4] {
            let (dialled, incoming) = tokio::join!(TcpStream::connect(address), listeners.accept());
            assert_eq!(incoming.local, address);
            assert_eq!(incoming.peer, dialled.unwrap().local_addr().unwrap());
            assert!(incoming.stream.nodelay().unwrap());
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_named_in_one_sentence() {
        let mut first = Listeners::default();
        let taken = first.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Listeners::default()
            .bind(taken)
            .expect_err("the port is taken");
        assert!(error.is_in_use());
        let port = taken.port();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on address 127.0.0.1 port {port}: another program listens there"
            )
        );
    }

    #[test]
    fn a_privileged_port_names_the_capability() {
        let error = ListenError {
            address: "[::]:179".parse().unwrap(),
            error: io::Error::from_raw_os_error(libc::EACCES),
        };
        assert_eq!(
            error.to_string(),
            "cannot listen on address :: port 179: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
        );
    }

    #[tokio::test]
    async fn a_port_is_free_once_its_address_is_not_kept() {
        let mut listeners = Listeners::default();
        let wanted = "127.0.0.1:0".parse().unwrap();
        let address = listeners.bind(wanted).unwrap();
        listeners.keep(&[wanted]);
        assert_eq!(listeners.bind(wanted).unwrap(), address);
        listeners.keep(&[]);
        assert_eq!(listeners.bind(address).unwrap(), address);
    }
}
