//! The task of one neighbour: drives its [`Session`] with real connections and real time.
//!
//! Input: its connections, commands of the owner, UPDATEs from the table. Output: octets to its connections, routes to the
//! table, events to whoever listens. When the table cannot take more, it stops reading (the peer feels it through TCP) but goes
//! on writing KEEPALIVEs.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::rib;
use bgp_core::session::{
    ConnId, Direction, DownReason, Output, Session, SessionStatus, State, Stop,
};
use bgp_core::speaker::{Link, NeighbourConfig};
use bgp_core::types::{Family, PeerId};
use bgp_core::wire::{Message, RefreshKind, RouteRefresh};
use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::{debug, info, warn};

use crate::acceptor::Guard;
use crate::connect::{self, Dial, DialError};
use crate::connection::{Connection, Connections, Ready};
use crate::event::Event;
use crate::farewell::Farewells;
use crate::table::{self, Batch, News, ToNeighbour};
use crate::timer::sleep_until;

/// Weight of the news for the table that may wait here before reading stops.
const MAX_WAITING: usize = 1024;
/// Outbox entries taken at a time.
const OUTBOX_SLICE: usize = 64;
/// Weight of news for the table after which it gets the chance to begin: whom a task wakes waits for its turn on the same thread.
const LONG_BATCH: usize = 64;
/// So many octets of routes are written before the table is told. Few beside what it lets be on the way.
const REPORTED_AT_ONCE: usize = 64 * 1024;

/// What the owner wants of a neighbour.
#[derive(Debug)]
pub(super) enum Command {
    /// Stop the session and keep it down, or start it anew if the reason says so.
    Stop(Stop),
    /// Start it if it is down.
    Start,
    /// Ask the peer for its routes again.
    RequestRefresh,
    /// How is it?
    Status(oneshot::Sender<NeighbourStatus>),
    /// Stop the session and end the task; answered when that is done, with how the session ended if it was up.
    Remove(Stop, oneshot::Sender<Option<DownReason>>),
}

/// How a neighbour is.
#[derive(Clone, Debug)]
pub struct NeighbourStatus {
    /// The number by which the RIB knows it.
    pub peer: PeerId,
    /// When it last came up or went down.
    pub since: Instant,
    /// Our address on the connection of the session, if it is up.
    pub local_address: Option<IpAddr>,
    /// Its session.
    pub session: SessionStatus,
}

