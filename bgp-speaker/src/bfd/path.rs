//! One path that is watched: its session, its socket, and the neighbours that watch it.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::num::NonZeroU8;
use std::time::{Duration, Instant};

use bgp_core::bfd::{Change, Config, Discriminator, Output, Packet, Session, State};
use tracing::{debug, info, warn};

use super::command::{Watcher, WatcherId};
use super::handover::GivenPath;
use super::key::PathKey;
use super::spec::{BfdPath, BfdSpec};
use super::status::BfdStatus;

/// For how many intervals a peer is told about the end of a session of another process.
const USUAL_MULTIPLIER: u8 = 3;

/// A path that is watched.
pub(super) struct Path {
    pub(super) key: PathKey,
    session: Session,
    sender: UdpSocket,
    watchers: BTreeMap<WatcherId, Watcher>,
    /// What watchers are told, but for what they count themselves.
    status: BfdStatus,
    /// The last watcher has gone, and the peer is told so until then (RFC 5882 §8).
    ends_at: Option<Instant>,
}

impl Path {
    /// A path whose first watcher this is.
    pub(super) fn new(
        now: Instant,
        key: PathKey,
        sender: UdpSocket,
        number: Discriminator,
        seed: u64,
        first: (WatcherId, Watcher),
    ) -> Self {
        let spec = first.1.spec;
        let mut status = BfdStatus::new(spec.path);
        status.local = Some(key.local);
        status.since = Some(now);
        let mut path = Self {
            key,
            session: Session::new(now, spec.config(), number, seed),
            sender,
            watchers: BTreeMap::new(),
            status,
            ends_at: None,
        };
        path.join(now, first.0, first.1);
        path
    }

    /// A path of another process, whose first watcher this is.
    pub(super) fn taken_over(
        now: Instant,
        given: GivenPath,
        seed: u64,
        first: (WatcherId, Watcher),
    ) -> Self {
        let spec = first.1.spec;
        let mut status = BfdStatus::new(spec.path);
        status.local = Some(given.key.local);
        status.since = given.since.and_then(|ago| now.checked_sub(ago));
        (status.ups, status.downs) = (given.ups, given.downs);
        let mut path = Self {
            key: given.key,
            session: Session::take_over(now, spec.config(), seed, &given.session),
            sender: given.sender,
            watchers: BTreeMap::new(),
            status,
            ends_at: None,
        };
        path.join(now, first.0, first.1);
        path
    }

    /// A path of another process that nobody watches here. The peer is told, and then it is over.
    pub(super) fn unwatched(now: Instant, given: GivenPath, seed: u64) -> Self {
        let [min_tx, min_rx] = given.session.intervals[0];
        let mut config = Config::new(min_tx, NonZeroU8::MIN);
        config.required_min_rx = min_rx;
        let mut path = Self {
            key: given.key,
            session: Session::take_over(now, config, seed, &given.session),
            sender: given.sender,
            watchers: BTreeMap::new(),
            status: BfdStatus::new(BfdPath::SingleHop),
            ends_at: None,
        };
        path.part(now, USUAL_MULTIPLIER);
        path
    }

    /// The path for another process; `None` if the system has no descriptor for the socket.
    pub(super) fn give(&self, now: Instant) -> Option<GivenPath> {
        Some(GivenPath {
            key: self.key,
            session: self.session.hand_over(now),
            since: self
                .status
                .since
                .map(|at| now.saturating_duration_since(at)),
            ups: self.status.ups,
            downs: self.status.downs,
            sender: self.sender.try_clone().ok()?,
        })
    }

    /// The number by which the peer knows the session.
    pub(super) fn number(&self) -> Discriminator {
        self.session.status().local
    }

    /// The least TTL with which a packet may come.
    pub(super) fn min_ttl(&self) -> u8 {
        self.status.path.min_ttl()
    }

    pub(super) fn is_watched(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.session.poll_timeout().map(|(at, _)| at);
        due.into_iter().chain(self.ends_at).min()
    }

