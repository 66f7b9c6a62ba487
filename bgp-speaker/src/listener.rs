//! The sockets on which BGP peers reach this node.
//!
//! Binds sockets, holds the TCP MD5 key and TTL rule of each peer, returns accepted connections, and checks whether a connection
//! meets its peer's rules. IPv4 and IPv6 have separate sockets. Whether the other side is a configured peer is not checked here.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::given_listener::GivenListener;
use crate::keys::{self, Keys, Refused};
use crate::namespace::{Namespace, make_in};
use crate::sockopt::{self, Md5Key, Ttl};

/// All listening sockets of the speaker, with the requirements for each peer's connections.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: Vec<Bound>,
    namespace: Option<Namespace>,
    peers: BTreeMap<IpAddr, PeerSecurity>,
    /// Requirements for other addresses, by range.
    ranges: BTreeMap<IpNet, PeerSecurity>,
    /// Ranges whose key is missing on one of the sockets.
    shut_ranges: BTreeMap<IpNet, Arc<str>>,
    /// Peers whose key is missing on one of the sockets.
    shut: BTreeMap<IpAddr, Arc<str>>,
    /// Where the next search for a waiting connection starts, so that no socket starves the others.
    turn: usize,
}

/// A listening socket, and the address that was requested for it.
#[derive(Debug)]
struct Bound {
    /// `None` for a socket of the owner.
    wanted: Option<SocketAddr>,
    is_ipv4: bool,
    socket: TcpListener,
    keys: Keys,
    ttl: Ttl,
}

/// Requirements for connections of one peer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerSecurity {
    /// Key for TCP MD5 signatures (RFC 2385).
    pub md5: Option<Md5Key>,
    /// TTL to send and to require.
    pub ttl: Ttl,
}

/// An accepted connection that is not yet admitted.
#[derive(Debug)]
pub struct Incoming {
    /// The connection.
    pub stream: TcpStream,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The local address that the peer dialled.
    pub local: SocketAddr,
}

/// Why a connection is closed without a NOTIFICATION.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A listening socket lacks the peer's key, so the connection may be unsigned.
    #[error("there is no TCP MD5 password on the listening sockets")]
    NoKey,
    /// The connection came from further away than TTL security allows (RFC 5082 §3).
    #[error("it came with TTL {0}")]
    TooFar(u8),
    /// The connection is gone, or the system refuses its options.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Why a socket cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on address {} port {}: {}", .address.ip(), .address.port(), self.reason())]
#[non_exhaustive]
pub struct ListenError {
    pub(super) address: SocketAddr,
    pub(super) error: io::Error,
}

impl Listeners {
    /// Makes sockets in a network namespace; `None` is the namespace of the calling thread.
    pub fn new(namespace: Option<Namespace>) -> Self {
        Self {
            namespace,
            ..Self::default()
        }
    }

    /// Listens on one more address; no effect if already listening there. 0.0.0.0 and :: are all addresses of the family. Port 0
    /// lets the system choose. The address need not exist on this node yet.
    ///
    /// # Errors
    /// Address, port and reason.
    pub fn bind(&mut self, address: SocketAddr) -> Result<SocketAddr, ListenError> {
        let is_wanted = |bound: &&Bound| bound.wanted == Some(address);
        let kept = self.sockets.iter().find(is_wanted);
        let local = match kept {
            Some(bound) => bound.socket.local_addr(),
            None => self.bind_new(address),
        };
        local.map_err(|error| ListenError { address, error })
    }

    /// Sets the keys before anybody can connect.
    fn bind_new(&mut self, wanted: SocketAddr) -> io::Result<SocketAddr> {
        let socket = make_in(self.namespace.as_ref(), move || open(wanted))?;
        self.add(Some(wanted), socket)
    }

    /// Copies of the sockets, without those of the owner.
    pub(super) fn sockets(&self) -> Vec<GivenListener> {
        let copy = |bound: &Bound| {
            Some(GivenListener {
                wanted: bound.wanted?,
                socket: bound.socket.as_fd().try_clone_to_owned().ok()?,
                keys: bound.keys.prefixes().collect(),
            })
        };
        self.sockets.iter().filter_map(copy).collect()
    }

    /// Listens on a socket of another process, as if its address had been requested. It keeps no key that is not wanted here.
    pub(super) fn take_over(&mut self, given: GivenListener) -> io::Result<SocketAddr> {
        let socket = Socket::from(given.socket);
        socket.set_nonblocking(true)?;
        let is_ipv4 = socket.domain()? == Domain::IPV4;
        Keys::clean(&socket, &given.keys, &self.keys_of_family(is_ipv4));
        self.add(Some(given.wanted), socket)
    }

    /// Listens on a socket of the owner until `self` is dropped.
    ///
    /// # Errors
    /// The socket takes connections of both families, or the system refuses its options.
    pub fn adopt(&mut self, socket: std::net::TcpListener) -> Result<SocketAddr, ListenError> {
        let address = socket.local_addr();
        let address = address.unwrap_or_else(|_| (Ipv6Addr::UNSPECIFIED, 0).into());
        self.try_adopt(socket.into(), address)
            .map_err(|error| ListenError { address, error })
    }