/// One neighbour.
pub(super) struct Neighbour {
    pub(super) peer: PeerId,
    pub(super) name: Arc<str>,
    pub(super) config: NeighbourConfig,
    pub(super) dial: Dial,
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
        session.start(Instant::now());
        Self {
            session,
            link: Link::new(neighbour.peer),
            neighbour,
            connections: Connections::default(),
            next_connection: 0,
            dialling: None,
            outbox: mpsc::unbounded_channel().1,
            to_table: Batch::default(),
            since: Instant::now(),
            sending_routes: false,
            gave_much: false,
            unreported: 0,
            removed: None,
            ended: None,
        }
    }

    async fn run(&mut self) {
        self.drain();
        while self.removed.is_none() {
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

    fn reading(&self) -> bool {
        self.to_table.weight() < MAX_WAITING
    }

    async fn wait(&mut self) -> Wake {
        let deadline = self.session.poll_timeout().map(|(at, _)| at);
        let reading = self.reading();
        self.session.set_reading(Instant::now(), reading);
        let mut pieces = Vec::new();
        let (table, waiting) = (&self.neighbour.table, self.to_table.weight());
        tokio::select! {
            command = self.neighbour.commands.recv() => Wake::Command(command),
            Some(stream) = self.neighbour.accepted.recv() => Wake::Accepted(stream),
            dialled = finished(&mut self.dialling) => Wake::Dialled(dialled),
            Ok(room) = table.clone().reserve(waiting), if waiting > 0 => Wake::TableHasRoom(room),
            (id, ready) = self.connections.ready(reading) => Wake::Connection(id, ready),
            () = sleep_until(deadline) => Wake::Deadline,
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
            Wake::Accepted(stream) => self.connected(stream, Direction::Incoming),
            Wake::Dialled(Ok(stream)) => {
                self.dialling = None;
                self.connected(stream, Direction::Outgoing);
            }
            Wake::Dialled(Err(error)) => {
                self.dialling = None;
                debug!(peer = %self.neighbour.name, %error, "cannot connect");
                self.session
                    .handle_connect_failed(Instant::now(), &error.to_string());
            }
            Wake::Outbox(pieces) => self.send(pieces),
            // Used at once: given back, it would go to the next in line, who may do the same.
            Wake::TableHasRoom(room) => self.give_to_table(room),
            Wake::Connection(id, ready) => self.connection_ready(id, ready),
            Wake::Deadline => self.deadline(),
        }
    }

    fn command(&mut self, command: Command) {
        let now = Instant::now();
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
            local_address: connection.and_then(|connection| connection.local_address().ok()),
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

    fn connected(&mut self, stream: TcpStream, direction: Direction) {
        let id = ConnId(self.next_connection);
        self.next_connection += 1;
        let connection = Connection::new(id, stream);
        let local = match connection.local_address() {
            Ok(local) => local,
            Err(error) => {
                debug!(peer = %self.neighbour.name, %error, "connection was gone at once");
                if direction == Direction::Outgoing {
                    self.session
                        .handle_connect_failed(Instant::now(), &connect::words(&error));
                }
                return;
            }
        };
        debug!(peer = %self.neighbour.name, ?direction, %local, "connected");
        self.link.connected(id, local);
        self.connections.add(connection);
        self.session.handle_connected(Instant::now(), id, direction);
    }

    fn send(&mut self, pieces: Vec<ToNeighbour>) {
        let now = Instant::now();
        for piece in pieces {
            match piece {
                ToNeighbour::Routes(octets) => {
                    self.session.send(now, octets);
                    self.sending_routes = true;
                    self.drain_session();
                    self.sending_routes = false;
                }
                ToNeighbour::Stop(why) => {
                    self.session.stop(now, why);
                    self.drain_session();
                }
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
            Ok(Some(_)) => self
                .session
                .handle_bytes(Instant::now(), id, &mut connection.input),
            Err(error) => self.lost(id, Some(&error)),
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
                    self.session.handle_written(Instant::now(), id, pending);
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
        self.session
            .handle_closed(Instant::now(), id, text.as_deref());
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
        self.session.handle_timeout(Instant::now());
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
                if matches!(input, rib::Input::Up { .. }) {
                    self.renew_outbox();
                }
                self.to_table.push(News::Input(input));
            }
            if let Some(output) = output {
                self.perform(output);
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Connect => self.dial(),
            Output::CancelConnect => self.dialling = None,
            Output::Transmit { conn, bytes } => {
                let routes = self.sending_routes;
                if let Some(connection) = self.connections.get_mut(conn) {
                    connection.push(bytes, routes);
                }
            }
            Output::Close { conn } => self.close(conn),
            Output::Up { negotiated, .. } => {
                self.since = Instant::now();
                self.note_established(true);
                info!(peer = %self.neighbour.name, peer_id = %negotiated.peer_id, "session established");
                self.tell(Event::Up {
                    peer: Arc::clone(&self.neighbour.name),
                    negotiated,
                });
            }
            Output::Down(down) => {
                self.since = Instant::now();
                self.note_established(false);
                self.ended = Some(down.reason.clone());
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
        let mut guard = self.neighbour.guard.clone();
        self.dialling = Some(Box::pin(async move {
            let decided = guard.wait_for(|guard| *guard != Guard::Pending).await;
            // Whoever is removed dials no more.
            if !decided.is_ok_and(|guard| *guard == Guard::Open) {
                return Err(DialError::NoKey);
            }
            dial.connect().await
        }));
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.remove(conn) {
            self.neighbour
                .farewells
                .add(self.neighbour.peer, connection);
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

/// Waits for the dialling that is under way; for ever if there is none.
async fn finished(dialling: &mut Option<Dialling>) -> Result<TcpStream, DialError> {
    match dialling {
        Some(dialling) => dialling.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
