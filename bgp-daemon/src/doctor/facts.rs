//! Everything that was looked at, as plain data: what [`rules`](super::rules) judge.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bgp_core::session::{ConnectionStatus, NotificationRecord, SessionStatus, State};
use bgp_core::types::{Asn, Family, PerFamily};
use bgp_speaker::kernel::query::{KernelPath, NeighbourEntry};
use bgp_speaker::turned_away::TurnedAway;
use jiff::{SignedDuration, Timestamp};

/// All of it.
#[derive(Clone, Debug)]
pub struct Facts {
    /// When it was looked at.
    pub now: Instant,
    /// The machine, and what concerns all sessions.
    pub node: Node,
    /// Where resources come from.
    pub store: Store,
    /// The sessions that were asked about.
    pub peers: Vec<Peer>,
    /// The one session that was asked about, by name.
    pub asked: Option<String>,
}

/// The machine, and what concerns all sessions.
#[derive(Clone, Debug)]
pub struct Node {
    /// The daemon runs, and this is its own view.
    pub is_running: bool,
    /// Routes are written into the kernel.
    pub writes_kernel: bool,
    /// Where to listen.
    pub ports: Vec<Port>,
    /// What the process may do.
    pub capabilities: Capabilities,
    /// Sessions with a password.
    pub passwords: usize,
    /// `net.core.optmem_max`.
    pub option_memory: Option<u32>,
    /// By family, whether the node announces or writes anything, and forwards.
    pub families: PerFamily<FamilyFacts>,
    /// Interfaces, without the loopback and those of workloads.
    pub interfaces: Vec<Interface>,
    /// What the kernel dropped since the daemon, or the examination, began.
    pub dropped: Drops,
    /// The part of that during the examination.
    pub dropped_now: Drops,
    /// Alarms of the kernel task.
    pub kernel: KernelAlarms,
    /// Programs that write routes too, and routes of them.
    pub others: Others,
    /// The time.
    pub clock: Clock,
}

/// An address on which peers are to reach this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// The address.
    pub address: SocketAddr,
    /// This process listens there.
    pub is_ours: bool,
    /// Another program does: its name, or what is known of it.
    pub taken_by: Option<String>,
}

/// What the process may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Change routes, and set TCP MD5 keys.
    pub net_admin: bool,
    /// Listen on ports below `first_free_port`.
    pub net_bind_service: bool,
    /// `net.ipv4.ip_unprivileged_port_start`.
    pub first_free_port: u32,
}

/// What concerns a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyFacts {
    /// Prefixes that the node originates.
    pub originated: usize,
    /// The kernel forwards packets; `None` where it knows no such family.
    pub forwards: Option<bool>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// How it judges the source of IPv4 packets.
    pub filter: Filter,
    /// A peer is reached by it.
    pub leads_to_peer: bool,
}

/// Reverse path filtering of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Every source is taken.
    Off,
    /// The source must be reachable by the same interface.
    Strict,
    /// The source must be reachable.
    Loose,
}

/// Segments and packets that the kernel dropped: counters of the network namespace, from all peers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drops {
    /// TCPMD5NotFound: unsigned, where a signature is demanded.
    pub unsigned: u64,
    /// TCPMD5Unexpected: signed, where there is no password.
    pub signed: u64,
    /// TCPMD5Failure: signed with another password.
    pub wrongly_signed: u64,
    /// TCPMinTTLDrop: from further away than TTL security allows.
    pub from_too_far: u64,
    /// IPReversePathFilter: by an interface by which its source is not reached.
    pub reverse_path: u64,
}

/// What is wrong between the speaker and the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelAlarms {
    /// Routes are refused.
    pub refused: Option<String>,
    /// Routes of others are in the way.
    pub occupied: Option<String>,
    /// Another program writes routes with our protocol number.
    pub contested: Option<String>,
    /// Netlink does not answer.
    pub netlink: Option<String>,
}

/// Programs and routes of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Routing programs that run here: "`bird` (pid 4711)".
    pub programs: Vec<String>,
    /// Routes of protocols that routing programs use: protocol number, how many, one of them.
    pub routes: Vec<(u8, usize, String)>,
}

/// The time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What the clock says.
    pub now: Timestamp,
    /// By how much it went further than time did since the daemon started.
    pub jumped: SignedDuration,
    /// By how much the clock of the datastore is ahead.
    pub datastore_ahead: Option<SignedDuration>,
}

/// Where resources come from.
#[derive(Clone, Debug, Default)]
pub struct Store {
    /// The node's name, if it is known.
    pub node: Option<String>,
    /// Its resource is there; `None`: the resources are not known.
    pub node_exists: Option<bool>,
    /// Its addresses, and whether there is a BGP identifier.
    pub addresses: PerFamily<Option<IpAddr>>,
    /// Whether the node has a BGP identifier.
    pub has_identifier: bool,
    /// Addresses of the node that are not on this machine: looked up before anything runs.
    pub foreign: Vec<IpAddr>,
    /// Sessions left out because the node has no address of their family: the object and the peer's address.
    pub unaddressed: Vec<(String, IpAddr)>,
    /// What cannot be read: what, and why.
    pub unread: Vec<(String, String)>,
    /// What we may not read.
    pub forbidden: Vec<(String, String)>,
    /// Passwords that cannot be had: the object, and the reason.
    pub passwords: Vec<(String, String)>,
}

