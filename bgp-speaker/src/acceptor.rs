//! The task that accepts connections and hands each one to its neighbour.
//!
//! A connection is closed without a NOTIFICATION (RFC 4271 §8.2.1.4 allows it) if no neighbour has its address, if it violates
//! its neighbour's settings, if the neighbour connects too often or is too busy, or while file descriptors are short. Such a
//! connection keeps no state; the peer will try again.
//!
//! A neighbour whose TCP MD5 key the kernel refuses is neither accepted nor dialled. The key is tried again every few seconds,
//! see [`Guard`].

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{debug, info};

use crate::alarms::Alarms;
use crate::descriptors::is_of_reserve;
use crate::given_listener::GivenListener;
use crate::listener::{Incoming, ListenError, Listeners, PeerSecurity, Refusal};
use crate::namespace::Namespace;
use crate::pace::{Pace, Paces};
use crate::timer::{now, sleep_until};
use crate::turned_away::{Register, Why};

/// Orders waiting for the acceptor; beyond this number, the owner waits.
pub(super) const COMMANDS: usize = 64;

/// An order to the acceptor.
pub(super) enum AcceptorCommand {
    /// Listen on exactly these addresses. Existing sockets stay, and every address is tried.
    Listen(
        Vec<SocketAddr>,
        oneshot::Sender<Result<Vec<SocketAddr>, ListenError>>,
    ),
    /// Listen on this socket as well.
    ListenOn(
        std::net::TcpListener,
        oneshot::Sender<Result<SocketAddr, ListenError>>,
    ),
    /// Accept connections of a neighbour.
    Open(ListenerEntry),
    /// Stop accepting connections of the neighbour with this name.
    Close(Arc<str>),
    /// Reply with copies of the sockets, and accept nothing for a while.
    HandOver(oneshot::Sender<Vec<GivenListener>>),
    /// Listen on sockets of another process; connections are accepted and dialled from now on.
    TakeOver(Vec<GivenListener>),
    /// A connection that the owner hands over.
    Stream(Incoming),
    /// Hand connections from these ranges to this function, unless a configured neighbour has the address.
    Ranges(BTreeMap<IpNet, PeerSecurity>, UnknownPeers),
}

/// Takes a connection from an address without a configured neighbour, and the range that holds the address.
pub(super) type UnknownPeers = Box<dyn Fn(Incoming, Option<IpNet>) + Send + Sync>;

/// Whether a neighbour may have connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// The key is about to be set.
    Pending,
    /// Connections are allowed.
    Open,
    /// The key is not on the listening sockets.
    Shut,
}

/// Where connections of one neighbour go.
#[derive(Debug)]
pub(super) struct ListenerEntry {
    name: Arc<str>,
    /// A link-local address has its interface as scope.
    address: SocketAddr,
    security: PeerSecurity,
    /// The neighbour came from a range, and the rules of the range hold.
    pub(super) is_dynamic: bool,
    connections: mpsc::Sender<TcpStream>,
    guard: watch::Sender<Guard>,
    /// Why the key was refused.
    refused: Option<Arc<str>>,
    pace: Pace,
}

/// Accepted connections that may wait for one neighbour.
pub(super) const WAITING: usize = 4;
/// How long no connection is accepted after the system ran out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// How long no connection is accepted after the sockets were handed over: another process does, or the handover has failed.
const HANDED_OVER: Duration = Duration::from_secs(2);
/// Interval between tries to set a refused key, and how long the alarm about missing descriptors lasts after the last shortage.
const RETRY: Duration = Duration::from_secs(5);

/// The listening sockets, and the neighbours that are reached through them.
pub(super) struct Acceptor {
    listeners: Listeners,
    /// By address. Several neighbours may share an address with different ports: the first by name takes all connections.
    entries: HashMap<IpAddr, Vec<ListenerEntry>>,
    unknown_peers: Option<UnknownPeers>,
    /// Connections that the owner brought, kept until the commands before them are carried out.
    streams: Vec<Incoming>,
    /// The connection rate of addresses within ranges.
    paces: Paces,
    /// Ranges whose key is not on the sockets.
    shut_ranges: BTreeMap<IpNet, Arc<str>>,
    /// Addresses that cannot be listened on, with the reason that was logged.
    refused: HashMap<SocketAddr, String>,
    alarms: Alarms,
    turned_away: Register,
    /// When the system was last out of descriptors or memory.
    short_at: Option<Instant>,
    /// No connection is accepted before this time.
    paused_until: Option<Instant>,
    /// Another process still has the sessions: nobody is to dial.
    waiting: bool,
}

impl Acceptor {
    pub(super) fn new(
        alarms: Alarms,
        turned_away: Register,
        namespace: Option<Namespace>,
        waiting: bool,
    ) -> Self {
        Self {
            waiting,
            listeners: Listeners::new(namespace),
            entries: HashMap::new(),
            unknown_peers: None,
            streams: Vec::new(),
            paces: Paces::default(),
            shut_ranges: BTreeMap::new(),
            refused: HashMap::new(),
            alarms,
            turned_away,
            short_at: None,
            paused_until: None,
        }
    }

