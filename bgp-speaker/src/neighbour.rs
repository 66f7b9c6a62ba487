//! The task of one neighbour: drives its [`Session`] with real connections and real time.
//!
//! Input: its connections, commands of the owner, UPDATEs from the table. Output: octets to its connections, routes to the
//! table, events to whoever listens. When the table cannot take more, it stops reading (the peer feels it through TCP) but goes
//! on writing KEEPALIVEs.

use std::collections::BTreeSet;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::rib::{self, KeepStale, Unusable};
use bgp_core::session::{ConnId, Direction, DownReason, Output, Session, State, Stop};
use bgp_core::speaker::{Link, NeighbourConfig};
use bgp_core::types::{Family, PeerId, PerFamily};
use bgp_core::wire::{Message, RefreshKind, RouteRefresh};
use bytes::BytesMut;
use ipnet::IpNet;
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use crate::acceptor::Guard;
use crate::command::{Command, NeighbourStatus};
use crate::connect::{self, Dial, DialError};
use crate::connection::{Connection, Connections, Ready};
use crate::event::Event;
use crate::farewell::Farewells;
use crate::namespace::Namespace;
use crate::table::{self, Batch, News, ToNeighbour};
use crate::tap::{Flow, PeerTap, take_message};
use crate::timer::{LazyTimer, now};

/// Weight of the news for the table that may wait here before reading stops.
const MAX_WAITING: usize = 1024;
/// Outbox entries taken at a time.
const OUTBOX_SLICE: usize = 64;
/// Weight of news for the table after which it gets the chance to begin: whom a task wakes waits for its turn on the same thread.
const LONG_BATCH: usize = 64;
/// So many octets of routes are written before the table is told. Few beside what it lets be on the way.
const REPORTED_AT_ONCE: usize = 64 * 1024;

/// A connection that the peer opened, and what came on it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) octets: BytesMut,
}

/// One neighbour.
pub(super) struct Neighbour {
    pub(super) peer: PeerId,
    pub(super) name: Arc<str>,
    pub(super) config: NeighbourConfig,
    pub(super) dial: Dial,
    /// Of a dynamic peer, whose task ends when the peer has gone.
    pub(super) first: Option<Arrival>,
    pub(super) commands: mpsc::Receiver<Command>,
    /// Connections that the peer opened.
    pub(super) accepted: mpsc::Receiver<TcpStream>,
    /// Whether there is to be any connection; dialling waits until that is known.
    pub(super) guard: watch::Receiver<Guard>,
    pub(super) table: table::Sender,
    pub(super) events: broadcast::Sender<Event>,
    /// Names of the peers whose sessions are up.
    pub(super) established: Established,
    /// Connections that are being closed are left to them.
    pub(super) farewells: Farewells,
    pub(super) namespace: Option<Namespace>,
    /// Sees messages and states, if anybody does.
    pub(super) tap: Option<PeerTap>,
}

/// Names of the peers whose sessions are up. Each neighbour keeps its own entry.
pub(super) type Established = Arc<watch::Sender<BTreeSet<Arc<str>>>>;

/// Part of the neighbour's own task: dropped, it is cancelled, and a panic in it is one of the neighbour.
type Dialling = Pin<Box<dyn Future<Output = Result<TcpStream, DialError>> + Send>>;

struct Running {
    neighbour: Neighbour,
    session: Session,
    link: Link,
    connections: Connections,
    next_connection: u64,
    dialling: Option<Dialling>,
    /// What the table has for the session that is up.
    outbox: mpsc::UnboundedReceiver<ToNeighbour>,
    to_table: Batch,
    /// Each UPDATE puts off the next KEEPALIVE.
    timer: LazyTimer,
    /// When the session last came up or went down.
    since: Instant,
    /// What is transmitted now came from the table.
    sending_routes: bool,
    /// The table has just been given a long batch.
    gave_much: bool,
    /// Octets of routes that were written in this session and not reported to the table.
    unreported: usize,
    /// Set when the task is to end; answered when it has.
    removed: Option<oneshot::Sender<Option<DownReason>>>,
    /// How the session last ended.
    ended: Option<DownReason>,
    /// Of a dynamic peer: without a connection, it is gone from then on.
    stays_until: Option<Instant>,
}