    /// Whether nobody watches it, and the peer knows.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.watchers.is_empty() && self.ends_at.is_none_or(|at| at <= now)
    }

    pub(super) fn join(&mut self, now: Instant, id: WatcherId, watcher: Watcher) {
        self.watchers.insert(id, watcher);
        self.ends_at = None;
        self.apply(now);
        self.publish();
    }

    pub(super) fn change(&mut self, now: Instant, id: WatcherId, spec: BfdSpec) {
        if let Some(watcher) = self.watchers.get_mut(&id) {
            watcher.spec = spec;
            self.apply(now);
        }
    }

    pub(super) fn hold(&mut self, now: Instant, id: WatcherId, held: bool) {
        if let Some(watcher) = self.watchers.get_mut(&id) {
            watcher.held = held;
            self.apply(now);
        }
    }

    /// The session stays for as long as the peer may take to notice: told once a second, or not at all.
    pub(super) fn leave(&mut self, now: Instant, id: WatcherId, silent: bool) {
        let Some(watcher) = self.watchers.remove(&id) else {
            return;
        };
        if !self.watchers.is_empty() {
            return self.apply(now);
        }
        if !silent {
            self.part(now, watcher.spec.multiplier);
        }
    }

    /// Tells the peer that what follows is no failure.
    fn part(&mut self, now: Instant, multiplier: u8) {
        let status = self.session.status();
        let interval = status.transmit_interval.filter(|_| status.peer.is_some());
        if let Some(interval) = interval {
            let detection = Duration::from(interval) * u32::from(multiplier);
            self.session.disable(now);
            self.drain(now);
            self.ends_at = now.checked_add(detection);
        }
    }

    pub(super) fn handle_packet(&mut self, now: Instant, packet: &Packet) {
        self.status.packets.count_received();
        self.session.handle_packet(now, packet);
        self.drain(now);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.session.handle_timeout(now);
        self.drain(now);
    }

    /// What all watchers want together.
    fn apply(&mut self, now: Instant) {
        let specs = self.watchers.values().map(|watcher| watcher.spec);
        if let Some(spec) = specs.reduce(BfdSpec::with) {
            self.status.path = spec.path;
            self.session.set_config(now, spec.config());
        }
        match self.watchers.values().all(|watcher| watcher.held) {
            true => self.session.disable(now),
            false => self.session.enable(now),
        }
        self.drain(now);
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Transmit(packet) => self.send(&packet),
                Output::Changed(change) => self.note(now, change),
                _ => {}
            }
        }
        if self.status.session != Some(self.session.status()) {
            self.publish();
        }
    }

    /// A packet that cannot be sent is as one that is lost.
    fn send(&self, packet: &Packet) {
        let to = self.key.destination();
        match self.sender.send_to(&packet.encode(), to) {
            Ok(_) => self.status.packets.count_sent(),
            Err(error) => debug!(%to, %error, "cannot send a BFD packet"),
        }
    }

    fn note(&mut self, now: Instant, change: Change) {
        self.status.since = Some(now);
        self.status.worked_at = change.worked_at;
        self.status.ups += u64::from(change.new == State::Up);
        self.status.downs += u64::from(change.old == State::Up);
        let (failed, diagnostic) = (change.is_failure(), self.session.status().diagnostic);
        for watcher in self.watchers.values_mut() {
            watcher.failures += u64::from(failed);
            let peer = &watcher.name;
            match (change.old, change.new) {
                (_, State::Up) => info!(%peer, "BFD session up"),
                (State::Up, _) if failed => warn!(%peer, "BFD session down: {diagnostic}"),
                (State::Up, _) => info!(%peer, "BFD session down: {diagnostic}"),
                _ => debug!(%peer, "BFD session {}", change.new),
            }
        }
    }

    fn publish(&mut self) {
        self.status.session = Some(self.session.status());
        for watcher in self.watchers.values() {
            let mut status = self.status.clone();
            status.failures = watcher.failures;
            watcher.status.send_replace(status);
        }
    }
}
