//! Peers that are accepted from ranges of addresses, without being configured.
//!
//! A connection from an address within a range waits for the peer's OPEN. The owner then decides whether to accept the peer, and
//! with which settings. A dynamic peer works like any other peer until its session ends; then the peer is removed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bgp_core::session::ConnId;
use bgp_core::types::PeerId;
use bgp_core::wire::notification::cease;
use bgp_core::wire::{
    Context, ErrorCode, MAX_MESSAGE_LEN, Message, MessageType, Notification, Open, frame,
};
use bytes::BytesMut;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use crate::acceptor::AcceptorCommand;
use crate::config::SpeakerConfig;
use crate::connection::{TcpConnection, canonical};
use crate::ids::Ids;
use crate::listener::{Incoming, PeerSecurity};
use crate::neighbour::Arrival;
use crate::spec::PeerSpec;
use crate::starter::{Peer, Starter};

/// Ranges from which unconfigured peers are accepted, and the function that decides on them.
///
/// | limit | default | what happens there |
/// | --- | --- | --- |
/// | connections that wait for their OPEN, one for each address | 64 | the oldest is closed without a word |
/// | the wait for an OPEN | 10 s | the connection is closed without a word |
/// | sessions of a range, and of all ranges | 1,000 each | a further peer is sent Cease 6/5, Connection Rejected |
///
/// # Example
///
/// Accept every router of 10.0.0.0/8 in AS 65002:
///
/// ```
/// use bgp_core::types::{Asn, RouterId};
/// use bgp_speaker::dynamic::{Admission, DynamicPeers, PeerRange};
/// use bgp_speaker::{PeerSpec, Speaker, SpeakerConfig};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let config = SpeakerConfig::new(Asn(65001), RouterId::from_bits(1));
/// let speaker = Speaker::start(config, None);
/// let peers = DynamicPeers::new(|candidate| match candidate.peer_as() {
///     Asn(65002) => Admission::accept(PeerSpec::new(candidate.remote, Asn(65002))),
///     _ => Admission::BAD_PEER_AS,
/// });
/// let peers = peers.with_range("10.0.0.0/8".parse()?, PeerRange::default());
/// speaker.accept_dynamic_peers(peers).await?;
/// # Ok(())
/// # }
/// ```
pub struct DynamicPeers {
    ranges: BTreeMap<IpNet, PeerRange>,
    admit: Admit,
    /// Limit of the sessions of all ranges together.
    pub max_sessions: usize,
    /// Limit of the connections that wait for their OPEN.
    pub max_waiting: usize,
    /// How long a connection may wait for its OPEN.
    pub open_timeout: Duration,
}

type Admit = Box<dyn Fn(&Candidate) -> Admission + Send + Sync>;

/// A range of addresses from which peers may connect. Of overlapping ranges, the smallest applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRange {
    /// Requirements for connections from the range. With a TCP MD5 password the kernel drops unsigned segments from the whole
    /// range, including those of a configured peer or a smaller range without a password.
    pub security: PeerSecurity,
    /// Limit of the sessions of this range.
    pub max_sessions: usize,
}

impl Default for PeerRange {
    /// At most 1,000 sessions, without signature or TTL security.
    fn default() -> Self {
        Self {
            security: PeerSecurity::default(),
            max_sessions: 1000,
        }
    }
}

/// A connection that asks to become a peer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The peer's end of the connection. A link-local address has its interface as scope.
    pub remote: SocketAddr,
    /// Our end of the connection.
    pub local: SocketAddr,
    /// The range that holds the peer's address; `None` for a connection that the owner brought.
    pub range: Option<IpNet>,
    /// The peer's OPEN, already validated.
    pub open: Open,
}

impl Candidate {
    /// The peer's AS number, from the OPEN (RFC 6793).
    pub fn peer_as(&self) -> bgp_core::types::Asn {
        self.open.asn
    }
}

/// The owner's decision on a candidate.
#[derive(Debug)]
#[non_exhaustive]
pub enum Admission {
    /// Accept the peer.
    Accept {
        /// The peer's name; `None` uses its address, such as `10.0.0.7` or `fe80::1%2`. If the name is in use, the peer is
        /// refused with Cease 6/5.
        name: Option<String>,
        /// Settings of the peer. The peer is never dialled, and the security of its range applies. An unusable value is logged,
        /// and refuses the peer with Cease 6/5.
        spec: Box<PeerSpec>,
    },
    /// Refuse the peer: send this NOTIFICATION and close the connection.
    Refuse(Notification),
    /// Close the connection without a NOTIFICATION.
    Ignore,
}