/// What woke the task.
enum Wake {
    Command(Option<Command>),
    Accepted(TcpStream),
    Dialled(Result<TcpStream, DialError>),
    Outbox(Vec<ToNeighbour>),
    TableHasRoom(table::Reserved),
    Connection(ConnId, io::Result<Ready>),
    Deadline,
}

impl Neighbour {
    /// Runs until the neighbour is removed.
    pub(super) async fn run(self, seed: u64) {
        let mut running = Running::new(self, seed);
        running.run().await;
    }
}

impl Running {
    fn new(neighbour: Neighbour, seed: u64) -> Self {
        let mut session = Session::new(Arc::clone(&neighbour.config.session), seed);
        session.start(now());
        Self {
            session,
            link: Link::new(neighbour.peer),
            neighbour,
            connections: Connections::default(),
            next_connection: 0,
            dialling: None,
            outbox: mpsc::unbounded_channel().1,
            to_table: Batch::default(),
            timer: LazyTimer::default(),
            since: now(),
            sending_routes: false,
            gave_much: false,
            unreported: 0,
            removed: None,
            ended: None,
            stays_until: None,
        }
    }

    async fn run(&mut self) {
        if let Some(Arrival { stream, octets }) = self.neighbour.first.take() {
            self.stays_until = Some(now());
            self.connected(stream, octets, Direction::Incoming);
        }
        self.drain();
        while self.removed.is_none() && !self.is_gone() {
            let wake = self.wait().await;
            self.handle(wake);
            self.drain();
            if std::mem::take(&mut self.gave_much) {
                tokio::task::yield_now().await;
            }
        }
        self.flush_to_table().await;
        if let Some(done) = self.removed.take() {
            // Whoever asked may have gone.
            done.send(self.ended.take()).ok();
        }
    }

    /// When a dynamic peer without a connection goes.
    fn goes_at(&self) -> Option<Instant> {
        self.stays_until.filter(|_| self.connections.is_empty())
    }

    fn is_gone(&self) -> bool {
        self.goes_at().is_some_and(|at| at <= now())
    }

    /// A dynamic peer stays for so long, if it stays for less now.
    fn stay(&mut self, time: Duration) {
        let until = now().checked_add(time);
        if self.stays_until.is_some() {
            self.stays_until = self.stays_until.max(until);
        }
    }

    fn reading(&self) -> bool {
        self.to_table.weight() < MAX_WAITING
    }

