//! The observations of an examination, as plain data: the input of [`rules`](super::rules).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bgp_core::bfd::State as BfdState;
use bgp_core::session::{ConnectionStatus, NotificationRecord, SessionStatus, State};
use bgp_core::types::{Asn, Family, PerFamily};
use bgp_speaker::kernel::query::{KernelPath, NeighbourEntry};
use bgp_speaker::turned_away::TurnedAway;
use jiff::{SignedDuration, Timestamp};

/// All observations.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When they were made.
    pub now: Instant,
    /// The machine, and what concerns all sessions.
    pub node: Node,
    /// The datastore.
    pub store: Store,
    /// The examined sessions.
    pub peers: Vec<Peer>,
    /// The name of the session that was asked about.
    pub asked: Option<String>,
}

/// The machine, and what concerns all sessions.
#[derive(Clone, Debug)]
pub struct Node {
    /// The daemon is running, and examines itself.
    pub is_running: bool,
    /// Routes are written into the kernel.
    pub writes_kernel: bool,
    /// Addresses to listen on.
    pub ports: Vec<Port>,
    /// Capabilities of the process.
    pub capabilities: Capabilities,
    /// Sessions with a password.
    pub passwords: usize,
    /// `net.core.optmem_max`.
    pub option_memory: Option<u32>,
    /// By family: originated routes, and forwarding.
    pub families: PerFamily<FamilyFacts>,
    /// Interfaces, without the loopback and those of workloads.
    pub interfaces: Vec<Interface>,
    /// Packets that the kernel dropped since the start of the daemon or of the examination.
    pub dropped: Drops,
    /// Those dropped during the examination.
    pub dropped_now: Drops,
    /// Alarms of the kernel task.
    pub kernel: KernelAlarms,
    /// Other programs that write routes, and their routes.
    pub others: Others,
    /// The time.
    pub clock: Clock,
}

/// An address on which peers reach this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The address.
    pub address: SocketAddr,
    /// This process listens there.
    pub is_ours: bool,
    /// Another program listens there: its name, or what is known of it.
    pub taken_by: Option<String>,
}

/// Capabilities of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// CAP_NET_ADMIN: change routes, and set TCP MD5 keys.
    pub net_admin: bool,
    /// CAP_NET_BIND_SERVICE: listen on ports below `first_free_port`.
    pub net_bind_service: bool,
    /// `net.ipv4.ip_unprivileged_port_start`.
    pub first_free_port: u32,
}

/// Facts of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyFacts {
    /// Prefixes that the node originates.
    pub originated: usize,
    /// The kernel forwards packets; `None` if the family does not exist.
    pub forwards: Option<bool>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The name.
    pub name: String,
    /// Reverse path filtering of IPv4.
    pub filter: Filter,
    /// A peer is reached through it.
    pub leads_to_peer: bool,
}

/// Reverse path filtering of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Every source is accepted.
    Off,
    /// The source must be reachable through the same interface.
    Strict,
    /// The source must be reachable.
    Loose,
}

/// Segments and packets that the kernel dropped: counters of the network namespace, for all peers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// TCPMD5NotFound: unsigned, but a signature is required.
    pub unsigned: u64,
    /// TCPMD5Unexpected: signed, but there is no password.
    pub signed: u64,
    /// TCPMD5Failure: signed with another password.
    pub wrongly_signed: u64,
    /// TCPMinTTLDrop: from further away than TTL security allows.
    pub from_too_far: u64,
    /// IPReversePathFilter: received on an interface that does not lead to the source.
    pub reverse_path: u64,
}

/// Alarms about the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelAlarms {
    /// Routes are refused.
    pub refused: Option<String>,
    /// Routes of other programs are in the way.
    pub occupied: Option<String>,
    /// Another program writes routes with our protocol number.
    pub contested: Option<String>,
    /// Netlink does not answer.
    pub netlink: Option<String>,
}

/// Other programs and their routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Routing programs that run here: "`bird` (pid 4711)".
    pub programs: Vec<String>,
    /// Routes of routing protocols: protocol number, their number, one of them.
    pub routes: Vec<(u8, usize, String)>,
}

