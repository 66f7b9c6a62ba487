//! The thread of BFD: timers and sockets of all paths. Nothing else runs on it, so nothing else makes a packet late.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use bgp_core::bfd::{Discriminator, Packet};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use tracing::debug;

use super::command::{Command, Watcher, WatcherId};
use super::handover::{Given, TakenPaths};
use super::key::{PathKey, is_link_local};
use super::path::Path;
use super::socket;
use super::status::BfdStatus;
use crate::alarms::Alarms;
use crate::connect::words;
use crate::namespace::Namespace;
use crate::random::random;
use crate::sockopt::{Datagram, receive_datagram};

/// Sockets that are told of at once.
const EVENTS: usize = 256;
/// Packets that are read from one socket before the others have their turn.
const PACKETS: usize = 256;
/// With so many paths, packets are read and sent in batches: each costs less, and none is late by more than the pause.
const MANY: usize = 64;
const PAUSE: Duration = Duration::from_millis(1);
/// How often all sockets are read before a peer is found silent: more packets than a socket holds.
const ROUNDS: u32 = 64;
/// How long to wait before sockets are tried again that could not be made.
const RETRY: Duration = Duration::from_secs(1);
/// By this number epoll knows who wakes the thread; receivers have greater ones.
pub(super) const WAKE: u64 = 0;
/// Kind of the alarms.
const ALARM: &str = "bfd";

/// All that the thread knows.
pub(super) struct Thread {
    pub(super) epoll: OwnedFd,
    pub(super) wake: Arc<OwnedFd>,
    pub(super) commands: Receiver<Command>,
    pub(super) namespace: Option<Namespace>,
    pub(super) alarms: Alarms,
    pub(super) paths: Paths,
    pub(super) receivers: Receivers,
    /// Paths of another process that nobody watches yet.
    pub(super) taken: TakenPaths,
    /// Without sockets as yet.
    pub(super) waiting: BTreeMap<WatcherId, Watcher>,
    pub(super) retry_at: Option<Instant>,
}

/// All paths, by what they are found with.
#[derive(Default)]
pub(super) struct Paths {
    by_number: BTreeMap<Discriminator, Path>,
    by_key: BTreeMap<PathKey, Discriminator>,
    by_watcher: BTreeMap<WatcherId, Discriminator>,
    deadlines: BTreeSet<(Instant, Discriminator)>,
}

/// The sockets that receive, by the number that epoll knows.
#[derive(Default)]
pub(super) struct Receivers {
    sockets: BTreeMap<u64, (SocketAddr, UdpSocket)>,
    by_address: BTreeMap<SocketAddr, u64>,
    last: u64,
}

impl Thread {
    /// Until nobody can tell it anything any more.
    pub(super) fn run(mut self) {
        while self.turn() {}
    }

    fn turn(&mut self) -> bool {
        if self.paths.by_number.len() >= MANY {
            std::thread::sleep(PAUSE);
        }
        let due = self
            .paths
            .next_deadline()
            .into_iter()
            .chain(self.retry_at)
            .min();
        self.read(due.map(|at| at.saturating_duration_since(clock())));
        if !self.take_commands() {
            return false;
        }
        if due.is_some_and(|at| at <= clock()) {
            // Whoever kept the thread from running kept it from reading, too: first what has come meanwhile.
            let mut rounds = 0;
            while self.read(Some(Duration::ZERO)) && rounds < ROUNDS {
                rounds += 1;
            }
            self.handle_timeouts();
        }
        true
    }

    /// Waits for so long, and reads what has come; returns whether there is more.
    fn read(&mut self, timeout: Option<Duration>) -> bool {
        let timeout = timeout.map(|time| Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        let mut events = Vec::with_capacity(EVENTS);
        // A signal is a reason to look around, too.
        epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()).ok();
        let mut is_more = events.len() == EVENTS;
        for event in events {
            match event.data.u64() {
                WAKE => {
                    rustix::io::read(&self.wake, &mut [0; 8]).ok();
                }
                number => is_more |= self.receive(number),
            }
        }
        is_more
    }