    fn try_adopt(&mut self, socket: Socket, address: SocketAddr) -> io::Result<SocketAddr> {
        if address.is_ipv6() && address.ip().is_unspecified() && !socket.only_v6()? {
            let error = "the socket takes IPv4 too, which needs a socket of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        socket.set_nonblocking(true)?;
        // As in `open`.
        sockopt::keep_syn(&socket).ok();
        self.add(None, socket)
    }

    fn add(&mut self, wanted: Option<SocketAddr>, socket: Socket) -> io::Result<SocketAddr> {
        let ttl = self.handshake_ttl();
        sockopt::set_ttl(&socket, ttl)?;
        let is_ipv4 = socket.domain()? == Domain::IPV4;
        let mut keys = Keys::default();
        keys.bring(&socket, &self.keys_of_family(is_ipv4));
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from_std(socket.into())?;
        let local = socket.local_addr()?;
        self.sockets.push(Bound {
            wanted,
            is_ipv4,
            socket,
            keys,
            ttl,
        });
        self.note_shut();
        Ok(local)
    }

    /// Stops listening on all other addresses; sockets of the owner and the rules of peers stay.
    pub fn keep(&mut self, addresses: &[SocketAddr]) {
        self.sockets.retain(|bound| {
            bound
                .wanted
                .is_none_or(|wanted| addresses.contains(&wanted))
        });
        self.note_shut();
    }

    /// Addresses listened on.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets
            .iter()
            .filter_map(|bound| bound.socket.local_addr().ok())
            .collect()
    }

    /// Sets the requirements for a peer's connections, replacing earlier ones. Takes effect with [`Listeners::protect`].
    pub fn set_peer(&mut self, peer: IpAddr, security: PeerSecurity) {
        self.peers.insert(peer, security);
    }

    /// Forgets a peer. Takes effect with [`Listeners::protect`].
    pub fn remove_peer(&mut self, peer: IpAddr) {
        self.peers.remove(&peer);
    }

    /// Sets the requirements for connections from these ranges, unless the address is that of a peer. Takes effect with
    /// [`Listeners::protect`].
    pub fn set_ranges(&mut self, ranges: BTreeMap<IpNet, PeerSecurity>) {
        self.ranges = ranges;
    }

    /// The smallest range that holds an address.
    pub fn range_of(&self, address: IpAddr) -> Option<IpNet> {
        let around = self.ranges.keys().filter(|net| net.contains(&address));
        around.max_by_key(|net| net.prefix_len()).copied()
    }

    /// Requirements for connections from an address.
    pub(super) fn security(&self, address: IpAddr) -> PeerSecurity {
        let of_range = || self.ranges.get(&self.range_of(address)?);
        let security = self.peers.get(&address).or_else(of_range);
        security.cloned().unwrap_or_default()
    }

    fn keys_of_family(&self, ipv4: bool) -> Vec<(IpNet, &Md5Key)> {
        keys_of_family(&self.peers, &self.ranges, ipv4)
    }

    /// Sets the keys of all peers on the sockets. From then on the kernel drops unsigned segments of those peers.
    /// [`Listeners::is_shut`] tells whether the kernel refused a peer's key.
    pub fn protect(&mut self) {
        let (peers, ranges) = (&self.peers, &self.ranges);
        let [v4, v6] = [true, false].map(|ipv4| keys_of_family(peers, ranges, ipv4));
        let ttl = self.handshake_ttl();
        for bound in &mut self.sockets {
            let keys = if bound.is_ipv4 { &v4 } else { &v6 };
            bound.keys.bring(&bound.socket, keys);
            if bound.ttl != ttl && sockopt::set_ttl(&bound.socket, ttl).is_ok() {
                bound.ttl = ttl;
            }
        }
        self.note_shut();
    }

    /// Whether a socket lacks the peer's key. In that case no connection of the peer is admitted, and the peer should not be
    /// dialled: both would be unsigned.
    pub fn is_shut(&self, peer: IpAddr) -> bool {
        let range = || self.range_of(peer);
        let is_shut = |net: IpNet| self.shut_ranges.contains_key(&net);
        self.shut.contains_key(&peer)
            || (!self.peers.contains_key(&peer) && range().is_some_and(is_shut))
    }

    /// Peers whose key a socket lacks, and why.
    pub(super) fn shut(&self) -> &BTreeMap<IpAddr, Arc<str>> {
        &self.shut
    }

    /// Ranges whose key a socket lacks, and why.
    pub(super) fn shut_ranges(&self) -> &BTreeMap<IpNet, Arc<str>> {
        &self.shut_ranges
    }

    fn note_shut(&mut self) {
        self.shut.clear();
        self.shut_ranges.clear();
        let mut reasons: HashMap<Refused, Arc<str>> = HashMap::new();
        let missing = self.sockets.iter().flat_map(|bound| bound.keys.missing());
        for (net, why) in missing {
            let reason = reasons.entry(*why).or_insert_with(|| why.reason().into());
            if self.ranges.contains_key(net) {
                self.shut_ranges.insert(*net, Arc::clone(reason));
            }
            let within = self.peers.range(net.network()..=net.broadcast());
            let with_key = within.filter(|(_, security)| security.md5.is_some());
            self.shut
                .extend(with_key.map(|(peer, _)| (*peer, Arc::clone(reason))));
        }
    }