/// The time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// The current time.
    pub now: Timestamp,
    /// How far the clock jumped ahead since the daemon started.
    pub jumped: SignedDuration,
    /// How far the datastore's clock is ahead.
    pub datastore_ahead: Option<SignedDuration>,
}

/// The datastore.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The node's name, if it is known.
    pub node: Option<String>,
    /// Whether its resource exists; `None` if the resources are unknown.
    pub node_exists: Option<bool>,
    /// Its addresses.
    pub addresses: PerFamily<Option<IpAddr>>,
    /// Whether the node has a BGP identifier.
    pub has_identifier: bool,
    /// Addresses of the node that this machine does not have, for the preflight.
    pub foreign: Vec<IpAddr>,
    /// Sessions left out because the node has no address of their family: the object and the peer's address.
    pub unaddressed: Vec<(String, IpAddr)>,
    /// Unreadable parts, with reasons.
    pub unread: Vec<(String, String)>,
    /// Parts without permission, with reasons.
    pub forbidden: Vec<(String, String)>,
    /// Passwords that cannot be read: the object, and the reason.
    pub passwords: Vec<(String, String)>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// The object that defines it.
    pub resource: String,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Our address, if configured.
    pub source: Option<IpAddr>,
    /// Our AS.
    pub local_as: Asn,
    /// The peer's AS.
    pub peer_as: Asn,
    /// We wait for the peer to connect.
    pub passive: bool,
    /// A password is configured.
    pub password: bool,
    /// Hops of TTL security.
    pub ttl_security: Option<u8>,
    /// Configured families.
    pub families: Vec<Family>,
    /// An operator has disabled it here.
    pub disabled: bool,
    /// Why the kernel does not have its password.
    pub key_refused: Option<String>,
    /// The session; `None` if it does not answer, or nothing runs.
    pub session: Option<Session>,
    /// The path to the peer, or why there is none.
    pub way: Result<KernelPath, String>,
    /// The neighbour entry of the peer, or of the router towards it.
    pub link: NeighbourEntry,
    /// Sockets to the peer.
    pub sockets: Vec<Socket>,
    /// Test handshakes on additional connections.
    pub knocks: Knocks,
    /// Rejected connections from the peer.
    pub turned_away: Option<TurnedAway>,
    /// Rejected connections from unknown addresses in the direction of the peer.
    pub strangers: Vec<TurnedAway>,
    /// The exchange of routes, if the session is up.
    pub routes: PerFamily<Routes>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// When it last came up or went down.
    pub since: Instant,
    /// Its status.
    pub status: SessionStatus,
    /// The watch over the path, if there is one.
    pub watch: Option<Watch>,
}

/// The watch over a path by BFD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The state of our side.
    pub state: BfdState,
    /// The state of the peer's side; `None` while the peer is not heard.
    pub peer: Option<BfdState>,
    /// The peer need not be on the same link.
    pub multihop: bool,
    /// The session waits for BFD.
    pub holds_back: bool,
    /// Graceful restart is negotiated.
    pub restarts_gracefully: bool,
    /// Why there is no BFD session.
    pub problem: Option<String>,
}

/// A TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Our side.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
    /// Its state.
    pub state: TcpState,
    /// Octets sent and not acknowledged.
    pub unacknowledged: u64,
    /// Retransmissions of the first of them.
    pub retransmissions: u64,
    /// The owning user.
    pub user: u32,
    /// The socket belongs to this process.
    pub is_ours: bool,
    /// The socket belongs to a program; an incomplete handshake of a listening socket does not.
    pub has_owner: bool,
}

/// A TCP state, with the kernel's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpState(pub u8);

#[expect(missing_docs, reason = "the names are the RFC's own")]
impl TcpState {
    pub const ESTABLISHED: Self = Self(1);
    pub const SYN_SENT: Self = Self(2);
    pub const SYN_RECEIVED: Self = Self(3);
    pub const LISTEN: Self = Self(10);
    /// A connection request that waits for the last segment of its handshake.
    pub const NEW_SYN_RECEIVED: Self = Self(12);
}