    /// Reads from a socket; returns whether there is more.
    fn receive(&mut self, number: u64) -> bool {
        let Some((local, socket)) = self.receivers.sockets.get(&number) else {
            return false;
        };
        for _ in 0..PACKETS {
            let datagram = match receive_datagram(socket) {
                Ok(datagram) => datagram,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    debug!(%local, %error, "cannot read BFD packets");
                    return false;
                }
            };
            match Packet::decode(datagram.octets()) {
                Ok(packet) => self
                    .paths
                    .handle_packet(clock(), *local, &datagram, &packet),
                Err(error) => debug!(source = %datagram.source, %error, "a BFD packet is dropped"),
            }
        }
        true
    }

    /// Whether there can be more.
    fn take_commands(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.perform(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn perform(&mut self, command: Command) {
        let now = clock();
        match command {
            Command::Open(id, watcher) => self.open(now, id, *watcher),
            Command::Change(id, spec) => match self.waiting.get_mut(&id) {
                Some(watcher) => watcher.spec = spec,
                None => self.paths.of_watcher(id, |path| path.change(now, id, spec)),
            },
            Command::Hold(id, held, done) => {
                match self.waiting.get_mut(&id) {
                    Some(watcher) => watcher.held = held,
                    None => self.paths.of_watcher(id, |path| path.hold(now, id, held)),
                }
                // Whoever waits may have gone.
                done.send(()).ok();
            }
            Command::HandOver(reply, thawed) => {
                // Whoever asked may have gone.
                reply.send(self.give(now)).ok();
                thawed.blocking_recv().ok();
            }
            Command::AllOpen => self.leave_unwatched(now),
            Command::End {
                watcher,
                silent,
                done,
            } => {
                if let Some(waiting) = self.waiting.remove(&watcher) {
                    self.alarms.clear(ALARM, &object(&waiting));
                }
                self.paths
                    .of_watcher(watcher, |path| path.leave(now, watcher, silent));
                self.paths.by_watcher.remove(&watcher);
                self.forget(now);
                done.send(()).ok();
            }
        }
    }

    /// Everything for another process.
    fn give(&self, now: Instant) -> Given {
        let paths = self
            .paths
            .by_number
            .values()
            .filter(|path| path.is_watched());
        let receivers = self.receivers.sockets.values();
        let receivers =
            receivers.filter_map(|(local, socket)| Some((*local, socket.try_clone().ok()?)));
        Given {
            paths: paths.filter_map(|path| path.give(now)).collect(),
            receivers: receivers.collect(),
        }
    }

    fn open(&mut self, now: Instant, id: WatcherId, watcher: Watcher) {
        let key = match self.key(&watcher) {
            Ok(key) => key,
            Err(problem) => return self.wait(now, id, watcher, &problem),
        };
        if let Some(number) = self.paths.watched(&key) {
            self.alarms.clear(ALARM, &object(&watcher));
            self.paths.with(number, |path| path.join(now, id, watcher));
            self.paths.by_watcher.insert(id, number);
            return;
        }
        if let Some(given) = self.taken.take(&key) {
            let path = Path::taken_over(now, given, random(), (id, watcher));
            return self.paths.insert(path, id);
        }
        match self.sockets(&key) {
            Ok(sender) => {
                self.alarms.clear(ALARM, &object(&watcher));
                self.paths.add(now, key, sender, (id, watcher));
            }
            Err(error) => self.wait(now, id, watcher, &reason(&key, &error)),
        }
    }

    /// Paths of another process that nobody has opened are not watched any more.
    fn leave_unwatched(&mut self, now: Instant) {
        for given in std::mem::take(&mut self.taken).into_paths() {
            self.paths.keep(Path::unwatched(now, given, random()));
        }
        self.forget(now);
    }

    fn wait(&mut self, now: Instant, id: WatcherId, watcher: Watcher, problem: &str) {
        let mut status = BfdStatus::new(watcher.spec.path);
        status.problem = Some(problem.into());
        watcher.status.send_replace(status);
        self.alarms.raise(ALARM, object(&watcher), problem);
        self.waiting.insert(id, watcher);
        self.retry_at.get_or_insert(now + RETRY);
    }

    fn key(&self, watcher: &Watcher) -> Result<PathKey, String> {
        let local = match watcher.source {
            Some(source) => Ok(source),
            None => socket::local_address(self.namespace.as_ref(), watcher.remote),
        };
        let local = local.map_err(|error| format!("no way to the peer: {}", words(&error)))?;
        Ok(PathKey::new(watcher.remote, local, watcher.spec.path))
    }

    /// A socket that sends, once there is one that receives.
    fn sockets(&mut self, key: &PathKey) -> io::Result<UdpSocket> {
        let (namespace, local) = (self.namespace.as_ref(), key.receiver());
        self.receivers.ensure(&self.epoll, namespace, local)?;
        socket::sender(namespace, local, random() as u16)
    }

    fn handle_timeouts(&mut self) {
        let now = clock();
        self.paths.handle_timeouts(now);
        self.forget(now);
        if self.retry_at.is_some_and(|at| at <= now) {
            self.retry_at = None;
            for (id, watcher) in std::mem::take(&mut self.waiting) {
                self.open(now, id, watcher);
            }
        }
    }

    /// Paths that are over, and sockets that nobody needs.
    fn forget(&mut self, now: Instant) {
        if self.paths.remove_those_over(now) {
            let needed: BTreeSet<SocketAddr> =
                self.paths.by_key.keys().map(PathKey::receiver).collect();
            self.receivers.keep(&needed);
        }
    }
}

impl Paths {
    fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The path of a key, if somebody watches it.
    fn watched(&self, key: &PathKey) -> Option<Discriminator> {
        let number = self.by_key.get(key)?;
        let path = self.by_number.get(number)?;
        path.is_watched().then_some(*number)
    }

    /// A path that is over, or is about to be, gives way.
    fn add(&mut self, now: Instant, key: PathKey, sender: UdpSocket, first: (WatcherId, Watcher)) {
        if let Some(old) = self.by_key.remove(&key) {
            self.by_number.remove(&old);
            self.deadlines.retain(|(_, number)| *number != old);
        }
        let number = self.free_number();
        let watcher = first.0;
        let path = Path::new(now, key, sender, number, random(), first);
        self.insert(path, watcher);
    }

    fn insert(&mut self, path: Path, watcher: WatcherId) {
        self.by_watcher.insert(watcher, path.number());
        self.keep(path);
    }

    fn keep(&mut self, path: Path) {
        let (key, number) = (path.key, path.number());
        self.deadlines
            .extend(path.deadline().map(|at| (at, number)));
        self.by_number.insert(number, path);
        self.by_key.insert(key, number);
    }

    /// Another one after each start (RFC 5880 §6.3), which nobody guesses.
    fn free_number(&self) -> Discriminator {
        loop {
            let number = Discriminator::new(random() as u32);
            if let Some(number) = number.filter(|number| !self.by_number.contains_key(number)) {
                return number;
            }
        }
    }

    /// Does something with a path, and plans what follows.
    fn with(&mut self, number: Discriminator, act: impl FnOnce(&mut Path)) {
        if let Some(path) = self.by_number.get_mut(&number) {
            let before = path.deadline();
            act(path);
            let after = path.deadline();
            if before != after {
                before.map(|at| self.deadlines.remove(&(at, number)));
                self.deadlines.extend(after.map(|at| (at, number)));
            }
        }
    }

    fn of_watcher(&mut self, watcher: WatcherId, act: impl FnOnce(&mut Path)) {
        if let Some(number) = self.by_watcher.get(&watcher).copied() {
            self.with(number, act);
        }
    }

    /// RFC 5880 §6.8.6, RFC 5881 §5, RFC 5883 §5: finds the session, and drops what may come from elsewhere.
    fn handle_packet(
        &mut self,
        now: Instant,
        local: SocketAddr,
        datagram: &Datagram,
        packet: &Packet,
    ) {
        let source = datagram.source.ip();
        let scope = match is_link_local(source) {
            true => datagram.interface.unwrap_or_default(),
            false => 0,
        };
        let key = PathKey {
            remote: source,
            scope,
            local: local.ip(),
            port: local.port(),
        };
        let number = packet
            .your_discriminator
            .or_else(|| self.by_key.get(&key).copied());
        let path = number.and_then(|number| Some((number, self.by_number.get(&number)?)));
        match path {
            None => debug!(%source, "a BFD packet for no session is dropped"),
            Some((_, path)) if path.key != key => {
                debug!(%source, "a BFD packet with the number of another session is dropped");
            }
            Some((_, path)) if datagram.ttl.is_none_or(|ttl| ttl < path.min_ttl()) => {
                debug!(%source, ttl = datagram.ttl, "a BFD packet from too far away is dropped");
            }
            Some((number, _)) => self.with(number, |path| path.handle_packet(now, packet)),
        }
    }

    fn handle_timeouts(&mut self, now: Instant) {
        while let Some(&(at, number)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            if let Some(path) = self.by_number.get_mut(&number) {
                path.handle_timeout(now);
                let next = path.deadline().filter(|_| !path.is_over(now));
                self.deadlines.extend(next.map(|at| (at, number)));
            }
        }
    }

    /// Whether there were any.
    fn remove_those_over(&mut self, now: Instant) -> bool {
        let before = self.by_number.len();
        self.by_number.retain(|_, path| !path.is_over(now));
        let removed = self.by_number.len() < before;
        if removed {
            let known = &self.by_number;
            self.by_key.retain(|_, number| known.contains_key(number));
            self.deadlines
                .retain(|(_, number)| known.contains_key(number));
        }
        removed
    }
}

impl Receivers {
    /// Makes a socket for an address, if there is none.
    fn ensure(
        &mut self,
        epoll: &OwnedFd,
        namespace: Option<&Namespace>,
        local: SocketAddr,
    ) -> io::Result<()> {
        if self.by_address.contains_key(&local) {
            return Ok(());
        }
        self.add(epoll, local, socket::receiver(namespace, local)?)
    }

    /// Reads from a socket from now on.
    pub(super) fn add(
        &mut self,
        epoll: &OwnedFd,
        local: SocketAddr,
        socket: UdpSocket,
    ) -> io::Result<()> {
        self.last += 1;
        let number = self.last;
        epoll::add(
            epoll,
            &socket,
            epoll::EventData::new_u64(number),
            epoll::EventFlags::IN,
        )?;
        self.sockets.insert(number, (local, socket));
        self.by_address.insert(local, number);
        Ok(())
    }

    /// Closes all others; epoll forgets what is closed.
    fn keep(&mut self, needed: &BTreeSet<SocketAddr>) {
        self.by_address.retain(|local, _| needed.contains(local));
        self.sockets.retain(|_, (local, _)| needed.contains(local));
    }
}

fn object(watcher: &Watcher) -> String {
    format!("peer {}", watcher.name)
}

fn reason(key: &PathKey, error: &io::Error) -> String {
    let (local, port) = (key.local, key.port);
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program receives BFD packets on address {local} port {port}")
        }
        _ => format!(
            "cannot receive BFD packets on address {local} port {port}: {}",
            words(error)
        ),
    }
}

/// Packets take their time on a real network, so this is real time, also where the clock of the runtime is paused.
fn clock() -> Instant {
    Instant::now()
}