    /// The next connection. Waits forever while there is no socket. Cancellation safe.
    ///
    /// # Errors
    /// The system is out of descriptors or memory. The connection stays in the queue; wait before the next call.
    pub async fn accept(&mut self) -> io::Result<Incoming> {
        loop {
            let accepted = std::future::poll_fn(|cx| self.poll_accept(cx)).await;
            let accepted = accepted.and_then(|(stream, peer)| {
                let local = stream.local_addr()?;
                Ok(Incoming {
                    stream,
                    peer,
                    local,
                })
            });
            if !accepted.as_ref().is_err_and(is_of_connection) {
                return accepted;
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        for step in 0..self.sockets.len() {
            let index = (self.turn + step) % self.sockets.len();
            if let Poll::Ready(accepted) = self.sockets[index].socket.poll_accept(cx) {
                self.turn = index + 1;
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }

    /// Checks a connection against its peer's rules, and sets the socket options if it meets them.
    ///
    /// # Errors
    /// The reason to close the connection, without a NOTIFICATION.
    pub fn admit(&self, incoming: &Incoming) -> Result<(), Refusal> {
        let (stream, peer) = (&incoming.stream, incoming.peer.ip());
        if self.is_shut(peer) {
            return Err(Refusal::NoKey);
        }
        let security = self.security(peer);
        if let Ttl::Security { .. } = security.ttl
            && let Some(ttl) = sockopt::syn_ttl(stream)?.filter(|ttl| *ttl < security.ttl.least())
        {
            return Err(Refusal::TooFar(ttl));
        }
        if security.md5.is_some() {
            // The connection may be older than the key on the listening socket: from now on the kernel requires signatures on it.
            sockopt::set_md5_key(stream, peer.into(), security.md5.as_ref())?;
        }
        sockopt::set_ttl(stream, security.ttl)?;
        sockopt::set_bgp_defaults(stream)?;
        Ok(())
    }

    /// A listener answers for all peers. A peer with TTL security only accepts answers sent with 255 (RFC 5082 §3). The TTL to
    /// require is only known on the accepted connection, together with the peer.
    fn handshake_ttl(&self) -> Ttl {
        let secured = self
            .peers
            .values()
            .chain(self.ranges.values())
            .any(|security| matches!(security.ttl, Ttl::Security { .. }));
        if secured {
            Ttl::Hops(u8::MAX)
        } else {
            Ttl::System
        }
    }
}

/// The keys of peers and ranges, in ascending order. A range needs no key if all of its addresses have keys of their own.
fn keys_of_family<'a>(
    peers: &'a BTreeMap<IpAddr, PeerSecurity>,
    ranges: &'a BTreeMap<IpNet, PeerSecurity>,
    ipv4: bool,
) -> Vec<(IpNet, &'a Md5Key)> {
    let of_family = peers.iter().filter(|(peer, _)| peer.is_ipv4() == ipv4);
    let own = of_family.filter_map(|(peer, security)| Some((*peer, security.md5.as_ref()?)));
    let mut keys = keys::cover(own);
    let is_covered = |range: &IpNet| keys.iter().any(|(net, _)| net.contains(range));
    let of_family = ranges
        .iter()
        .filter(|(net, _)| net.addr().is_ipv4() == ipv4);
    let of_ranges: Vec<_> = of_family
        .filter(|(net, _)| !is_covered(net))
        .filter_map(|(net, security)| Some((*net, security.md5.as_ref()?)))
        .collect();
    keys.extend(of_ranges);
    keys.sort_unstable_by_key(|(net, _)| *net);
    keys
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

    /// The address that was requested.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether another program has the port.
    pub fn is_in_use(&self) -> bool {
        self.error.kind() == io::ErrorKind::AddrInUse
    }

    /// Whether the system does not support the address family, such as a kernel without IPv6.
    pub fn is_family_absent(&self) -> bool {
        self.error.raw_os_error() == Some(libc::EAFNOSUPPORT)
    }
}

/// The wildcard address of each family, with a port.
pub fn any_address(port: u16) -> [SocketAddr; 2] {
    [
        (Ipv4Addr::UNSPECIFIED, port).into(),
        (Ipv6Addr::UNSPECIFIED, port).into(),
    ]
}

/// A socket that does not listen yet.
fn open(address: SocketAddr) -> io::Result<Socket> {
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
    // Without this option, connections of peers with TTL security are refused.
    sockopt::keep_syn(&socket).ok();
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Whether an error of `accept` or of the first options concerns only that one connection, which is already gone.
fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | InvalidInput | NotConnected
    )
}

/// Connections that the kernel completes before we accept them.
const BACKLOG: i32 = 1024;

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
            let incoming = incoming.unwrap();
            listeners.admit(&incoming).unwrap();
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