/// The result of a test handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Knock {
    /// Not attempted.
    #[default]
    Untried,
    /// The handshake succeeded.
    Answered,
    /// The answer was a reset.
    Refused,
    /// No answer.
    Silent,
    /// The system reported this error.
    Failed(String),
}

/// Test handshakes with a silent peer, on additional connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knocks {
    /// Without a signature.
    pub unsigned: Knock,
    /// Accepting answers from any distance, if TTL security is configured.
    pub from_anywhere: Knock,
    /// Whether the machine answers on closed ports; `None` if not attempted.
    pub alive: Option<bool>,
}

/// The exchange of routes in one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Originated prefixes advertised to the peer.
    pub told: usize,
    /// Those that policy withholds, and one of them.
    pub filtered: (usize, Option<String>),
    /// Those without a usable next hop, and one of them.
    pub without_next_hop: (usize, Option<String>),
    /// Received routes with an unreachable next hop, and one of them with its next hop.
    pub unreachable: (usize, Option<String>),
    /// Received routes whose next hop is this node or a loopback address, and one of them.
    pub impossible: (usize, Option<String>),
}

impl Peer {
    /// The session is up.
    pub fn is_up(&self) -> bool {
        let state = self.session.as_ref().map(|session| session.status.state);
        state == Some(State::Established)
    }

    /// The last NOTIFICATION of the current downtime, and whether we sent it. The one that ended the session counts.
    pub fn last_notification(&self) -> Option<(&NotificationRecord, bool)> {
        let session = self.session.as_ref()?;
        let began = session.since.checked_sub(Duration::from_secs(1))?;
        let sent = session.status.last_sent.as_ref().map(|sent| (sent, true));
        let received = session.status.last_received.as_ref();
        let received = received.map(|received| (received, false));
        let both = sent.into_iter().chain(received);
        both.filter(|(record, _)| record.at >= began)
            .max_by_key(|(record, _)| record.at)
    }

    /// The most advanced connection, if there is one.
    pub fn connection(&self) -> Option<&ConnectionStatus> {
        let connections = &self.session.as_ref()?.status.connections;
        connections.iter().max_by_key(|connection| connection.state)
    }

    /// Sockets of this process to the peer in a state.
    pub fn own_sockets(&self, state: TcpState) -> impl Iterator<Item = &Socket> {
        let sockets = self.sockets.iter();
        sockets.filter(move |socket| socket.state == state && socket.is_ours)
    }

    /// Octets that we sent on a connection are retransmitted and never acknowledged.
    pub fn is_unheard(&self) -> bool {
        // A segment may get lost; while a session is up, that is normal.
        let often = if self.is_up() { 2 } else { 1 };
        let mut connected = self.own_sockets(TcpState::ESTABLISHED);
        connected.any(|socket| socket.unacknowledged > 0 && socket.retransmissions >= often)
    }

    /// The error of the last attempt to connect, if all attempts since the last connection have failed.
    pub fn dial_error(&self) -> Option<&str> {
        let failed = self.session.as_ref()?.status.failed_dials.as_ref()?;
        Some(&failed.error)
    }

    /// The peer does not answer our SYN.
    pub fn is_silent(&self) -> bool {
        let waits = |socket: &Socket| socket.retransmissions > 0;
        self.dial_error() == Some("Connection timed out")
            || self.link == NeighbourEntry::Silent
            || self.own_sockets(TcpState::SYN_SENT).any(waits)
    }
}

impl Socket {
    /// The session only waits for connections.
    pub fn is_listening(&self) -> bool {
        self.state == TcpState::LISTEN
    }
}

impl Drops {
    /// The difference to an earlier reading.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            unsigned: self.unsigned.saturating_sub(earlier.unsigned),
            signed: self.signed.saturating_sub(earlier.signed),
            wrongly_signed: self.wrongly_signed.saturating_sub(earlier.wrongly_signed),
            from_too_far: self.from_too_far.saturating_sub(earlier.from_too_far),
            reverse_path: self.reverse_path.saturating_sub(earlier.reverse_path),
        }
    }
}