impl Admission {
    /// Refuse a peer in the wrong AS: NOTIFICATION 2/2, Bad Peer AS (RFC 4271 §6.2).
    pub const BAD_PEER_AS: Self = Self::Refuse(Notification::new(ErrorCode::OPEN, 2));

    /// Accepts the peer, named after its address.
    pub fn accept(spec: PeerSpec) -> Self {
        Self::Accept {
            name: None,
            spec: Box::new(spec),
        }
    }
}

impl DynamicPeers {
    /// Creates a configuration without ranges. `admit` decides on each candidate. It is called by the task of the connection and
    /// must not block.
    pub fn new(admit: impl Fn(&Candidate) -> Admission + Send + Sync + 'static) -> Self {
        Self {
            ranges: BTreeMap::new(),
            admit: Box::new(admit),
            max_sessions: 1000,
            max_waiting: 64,
            open_timeout: Duration::from_secs(10),
        }
    }

    /// Adds a range.
    #[must_use]
    pub fn with_range(mut self, addresses: IpNet, range: PeerRange) -> Self {
        self.ranges.insert(addresses.trunc(), range);
        self
    }

    /// Requirements for connections from each range.
    pub(super) fn securities(&self) -> BTreeMap<IpNet, PeerSecurity> {
        let ranges = self.ranges.iter();
        ranges
            .map(|(net, range)| (*net, range.security.clone()))
            .collect()
    }
}

impl fmt::Debug for DynamicPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamicPeers")
            .field("ranges", &self.ranges)
            .field("max_sessions", &self.max_sessions)
            .field("max_waiting", &self.max_waiting)
            .field("open_timeout", &self.open_timeout)
            .finish_non_exhaustive()
    }
}

/// The dynamic peers of a speaker. Clones share them.
#[derive(Clone)]
pub(super) struct Registry {
    state: Arc<Mutex<State>>,
    ids: Ids,
    speaker: SpeakerConfig,
}

struct State {
    /// Cleared when the speaker ends, because it holds senders to the table and the acceptor.
    starter: Option<Starter>,
    config: Option<Arc<DynamicPeers>>,
    /// Names of configured peers; no dynamic peer gets one of them.
    configured: BTreeSet<Arc<str>>,
    peers: BTreeMap<Arc<str>, Entry>,
    /// Oldest first.
    waiting: VecDeque<Waiting>,
}

struct Entry {
    remote: SocketAddr,
    range: Option<IpNet>,
    /// `None` while the task is being started.
    peer: Option<Peer>,
}

/// A connection that waits for its OPEN.
struct Waiting {
    remote: SocketAddr,
    /// Dropping this end closes the connection. The other end is dropped when the wait is over.
    held: oneshot::Sender<()>,
}

