//! The dynamic peers that exist, and the connections that may become one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgp_core::session::{ConnId, Stop};
use bgp_core::types::PeerId;
use bgp_core::wire::notification::cease;
use bgp_core::wire::{Capability, Context, Message, Notification, Open};
use bytes::BytesMut;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};

use super::config::{Admission, Candidate, DynamicPeers, PeerRange, PeersByName};
use super::handover::GivenPeer;
use super::opened::opened;
use crate::acceptor::AcceptorCommand;
use crate::config::SpeakerConfig;
use crate::connection::{TcpConnection, canonical};
use crate::ids::Ids;
use crate::listener::Incoming;
use crate::neighbour::Arrival;
use crate::spec::{PeerSettings, PeerSpec};
use crate::starter::{Peer, Restart, Starter};

/// The dynamic peers of a speaker. Clones share them.
#[derive(Clone)]
pub(crate) struct Registry {
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
    /// How many were ever accepted.
    accepted: u64,
    /// Peers that were up before this speaker was restarted, and are not back yet.
    returning: BTreeSet<Arc<str>>,
    /// Oldest first.
    waiting: VecDeque<Waiting>,
    /// Tells the owner which peers there are.
    known: watch::Sender<PeersByName>,
}

struct Entry {
    candidate: Arc<Candidate>,
    spec: PeerSpec,
    /// Its place in the order of acceptance.
    number: u64,
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
    pub(crate) fn new(starter: Starter, ids: Ids, speaker: SpeakerConfig) -> Self {
        let state = State {
            starter: Some(starter),
            config: None,
            configured: BTreeSet::new(),
            peers: BTreeMap::new(),
            accepted: 0,
            returning: BTreeSet::new(),
            waiting: VecDeque::new(),
            known: watch::Sender::default(),
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

    /// Follows the names of the peers.
    pub(crate) fn follow(&self) -> watch::Receiver<PeersByName> {
        self.state().known.subscribe()
    }

    /// Peers of these names are told that we have restarted, when they first come.
    pub(crate) fn expect(&self, names: BTreeSet<Arc<str>>) {
        self.state().returning = names;
    }

    /// Whether a peer of this name was expected, and is not back yet.
    pub(crate) fn returns(&self, name: &str) -> bool {
        self.state().returning.remove(name)
    }

    /// Replaces ranges and rules; existing peers stay.
    pub(crate) fn configure(&self, config: Arc<DynamicPeers>) {
        self.state().config = Some(config);
    }

    /// A configured peer takes this name and address. Returns the dynamic peers that had one of them.
    pub(crate) fn give_way(&self, name: &Arc<str>, address: SocketAddr) -> Vec<Peer> {
        let mut state = self.state();
        state.configured.insert(Arc::clone(name));
        let place = |address: SocketAddr| (address.ip(), scope(address));
        let concerned = |other: &Arc<str>, entry: &Entry| {
            other == name || place(entry.candidate.remote) == place(address)
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

    /// Asks the owner about each peer again, as if it came now.
    pub(crate) fn review(&self) -> Verdict {
        let mut verdict = Verdict::default();
        let state = self.state();
        let Some(config) = state.config.clone() else {
            return verdict;
        };
        let running = state.peers.iter().filter(|(_, entry)| entry.peer.is_some());
        let peers: Vec<_> = running
            .map(|(name, entry)| {
                (
                    Arc::clone(name),
                    Arc::clone(&entry.candidate),
                    entry.spec.clone(),
                )
            })
            .collect();
        drop(state);
        for (name, candidate, old) in peers {
            match readmitted(&config, &candidate, &name, &self.speaker) {
                None => verdict.ended.push((name, Stop::Deconfigured)),
                Some((_, new)) if old.restarts_because(&new).next().is_some() => {
                    verdict.ended.push((name, Stop::ConfigChange));
                }
                Some((candidate, new)) => {
                    if let Some(entry) = self.state().peers.get_mut(&name) {
                        (entry.candidate, entry.spec) = (candidate, new.clone());
                    }
                    if old.changes_softly(&new).next().is_some() {
                        verdict.changed.push((name, Arc::new(new)));
                    }
                }
            }
        }
        let state = self.state();
        state.end_surplus(&config, &mut verdict);
        state.publish();
        verdict
    }

    /// Whether the task of a peer is just being started.
    pub(crate) fn is_starting(&self) -> bool {
        self.state()
            .peers
            .values()
            .any(|entry| entry.peer.is_none())
    }

    /// How a dynamic peer came, for another process.
    pub(crate) fn given(&self, name: &str) -> Option<GivenPeer> {
        let state = self.state();
        let entry = state.peers.get(name)?;
        Some(GivenPeer {
            candidate: Candidate::clone(&entry.candidate),
            number: entry.number,
        })
    }

    /// Starts the task of a peer of another process, whose session follows, and returns its settings; `None` if it is not accepted
    /// here.
    pub(crate) async fn take_over(
        &self,
        name: &Arc<str>,
        given: GivenPeer,
    ) -> Option<PeerSettings> {
        let spec = self.enter_taken(name, &given)?;
        let settings = spec.settings(&self.speaker);
        self.start(Arc::clone(name), spec, None).await;
        Some(settings)
    }

    fn enter_taken(&self, name: &Arc<str>, given: &GivenPeer) -> Option<PeerSpec> {
        let config = self.state().config.clone()?;
        let (candidate, spec) = readmitted(&config, &given.candidate, name, &self.speaker)?;
        let mut state = self.state();
        if !state.enter(&config, name, &candidate, &spec) {
            return None;
        }
        state.accepted = state.accepted.max(given.number);
        let entry = state.peers.get_mut(name)?;
        entry.number = given.number;
        Some(spec)
    }

    /// A configured peer was removed.
    pub(crate) fn unconfigured(&self, name: &str) {
        self.state().configured.remove(name);
    }

    /// Peers, by name.
    pub(crate) fn peers(&self) -> BTreeMap<Arc<str>, Peer> {
        let state = self.state();
        let peers = state.peers.iter();
        peers
            .filter_map(|(name, entry)| Some((Arc::clone(name), entry.peer.clone()?)))
            .collect()
    }

    pub(crate) fn peer(&self, name: &str) -> Option<Peer> {
        self.state().peers.get(name)?.peer.clone()
    }

    /// Accepts no peer from now on and drops all references; returns the peers.
    pub(crate) fn close(&self) -> BTreeMap<Arc<str>, Peer> {
        let mut state = self.state();
        state.starter = None;
        state.config = None;
        state.waiting.clear();
        let peers = std::mem::take(&mut state.peers);
        state.publish();
        drop(state);
        peers
            .into_iter()
            .filter_map(|(name, entry)| Some((name, entry.peer?)))
            .collect()
    }

    /// Waits for the OPEN of a connection that may become a peer.
    pub(crate) fn receive(&self, incoming: Incoming, range: Option<IpNet>) {
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
                Ok(Err(Some(notification))) => registry.refuse(incoming.stream, None, notification),
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
                if checked.is_err() || !self.state().enter(config, &name, &candidate, &spec) {
                    debug!(%remote, %name, "there is no room for the peer, or its name is taken");
                    let rejected = Notification::cease(cease::CONNECTION_REJECTED);
                    return self.refuse(first.stream, Some(&candidate.open), rejected);
                }
                self.start(name, spec, Some(first)).await;
            }
            Admission::Refuse(notification) => {
                info!(%remote, peer_as = %candidate.open.asn, %notification, "peer refused");
                self.refuse(first.stream, Some(&candidate.open), notification);
            }
            Admission::Ignore => debug!(%remote, "ignored"),
        }
    }

    /// Starts the task of an entered peer.
    async fn start(&self, name: Arc<str>, spec: PeerSpec, first: Option<Arrival>) {
        let settings = spec.settings(&self.speaker);
        let starter = self.state().starter.clone();
        let Some(starter) = starter else {
            return;
        };
        let id = self.ids.take_for(&name);
        let restart = Restart {
            is_told: self.returns(&name),
            ..Restart::default()
        };
        let (registry, ended) = (self.clone(), Arc::clone(&name));
        let started = starter
            .start_dynamic(
                id,
                Arc::clone(&name),
                settings,
                first,
                restart,
                async move {
                    registry.ended(ended, id).await;
                },
            )
            .await;
        let mut state = self.state();
        if let (Ok(peer), Some(entry)) = (started, state.peers.get_mut(&name)) {
            entry.peer = Some(peer);
            state.publish();
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
        let mut state = self.state();
        state.peers.remove(&name);
        state.publish();
        drop(state);
        self.ids.give_back(id);
    }

    /// Sends a NOTIFICATION and closes. A valid OPEN is answered with ours first: FRR reports a NOTIFICATION before it as an
    /// unexpected message, without the reason in it.
    fn refuse(&self, stream: TcpStream, of_peer: Option<&Open>, notification: Notification) {
        let starter = self.state().starter.clone();
        if let (Some(starter), Ok(mut connection)) =
            (starter, TcpConnection::new(ConnId(0), stream))
        {
            let mut octets = BytesMut::new();
            if let Some(open) = of_peer {
                let open = Open {
                    asn: self.speaker.local_as,
                    router_id: self.speaker.rib.router_id,
                    hold_time: open.hold_time,
                    // BIRD requires the families of its session.
                    capabilities: families_of(open),
                };
                Message::Open(open).encode(&Context::default(), &mut octets);
            }
            Message::Notification(notification).encode(&Context::default(), &mut octets);
            connection.push(octets.freeze(), false);
            starter.farewells.add(connection);
        }
    }
}

/// What changed rules mean for the peers that exist.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Peers whose sessions stay up with new settings.
    pub(crate) changed: Vec<(Arc<str>, Arc<PeerSpec>)>,
    /// Peers whose sessions end.
    pub(crate) ended: Vec<(Arc<str>, Stop)>,
}

impl State {
    /// Ends the newest sessions above the limit of their range, or above that of all ranges.
    fn end_surplus(&self, config: &DynamicPeers, verdict: &mut Verdict) {
        let ended: BTreeSet<_> = verdict.ended.iter().map(|(name, _)| name.clone()).collect();
        let running = self.peers.iter().filter(|(_, entry)| entry.peer.is_some());
        let mut oldest_first: Vec<_> = running.filter(|(name, _)| !ended.contains(*name)).collect();
        oldest_first.sort_by_key(|(_, entry)| entry.number);
        let (mut all, mut of_range) = (0, BTreeMap::new());
        for (name, entry) in oldest_first {
            let range = entry.candidate.range;
            let limit = range.and_then(|net| config.ranges.get(&net));
            let limit = limit.map_or(usize::MAX, |range| range.max_sessions);
            let count: &mut usize = of_range.entry(range).or_default();
            if *count >= limit || all >= config.max_sessions {
                verdict.changed.retain(|(changed, _)| changed != name);
                verdict.ended.push((Arc::clone(name), Stop::Deconfigured));
            } else {
                (*count, all) = (*count + 1, all + 1);
            }
        }
    }

    /// Tells the owner which peers there are.
    fn publish(&self) {
        let running = self.peers.iter().filter(|(_, entry)| entry.peer.is_some());
        let known: BTreeMap<_, _> = running
            .map(|(name, entry)| (Arc::clone(name), entry.candidate.peer()))
            .collect();
        self.known.send_if_modified(|before| {
            let changed = **before != known;
            *before = Arc::new(known);
            changed
        });
    }

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
    fn enter(
        &mut self,
        config: &DynamicPeers,
        name: &Arc<str>,
        candidate: &Candidate,
        spec: &PeerSpec,
    ) -> bool {
        let of_range = |entry: &&Entry| entry.candidate.range == candidate.range;
        let count = self.peers.values().filter(of_range).count();
        let range = candidate.range.and_then(|net| config.ranges.get(&net));
        let has_room = self.peers.len() < config.max_sessions
            && range.is_none_or(|range| count < range.max_sessions);
        let is_free = !self.configured.contains(name) && !self.peers.contains_key(name);
        let enters = has_room && is_free && self.starter.is_some();
        if enters {
            self.accepted += 1;
            let entry = Entry {
                candidate: Arc::new(candidate.clone()),
                spec: spec.clone(),
                number: self.accepted,
                peer: None,
            };
            self.peers.insert(Arc::clone(name), entry);
        }
        enters
    }
}

fn families_of(open: &Open) -> Vec<Capability> {
    let capabilities = open.capabilities.iter();
    let families = capabilities.filter(|one| matches!(one, Capability::Multiprotocol(_)));
    families.cloned().collect()
}

/// The settings that a peer would have if it came now; `None` if it would not be accepted under its name.
fn readmitted(
    config: &DynamicPeers,
    candidate: &Candidate,
    name: &str,
    speaker: &SpeakerConfig,
) -> Option<(Arc<Candidate>, PeerSpec)> {
    let mut candidate = candidate.clone();
    if candidate.range.is_some() {
        candidate.range = Some(config.range_of(candidate.remote.ip())?);
    }
    let Admission::Accept { name: own, spec } = (config.admit)(&candidate) else {
        return None;
    };
    let spec = of_candidate(*spec, config, &candidate);
    let keeps_name = own.unwrap_or_else(|| name_of(candidate.remote)) == name;
    (keeps_name && spec.validate(speaker).is_ok()).then(|| (Arc::new(candidate), spec))
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