    async fn wait(&mut self) -> Wake {
        let deadline = self.session.poll_timeout().map(|(at, _)| at);
        let deadline = deadline.into_iter().chain(self.goes_at()).min();
        let reading = self.reading();
        self.session.set_reading(now(), reading);
        let mut pieces = Vec::new();
        let (table, waiting) = (&self.neighbour.table, self.to_table.weight());
        tokio::select! {
            command = self.neighbour.commands.recv() => Wake::Command(command),
            Some(stream) = self.neighbour.accepted.recv() => Wake::Accepted(stream),
            dialled = finished(&mut self.dialling) => Wake::Dialled(dialled),
            Ok(room) = table.clone().reserve(waiting), if waiting > 0 => Wake::TableHasRoom(room),
            (id, ready) = self.connections.ready(reading) => Wake::Connection(id, ready),
            () = self.timer.sleep_until(deadline) => Wake::Deadline,
            count = self.outbox.recv_many(&mut pieces, OUTBOX_SLICE), if self.session.state() == State::Established => {
                debug_assert!(count == pieces.len());
                Wake::Outbox(pieces)
            }
        }
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::Command(command) => self
                .command(command.unwrap_or_else(|| {
                    Command::Remove(Stop::Shutdown(None), oneshot::channel().0)
                })),
            Wake::Accepted(stream) => {
                self.connected(stream, BytesMut::new(), Direction::Incoming);
            }
            Wake::Dialled(Ok(stream)) => {
                self.dialling = None;
                self.connected(stream, BytesMut::new(), Direction::Outgoing);
            }
            Wake::Dialled(Err(error)) => {
                self.dialling = None;
                debug!(peer = %self.neighbour.name, %error, "cannot connect");
                self.session
                    .handle_connect_failed(now(), &error.to_string());
            }
            Wake::Outbox(pieces) => self.send(pieces),
            // Used at once: given back, it would go to the next in line, who may do the same.
            Wake::TableHasRoom(room) => self.give_to_table(room),
            Wake::Connection(id, ready) => {
                // First the connections that came before: whether one is of a peer that has restarted depends on whether
                // the session was up.
                while let Ok(stream) = self.neighbour.accepted.try_recv() {
                    self.connected(stream, BytesMut::new(), Direction::Incoming);
                }
                self.connection_ready(id, ready);
            }
            Wake::Deadline => self.deadline(),
        }
    }

    fn command(&mut self, command: Command) {
        let now = now();
        match command {
            Command::Stop(why) => self.session.stop(now, why),
            Command::Start => self.session.start(now),
            Command::RequestRefresh => self.request_refresh(now),
            Command::Status(reply) => {
                // Whoever asked may have gone.
                reply.send(self.status()).ok();
            }
            Command::Remove(why, done) => {
                self.ended = None;
                self.session.stop(now, why);
                self.removed = Some(done);
            }
        }
    }

    fn status(&self) -> NeighbourStatus {
        let session = self.session.status();
        let up = session
            .connections
            .iter()
            .find(|connection| connection.state == State::Established);
        let connection = up.and_then(|up| self.connections.get(up.id));
        NeighbourStatus {
            peer: self.neighbour.peer,
            since: self.since,
            local_address: connection.map(Connection::local_address),
            session,
        }
    }

    fn request_refresh(&mut self, now: Instant) {
        let Some(negotiated) = self
            .session
            .status()
            .negotiated
            .filter(|agreed| agreed.route_refresh)
        else {
            return;
        };
        let mut octets = BytesMut::new();
        for family in Family::ALL
            .into_iter()
            .filter(|family| negotiated.context.families[*family])
        {
            let refresh = RouteRefresh {
                family: family.afi_safi(),
                kind: RefreshKind::REQUEST,
            };
            Message::RouteRefresh(refresh).encode(&negotiated.context, &mut octets);
        }
        self.session.send(now, octets.freeze());
    }

    fn connected(&mut self, stream: TcpStream, octets: BytesMut, direction: Direction) {
        let id = ConnId(self.next_connection);
        self.next_connection += 1;
        let mut connection = match Connection::new(id, stream) {
            Ok(connection) => connection,
            Err(error) => {
                debug!(peer = %self.neighbour.name, %error, "connection was gone at once");
                if direction == Direction::Outgoing {
                    self.session
                        .handle_connect_failed(now(), &connect::words(&error));
                }
                return;
            }
        };
        let local = connection.local_address();
        debug!(peer = %self.neighbour.name, ?direction, %local, "connected");
        self.link.connected(id, local);
        connection.input = octets;
        self.connections.add(connection);
        self.session.handle_connected(now(), id, direction);
        self.drain_session();
        self.handle_input(id);
    }

    fn send(&mut self, pieces: Vec<ToNeighbour>) {
        let now = now();
        for piece in pieces {
            match piece {
                ToNeighbour::Routes(octets) => {
                    self.session.send(now, octets);
                    self.sending_routes = true;
                    self.drain_session();
                    self.sending_routes = false;
                }
                ToNeighbour::Stop(why) => {
                    if let Stop::MaxPrefixes { idle, .. } | Stop::OutOfResources { idle } = why {
                        self.stay(idle);
                    }
                    self.session.stop(now, why);
                    self.drain_session();
                }
                ToNeighbour::Unusable(prefix, why) => self.log_unusable(prefix, why),
            }
        }
    }

    fn log_unusable(&self, prefix: IpNet, why: Unusable) {
        let peer = &self.neighbour.name;
        match why {
            // As it is meant to be where there are several ways between two routers.
            Unusable::AsLoop | Unusable::ReflectionLoop => {
                debug!(%peer, %prefix, "a route is not used: {why}");
            }
            _ => {
                warn!(%peer, %prefix, "a route is not used: {why} (and so of others, without a line for each)")
            }
        }
    }

    fn connection_ready(&mut self, id: ConnId, ready: io::Result<Ready>) {
        match ready {
            Ok(ready) => {
                if ready.write {
                    self.write(id);
                }
                if ready.read {
                    self.read(id);
                }
            }
            Err(error) => self.lost(id, Some(&error)),
        }
    }

    fn read(&mut self, id: ConnId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match connection.read() {
            Ok(None) => {}
            Ok(Some(0)) => self.lost(id, None),
            Ok(Some(_)) => self.handle_input(id),
            Err(error) => self.lost(id, Some(&error)),
        }
    }

    fn handle_input(&mut self, id: ConnId) {
        match self.neighbour.tap {
            Some(_) => self.handle_each_message(id),
            None => self.handle_bytes(id),
        }
    }

    fn handle_bytes(&mut self, id: ConnId) {
        if let Some(connection) = self.connections.get_mut(id) {
            self.session.handle_bytes(now(), id, &mut connection.input);
        }
    }

    /// One by one, so that a subscriber sees what follows from each.
    fn handle_each_message(&mut self, id: ConnId) {
        while let Some(connection) = self.connections.get_mut(id)
            && let Some(mut message) = take_message(&mut connection.input)
        {
            self.show(id, Flow::Received, &message);
            self.session.handle_bytes(now(), id, &mut message);
            self.drain_session();
        }
        self.handle_bytes(id);
    }

    fn show(&self, id: ConnId, flow: Flow, messages: &[u8]) {
        if let (Some(tap), Some(connection)) = (&self.neighbour.tap, self.connections.get(id)) {
            tap.messages(&self.session, connection, flow, messages);
        }
    }

    /// Shows the state of the session, if it is another one.
    fn show_state(&mut self) {
        if let Some(tap) = &mut self.neighbour.tap {
            tap.state(&self.session);
        }
    }

    /// Shows why a connection ended, together with the next state.
    fn show_reason(&mut self, reason: &DownReason) {
        if let Some(tap) = &mut self.neighbour.tap {
            tap.ended(reason);
        }
    }

    fn write(&mut self, id: ConnId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        match connection.write() {
            Ok(written) => {
                let pending = connection.has_output();
                if written.octets > 0 {
                    self.session.handle_written(now(), id, pending);
                }
                self.unreported += written.route_octets;
                if self.unreported >= REPORTED_AT_ONCE {
                    let peer = self.neighbour.peer;
                    let octets = std::mem::take(&mut self.unreported);
                    self.to_table
                        .push(News::Input(rib::Input::Written { peer, octets }));
                }
            }
            Err(error) => self.lost(id, Some(&error)),
        }
    }

    fn lost(&mut self, id: ConnId, error: Option<&io::Error>) {
        self.connections.remove(id);
        let text = error.map(connect::words);
        self.session.handle_closed(now(), id, text.as_deref());
        self.link.closed(id);
    }

    fn deadline(&mut self) {
        // What has already arrived counts before the hold timer is judged, which it is not while nothing is read.
        if self.reading() {
            for id in self.connections.ids() {
                self.read(id);
                self.drain_session();
            }
        }
        self.session.handle_timeout(now());
    }

    /// Performs what the session wants, writes, and performs what it wants when that fails.
    fn drain(&mut self) {
        self.drain_session();
        let waiting = self.connections.with_output();
        if !waiting.is_empty() {
            waiting.into_iter().for_each(|id| self.write(id));
            self.drain_session();
        }
        self.offer_to_table();
    }

    fn drain_session(&mut self) {
        while let Some(output) = self.session.poll_output() {
            let (input, output) = self.link.split(&self.neighbour.config, output);
            if let Some(input) = input {
                match &input {
                    rib::Input::Up { .. } => self.renew_outbox(),
                    rib::Input::Down { keep_stale, .. } => self.stay(longest(keep_stale)),
                    _ => {}
                }
                self.to_table.push(News::Input(input));
            }
            if let Some(output) = output {
                self.perform(output);
            }
        }
        self.show_state();
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Connect => self.dial(),
            Output::CancelConnect => self.dialling = None,
            Output::Transmit { conn, bytes } => {
                self.show(conn, Flow::Sent, &bytes);
                let routes = self.sending_routes;
                if let Some(connection) = self.connections.get_mut(conn) {
                    connection.push(bytes, routes);
                }
            }
            Output::Close { conn } => self.close(conn),
            Output::Up { negotiated, .. } => {
                self.since = now();
                self.note_established(true);
                info!(peer = %self.neighbour.name, peer_id = %negotiated.peer_id, "session established");
                self.tell(Event::Up {
                    peer: Arc::clone(&self.neighbour.name),
                    negotiated,
                });
            }
            Output::Down(down) => {
                self.since = now();
                self.note_established(false);
                self.ended = Some(down.reason.clone());
                self.show_reason(&down.reason);
                let (peer, reason) = (&self.neighbour.name, &down.reason);
                match reason {
                    // We stop, and the peer keeps the routes.
                    DownReason::Left => info!(%peer, %reason, "session down"),
                    _ => warn!(%peer, %reason, "session down"),
                }
                self.tell(Event::Down {
                    peer: Arc::clone(&self.neighbour.name),
                    reason: down.reason,
                });
            }
            Output::Refused(reason) => {
                self.show_reason(&reason);
                warn!(peer = %self.neighbour.name, %reason, "session refused");
            }
            Output::Update(_) | Output::EndOfRib(_) | Output::Refresh(_) => {}
        }
    }

    /// What is left in the old outbox was meant for an earlier session.
    fn renew_outbox(&mut self) {
        let (sender, outbox) = mpsc::unbounded_channel();
        self.outbox = outbox;
        self.unreported = 0;
        self.to_table
            .push(News::Outbox(self.neighbour.peer, Some(sender)));
    }

    fn note_established(&self, is: bool) {
        let name = &self.neighbour.name;
        self.neighbour.established.send_if_modified(|all| match is {
            true => all.insert(Arc::clone(name)),
            false => all.remove(name),
        });
    }

    fn tell(&self, event: Event) {
        // Nobody needs to listen.
        self.neighbour.events.send(event).ok();
    }

    fn dial(&mut self) {
        let dial = self.neighbour.dial.clone();
        let namespace = self.neighbour.namespace.clone();
        let mut guard = self.neighbour.guard.clone();
        self.dialling = Some(Box::pin(async move {
            let decided = guard.wait_for(|guard| *guard != Guard::Pending).await;
            // Whoever is removed dials no more.
            if !decided.is_ok_and(|guard| *guard == Guard::Open) {
                return Err(DialError::NoKey);
            }
            dial.connect_in(namespace.as_ref()).await
        }));
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.remove(conn) {
            self.neighbour.farewells.add(connection);
        }
    }

    /// Gives the table what waits for it, if it has room.
    fn offer_to_table(&mut self) {
        let waiting = self.to_table.weight();
        if waiting > 0
            && let Some(room) = self.neighbour.table.try_reserve(waiting)
        {
            self.give_to_table(room);
        }
    }

    fn give_to_table(&mut self, room: table::Reserved) {
        self.gave_much |= self.to_table.weight() >= LONG_BATCH;
        room.send(std::mem::take(&mut self.to_table));
    }

    /// The last words of a removed neighbour.
    async fn flush_to_table(&mut self) {
        let mut last = std::mem::take(&mut self.to_table);
        last.push(News::Outbox(self.neighbour.peer, None));
        last.push(News::Input(rib::Input::Remove(self.neighbour.peer)));
        // The table only goes away when everything ends.
        if let Ok(room) = self.neighbour.table.clone().reserve(last.weight()).await {
            room.send(last);
        }
    }
}

/// How long routes of a session that is over are kept.
fn longest(keep_stale: &PerFamily<Option<KeepStale>>) -> Duration {
    let kept = [keep_stale.ipv4, keep_stale.ipv6].into_iter().flatten();
    let times = kept.map(|keep| keep.restart_time.saturating_add(keep.long_lived));
    times.max().unwrap_or_default()
}

/// Waits for the dialling that is under way; for ever if there is none.
async fn finished(dialling: &mut Option<Dialling>) -> Result<TcpStream, DialError> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