impl Registry {
    pub(super) fn new(starter: Starter, ids: Ids, speaker: SpeakerConfig) -> Self {
        let state = State {
            starter: Some(starter),
            config: None,
            configured: BTreeSet::new(),
            peers: BTreeMap::new(),
            waiting: VecDeque::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            ids,
            speaker,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces ranges and rules; existing peers stay.
    pub(super) fn configure(&self, config: Arc<DynamicPeers>) {
        self.state().config = Some(config);
    }

    /// A configured peer takes this name and address. Returns the dynamic peers that had one of them.
    pub(super) fn give_way(&self, name: &Arc<str>, address: SocketAddr) -> Vec<Peer> {
        let mut state = self.state();
        state.configured.insert(Arc::clone(name));
        let place = |address: SocketAddr| (address.ip(), scope(address));
        let concerned = |other: &Arc<str>, entry: &Entry| {
            other == name || place(entry.remote) == place(address)
        };
        let mut peers = Vec::new();
        // A task that is just being started ends when its entry is gone.
        state.peers.retain(|other, entry| {
            let gives_way = concerned(other, entry);
            peers.extend(entry.peer.clone().filter(|_| gives_way));
            !gives_way || entry.peer.is_some()
        });
        peers
    }

    /// A configured peer was removed.
    pub(super) fn unconfigured(&self, name: &str) {
        self.state().configured.remove(name);
    }

    /// Peers, by name.
    pub(super) fn peers(&self) -> BTreeMap<Arc<str>, Peer> {
        let state = self.state();
        let peers = state.peers.iter();
        peers
            .filter_map(|(name, entry)| Some((Arc::clone(name), entry.peer.clone()?)))
            .collect()
    }

    pub(super) fn peer(&self, name: &str) -> Option<Peer> {
        self.state().peers.get(name)?.peer.clone()
    }

    /// Accepts no peer from now on and drops all references; returns the peers.
    pub(super) fn close(&self) -> BTreeMap<Arc<str>, Peer> {
        let mut state = self.state();
        state.starter = None;
        state.config = None;
        state.waiting.clear();
        let peers = std::mem::take(&mut state.peers);
        drop(state);
        peers
            .into_iter()
            .filter_map(|(name, entry)| Some((name, entry.peer?)))
            .collect()
    }

    /// Waits for the OPEN of a connection that may become a peer.
    pub(super) fn receive(&self, incoming: Incoming, range: Option<IpNet>) {
        let mut state = self.state();
        let (Some(starter), Some(config)) = (state.starter.clone(), state.config.clone()) else {
            return;
        };
        let (held, closed) = oneshot::channel();
        let remote = canonical(incoming.peer);
        state.wait(Waiting { remote, held }, config.max_waiting);
        drop(state);
        let registry = self.clone();
        let tasks = starter.tasks.clone();
        drop(starter);
        tasks.errand(format!("open of {remote}"), async move {
            let opened = tokio::time::timeout(config.open_timeout, opened(&incoming.stream));
            let opened = tokio::select! {
                opened = opened => opened,
                _ = closed => return debug!(%remote, "gave way to another connection"),
            };
            match opened {
                Ok(Ok((open, octets))) => {
                    let candidate = Candidate {
                        remote,
                        local: canonical(incoming.local),
                        range,
                        open,
                    };
                    let stream = incoming.stream;
                    registry
                        .decide(&config, candidate, Arrival { stream, octets })
                        .await;
                }
                Ok(Err(Some(notification))) => registry.refuse(incoming.stream, notification),
                Ok(Err(None)) => debug!(%remote, "gone before its OPEN"),
                Err(_) => debug!(%remote, "sent no OPEN in time"),
            }
        });
    }

    async fn decide(&self, config: &DynamicPeers, candidate: Candidate, first: Arrival) {
        let remote = candidate.remote;
        match (config.admit)(&candidate) {
            Admission::Accept { name, spec } => {
                let spec = of_candidate(*spec, config, &candidate);
                let name: Arc<str> = name.unwrap_or_else(|| name_of(remote)).into();
                let checked = spec.validate(&self.speaker);
                if let Err(error) = &checked {
                    warn!(peer = %name, %error, "a dynamic peer has a value that no session can have");
                }
                if checked.is_err() || !self.state().enter(config, &name, &candidate) {
                    debug!(%remote, %name, "there is no room for the peer, or its name is taken");
                    let rejected = Notification::cease(cease::CONNECTION_REJECTED);
                    return self.refuse(first.stream, rejected);
                }
                self.start(name, spec, first).await;
            }
            Admission::Refuse(notification) => {
                info!(%remote, peer_as = %candidate.open.asn, %notification, "peer refused");
                self.refuse(first.stream, notification);
            }
            Admission::Ignore => debug!(%remote, "ignored"),
        }
    }

    /// Starts the task of an entered peer.
    async fn start(&self, name: Arc<str>, spec: PeerSpec, first: Arrival) {
        let settings = spec.settings(&self.speaker);
        let starter = self.state().starter.clone();
        let Some(starter) = starter else {
            return;
        };
        let id = self.ids.take();
        let (registry, ended) = (self.clone(), Arc::clone(&name));
        let started = starter
            .start_dynamic(id, Arc::clone(&name), settings, first, async move {
                registry.ended(ended, id).await;
            })
            .await;
        if let (Ok(peer), Some(entry)) = (started, self.state().peers.get_mut(&name)) {
            entry.peer = Some(peer);
        }
    }

    /// The task of a peer has ended, and the table was informed.
    async fn ended(&self, name: Arc<str>, id: PeerId) {
        let starter = self.state().starter.clone();
        if let Some(starter) = starter {
            // After the acceptor has ended, no connection is accepted anyway.
            let close = AcceptorCommand::Close(Arc::clone(&name));
            starter.acceptor.send(close).await.ok();
        }
        self.state().peers.remove(&name);
        self.ids.give_back(id);
    }

    fn refuse(&self, stream: TcpStream, notification: Notification) {
        let starter = self.state().starter.clone();
        if let (Some(starter), Ok(mut connection)) =
            (starter, TcpConnection::new(ConnId(0), stream))
        {
            let mut octets = BytesMut::new();
            Message::Notification(notification).encode(&Context::default(), &mut octets);
            connection.push(octets.freeze(), false);
            starter.farewells.add(connection);
        }
    }
}

impl State {
    /// Adds a waiting connection. A new connection from the same address replaces the earlier one.
    fn wait(&mut self, newest: Waiting, limit: usize) {
        let address = newest.remote.ip();
        self.waiting
            .retain(|one| !one.held.is_closed() && one.remote.ip() != address);
        while self.waiting.len() >= limit.max(1) {
            self.waiting.pop_front();
        }
        self.waiting.push_back(newest);
    }

    /// Reserves the name and a place for a peer, if both are free.
    fn enter(&mut self, config: &DynamicPeers, name: &Arc<str>, candidate: &Candidate) -> bool {
        let of_range = |entry: &&Entry| entry.range == candidate.range;
        let count = self.peers.values().filter(of_range).count();
        let range = candidate.range.and_then(|net| config.ranges.get(&net));
        let has_room = self.peers.len() < config.max_sessions
            && range.is_none_or(|range| count < range.max_sessions);
        let is_free = !self.configured.contains(name) && !self.peers.contains_key(name);
        let enters = has_room && is_free && self.starter.is_some();
        if enters {
            let entry = Entry {
                remote: candidate.remote,
                range: candidate.range,
                peer: None,
            };
            self.peers.insert(Arc::clone(name), entry);
        }
        enters
    }
}

/// Adapts the settings to the connection: its addresses, and the security of its range.
fn of_candidate(mut spec: PeerSpec, config: &DynamicPeers, candidate: &Candidate) -> PeerSpec {
    let range = candidate.range.and_then(|net| config.ranges.get(&net));
    if let Some(PeerRange { security, .. }) = range {
        spec.md5 = security.md5.clone();
        spec.ttl = security.ttl;
    }
    spec.remote = candidate.remote;
    spec.passive = true;
    spec
}

/// Waits for an OPEN; returns it with all octets that were read.
///
/// # Errors
///
/// The NOTIFICATION to send to the peer, if any.
async fn opened(stream: &TcpStream) -> Result<(Open, BytesMut), Option<Notification>> {
    let mut octets = BytesMut::with_capacity(usize::from(MAX_MESSAGE_LEN));
    loop {
        // The first message is complete, as its header says.
        let frame = frame::take(&mut octets.clone(), MAX_MESSAGE_LEN);
        let frame = frame.map_err(|error| error.answerable.then_some(error.notification))?;
        if let Some(frame) = frame {
            let kind = frame.kind;
            return match Message::decode(frame, &Context::default()) {
                Ok(Message::Open(open)) => Ok((open, octets)),
                Ok(Message::Notification(_)) => Err(None),
                // RFC 6608 §4.
                Ok(_) => Err(Some(unexpected(kind))),
                Err(error) => Err(error.answerable.then_some(error.notification)),
            };
        }
        stream.readable().await.map_err(|_| None)?;
        let room = octets.capacity() - octets.len();
        let mut scrap = [0; MAX_MESSAGE_LEN as usize];
        match stream.try_read(&mut scrap[..room.min(MAX_MESSAGE_LEN.into())]) {
            Ok(0) => return Err(None),
            Ok(count) => octets.extend_from_slice(&scrap[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(None),
        }
    }
}

fn unexpected(kind: MessageType) -> Notification {
    Notification::new(ErrorCode::FSM, 1).with_data(vec![kind.0])
}

/// A peer's address, with the interface of a link-local one.
fn name_of(remote: SocketAddr) -> String {
    match scope(remote) {
        0 => remote.ip().to_string(),
        scope => format!("{}%{scope}", remote.ip()),
    }
}

fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    }
}