    /// Runs until the owner is gone.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<AcceptorCommand>) {
        let mut retry = tokio::time::interval(RETRY);
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                // Orders first: a neighbour that is configured before its connection arrives must be known by then.
                biased;
                count = commands.recv_many(&mut batch, COMMANDS) => match count {
                    0 => return,
                    _ => self.handle_all(&mut batch),
                },
                _ = retry.tick() => self.retry(),
                incoming = self.accept() => match incoming {
                    Ok(incoming) => self.admit(incoming, false),
                    Err(error) => self.pause(&error),
                },
            }
        }
    }

    fn handle_all(&mut self, commands: &mut Vec<AcceptorCommand>) {
        for order in commands.drain(..) {
            match order {
                AcceptorCommand::Listen(addresses, reply) => {
                    // The caller may be gone.
                    reply.send(self.listen(&addresses)).ok();
                }
                AcceptorCommand::ListenOn(socket, reply) => {
                    reply.send(self.listeners.adopt(socket)).ok();
                }
                AcceptorCommand::HandOver(reply) => {
                    self.paused_until = Some(now() + HANDED_OVER);
                    reply.send(self.listeners.sockets()).ok();
                }
                AcceptorCommand::TakeOver(sockets) => {
                    self.waiting = false;
                    for given in sockets {
                        let wanted = given.wanted;
                        if let Err(error) = self.listeners.take_over(given) {
                            debug!(%wanted, %error, "cannot listen on the socket of the other process");
                        }
                    }
                }
                AcceptorCommand::Open(entry) => self.open(entry),
                AcceptorCommand::Close(name) => self.close(&name),
                AcceptorCommand::Stream(incoming) => self.streams.push(incoming),
                AcceptorCommand::Ranges(ranges, unknown_peers) => {
                    self.listeners.set_ranges(ranges);
                    self.unknown_peers = Some(unknown_peers);
                }
            }
        }
        if self.waiting {
            return;
        }
        self.protect();
        for incoming in std::mem::take(&mut self.streams) {
            self.admit(incoming, true);
        }
    }

    fn open(&mut self, entry: ListenerEntry) {
        let address = entry.address.ip();
        let entries = self.entries.entry(address).or_default();
        entries.push(entry);
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        self.secure(address);
    }

    fn close(&mut self, name: &str) {
        let mut entries = self.entries.values().flatten();
        let Some(address) = entries.find(|entry| *entry.name == *name) else {
            return;
        };
        let address = address.address.ip();
        if let Some(entries) = self.entries.get_mut(&address) {
            entries.retain(|entry| *entry.name != *name);
        }
        self.alarms.clear(MD5, &object(name));
        self.secure(address);
    }

    /// The rules of the first neighbour with this address apply: a socket has one key for each address.
    fn secure(&mut self, address: IpAddr) {
        let entries = self.entries.get(&address);
        let mut own = entries
            .into_iter()
            .flatten()
            .filter(|entry| !entry.is_dynamic);
        match own.next() {
            Some(entry) => self.listeners.set_peer(address, entry.security.clone()),
            None => self.listeners.remove_peer(address),
        }
        if entries.is_some_and(Vec::is_empty) {
            self.entries.remove(&address);
        }
    }

    /// Sets the keys on the sockets, and tells the neighbours whether the kernel took them.
    fn protect(&mut self) {
        self.listeners.protect();
        for (address, entries) in &mut self.entries {
            let refused = self.listeners.shut().get(address);
            for (place, entry) in entries.iter_mut().enumerate() {
                // The other neighbours of the address are only dialled, with keys of their own.
                entry.tell(refused.filter(|_| place == 0), &self.alarms);
            }
        }
        self.name_shut_ranges();
    }

    /// Raises an alarm for each range whose key is missing.
    fn name_shut_ranges(&mut self) {
        let shut = self.listeners.shut_ranges();
        for net in self
            .shut_ranges
            .keys()
            .filter(|net| !shut.contains_key(net))
        {
            self.alarms.clear(MD5, &format!("range {net}"));
        }
        for (net, reason) in shut {
            if self.shut_ranges.get(net) != Some(reason) {
                self.alarms.raise(MD5, format!("range {net}"), reason);
            }
        }
        self.shut_ranges.clone_from(shut);
    }

    fn retry(&mut self) {
        if !self.listeners.shut().is_empty() || !self.shut_ranges.is_empty() {
            self.protect();
        }
        if self
            .short_at
            .is_some_and(|at| now().saturating_duration_since(at) > RETRY)
        {
            self.short_at = None;
            self.alarms.clear(DESCRIPTORS, PEERS);
        }
    }

    /// The next connection. Cancellation safe.
    async fn accept(&mut self) -> io::Result<Incoming> {
        if let Some(until) = self.paused_until {
            sleep_until(Some(until)).await;
            self.paused_until = None;
        }
        self.listeners.accept().await
    }

    /// Stops accepting for a while. The connection stays in the system's queue.
    fn pause(&mut self, error: &io::Error) {
        self.paused_until = Some(now() + PAUSE);
        self.short_of_descriptors(error);
    }

    fn short_of_descriptors(&mut self, error: &io::Error) {
        self.short_at = Some(now());
        let error = crate::connect::words(error);
        let reason = format!("connections of peers cannot be accepted: {error} (see ulimit -n)");
        self.alarms.raise(DESCRIPTORS, PEERS, &reason);
    }

    /// Returns the first error worth a retry.
    fn listen(&mut self, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, ListenError> {
        let before = self.listeners.addresses();
        self.listeners.keep(addresses);
        self.refused
            .retain(|address, _| addresses.contains(address));
        let (mut bound, mut failed) = (Vec::new(), Vec::new());
        for address in addresses {
            match self.listeners.bind(*address) {
                Ok(local) => {
                    self.refused.remove(address);
                    bound.push(local);
                }
                Err(error) => failed.extend(self.take_failure(error)),
            }
        }
        if bound.iter().any(|address| !before.contains(address)) {
            info!(addresses = ?bound, "listening");
        }
        failed.into_iter().next().map_or(Ok(bound), Err)
    }

    /// Logs an error that is new. Returns the error if a retry may help.
    fn take_failure(&mut self, error: ListenError) -> Option<ListenError> {
        let text = error.to_string();
        let absent = error.is_family_absent();
        if self.refused.get(&error.address) != Some(&text) {
            // The caller reports other errors.
            if absent {
                info!("{text}");
            } else {
                debug!("{text}");
            }
            self.refused.insert(error.address, text);
        }
        (!absent).then_some(error)
    }

    /// Hands a connection to the neighbour with its address. A connection that the owner `brought` needs no range.
    fn admit(&mut self, incoming: Incoming, brought: bool) {
        if is_of_reserve(&incoming.stream) {
            return self.short_of_descriptors(&io::Error::from_raw_os_error(libc::EMFILE));
        }
        let peer = incoming.peer;
        let rules = self.listeners.security(peer.ip());
        let mut entries = self.entries.get_mut(&peer.ip()).into_iter().flatten();
        let Some(entry) = entries.find(|entry| entry.is_of(peer)) else {
            return self.admit_unknown(incoming, brought);
        };
        // The connection came over another link than that of the first neighbour: the key on the sockets is not that of this
        // neighbour.
        let admitted = match rules == entry.security {
            true => self.listeners.admit(&incoming),
            false => Err(Refusal::NoKey),
        };
        if let Err(refusal) = admitted {
            return self.turned_away.note(peer, refusal.into());
        }
        if !entry.pace.allows(now()) {
            return self.turned_away.note(peer, Why::TooOften);
        }
        if entry.connections.try_send(incoming.stream).is_err() {
            self.turned_away.note(peer, Why::Busy);
        }
    }
}