/// A session.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// The object that it comes from.
    pub resource: String,
    /// Where the peer is.
    pub remote: SocketAddr,
    /// Our address, if it is chosen.
    pub source: Option<IpAddr>,
    /// Our AS.
    pub local_as: Asn,
    /// The peer's.
    pub peer_as: Asn,
    /// We wait for the peer to connect.
    pub passive: bool,
    /// There is a password.
    pub password: bool,
    /// Hops of TTL security.
    pub ttl_security: Option<u8>,
    /// What the session is to carry.
    pub families: Vec<Family>,
    /// An operator has switched it off here.
    pub disabled: bool,
    /// Why the kernel has not got its password.
    pub key_refused: Option<String>,
    /// The session; `None` if it does not answer, or nothing runs.
    pub session: Option<Session>,
    /// The way to it, or why there is none.
    pub way: Result<KernelPath, String>,
    /// What its link says, or that of the router towards it.
    pub link: NeighbourEntry,
    /// Sockets towards it.
    pub sockets: Vec<Socket>,
    /// Tries to reach it beside the session.
    pub knocks: Knocks,
    /// Its connections that were closed without a word.
    pub turned_away: Option<TurnedAway>,
    /// Those of others that come the same way and are not configured.
    pub strangers: Vec<TurnedAway>,
    /// What became of routes, if the session is up.
    pub routes: PerFamily<Routes>,
}

/// A session as it is.
#[derive(Clone, Debug)]
pub struct Session {
    /// When it last came up or went down.
    pub since: Instant,
    /// Everything that it tells.
    pub status: SessionStatus,
}

/// A socket of TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Our side.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
    /// Its state.
    pub state: TcpState,
    /// Octets that were sent and not acknowledged.
    pub unacknowledged: u64,
    /// How often the first of them was sent again.
    pub retransmissions: u64,
    /// The user that it belongs to.
    pub user: u32,
    /// It is this process's.
    pub is_ours: bool,
    /// It belongs to a program: handshakes of listening sockets do not yet.
    pub has_owner: bool,
}

/// A state of TCP as the kernel numbers them.
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

/// What came of a try to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Knock {
    /// It was not tried.
    #[default]
    Untried,
    /// The handshake succeeded.
    Answered,
    /// The answer was a reset.
    Refused,
    /// No answer.
    Silent,
    /// The system says this.
    Failed(String),
}

/// Tries to reach a silent peer beside its session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Knocks {
    /// A handshake without signature.
    pub unsigned: Knock,
    /// One that takes answers from any distance, where there is TTL security.
    pub from_anywhere: Knock,
    /// Whether the machine answers on closed ports; `None`: not tried.
    pub alive: Option<bool>,
}

/// What became of the routes of a session in one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routes {
    /// Prefixes that the node originates, told to the peer.
    pub told: usize,
    /// Those that policy keeps from it, and one of them.
    pub filtered: (usize, Option<String>),
    /// Those for which there is no next hop to tell, and one of them.
    pub without_next_hop: (usize, Option<String>),
    /// Received ones without a way to their next hop, with one of them and its next hop.
    pub unreachable: (usize, Option<String>),
    /// Received ones whose next hop is ourselves or a loopback address, and one of them.
    pub impossible: (usize, Option<String>),
}

impl Peer {
    /// The session is up.
    pub fn is_up(&self) -> bool {
        let state = self.session.as_ref().map(|session| session.status.state);
        state == Some(State::Established)
    }

    /// The last NOTIFICATION of the present downtime, and whether we sent it. The one that ended the session counts.
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

    /// The connection that is furthest, if there is one.
    pub fn connection(&self) -> Option<&ConnectionStatus> {
        let connections = &self.session.as_ref()?.status.connections;
        connections.iter().max_by_key(|connection| connection.state)
    }

    /// Sockets of this process towards the peer in a state.
    pub fn own_sockets(&self, state: TcpState) -> impl Iterator<Item = &Socket> {
        let sockets = self.sockets.iter();
        sockets.filter(move |socket| socket.state == state && socket.is_ours)
    }

    /// What we sent over a connection is sent again and again, and never acknowledged.
    pub fn is_unheard(&self) -> bool {
        // A segment may get lost; while a session is up that is no news.
        let often = if self.is_up() { 2 } else { 1 };
        let mut connected = self.own_sockets(TcpState::ESTABLISHED);
        connected.any(|socket| socket.unacknowledged > 0 && socket.retransmissions >= often)
    }

    /// Tries to connect since the last connection have failed, the last time with this error.
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
    /// It waits for connections.
    pub fn is_listening(&self) -> bool {
        self.state == TcpState::LISTEN
    }
}

impl Drops {
    /// What has been added since.
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