impl Acceptor {
    /// Handles a connection from an address without a configured neighbour.
    fn admit_unknown(&mut self, incoming: Incoming, brought: bool) {
        let peer = incoming.peer;
        let range = self.listeners.range_of(peer.ip());
        let expected = brought || range.is_some();
        let Some(unknown_peers) = self.unknown_peers.as_ref().filter(|_| expected) else {
            return self.turned_away.note(peer, Why::Stranger);
        };
        if let Err(refusal) = self.listeners.admit(&incoming) {
            return self.turned_away.note(peer, refusal.into());
        }
        if !self.paces.allow(peer.ip(), now()) {
            return self.turned_away.note(peer, Why::TooOften);
        }
        unknown_peers(incoming, range);
    }
}

impl ListenerEntry {
    pub(super) fn new(
        name: Arc<str>,
        address: SocketAddr,
        security: PeerSecurity,
        connections: mpsc::Sender<TcpStream>,
        guard: watch::Sender<Guard>,
    ) -> Self {
        Self {
            name,
            address,
            security,
            is_dynamic: false,
            connections,
            guard,
            refused: None,
            pace: Pace::default(),
        }
    }

    /// A link-local address only matches on its own link.
    fn is_of(&self, peer: SocketAddr) -> bool {
        match (self.address, peer) {
            (SocketAddr::V6(own), SocketAddr::V6(peer)) => {
                own.scope_id() == 0 || own.scope_id() == peer.scope_id()
            }
            _ => true,
        }
    }

    /// Tells the neighbour whether its key was refused, and raises or clears the alarm.
    fn tell(&mut self, refused: Option<&Arc<str>>, alarms: &Alarms) {
        let guard = match refused {
            Some(_) => Guard::Shut,
            None => Guard::Open,
        };
        self.guard
            .send_if_modified(|before| std::mem::replace(before, guard) != guard);
        if self.refused.as_ref() != refused {
            alarms.set(MD5, &object(&self.name), refused.map(|reason| &**reason));
            self.refused = refused.cloned();
        }
    }
}

/// Kinds of alarms.
const MD5: &str = "md5";
const DESCRIPTORS: &str = "descriptors";
/// Object of the alarm about descriptors.
const PEERS: &str = "peers";

fn object(peer: &str) -> String {
    format!("peer {peer}")
}

#[cfg(test)]
mod tests;
