//! The task of one neighbour: drives its [`Session`] with real connections and real time.
//!
//! Input: its connections, commands of the owner, UPDATEs from the table. Output: octets to its connections, routes to the table,
//! events to subscribers. When the table is full, the task stops reading, which reaches the peer through TCP, but keeps sending
//! KEEPALIVEs.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::rib::{Input, KeepStale};
use bgp_core::session::{ConnId, Direction, DownReason, Output, Session, State, Stop};
use bgp_core::speaker::{NeighbourConfig, SessionAdapter};
use bgp_core::types::{Family, PeerId, PerFamily};
use bgp_core::wire::{Message, RefreshKind, RouteRefresh};
use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tracing::debug;

use crate::acceptor::Guard;
use crate::command::{NeighbourCommand, NeighbourStatus};
use crate::connect::{Dial, DialError, words};
use crate::connection::{Connections, Ready, TcpConnection};
use crate::dialling::Dialling;
use crate::exchange::{Exchange, Exchanged};
use crate::farewell::Farewells;
use crate::handover::{Frozen, HandingOver, Quiet, QuietSession, Taken, stream};
use crate::meter::Meter;
use crate::namespace::Namespace;
use crate::opaque::Outlet;
use crate::path_rule::PathRule;
use crate::reporter::Reporter;
use crate::sockopt;
use crate::table::{self, ToNeighbour};
use crate::tap::{Flow, take_message};
use crate::timer::{LazyTimer, now};

/// A connection that the peer opened, and the octets received on it.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) stream: TcpStream,
    pub(super) octets: BytesMut,
}

/// One neighbour.
pub(super) struct Neighbour {
    pub(super) peer: PeerId,
    pub(super) config: NeighbourConfig,
    pub(super) dial: Dial,
    /// The task ends when the peer is gone.
    pub(super) is_dynamic: bool,
    /// First connection of a dynamic peer.
    pub(super) first: Option<Arrival>,
    pub(super) commands: mpsc::Receiver<NeighbourCommand>,
    /// Connections that the peer opened.
    pub(super) accepted: mpsc::Receiver<TcpStream>,
    /// Whether connections are allowed; dialling waits until that is known.
    pub(super) guard: watch::Receiver<Guard>,
    pub(super) table: table::Sender,
    pub(super) reporter: Reporter,
    /// Takes over connections that are being closed.
    pub(super) farewells: Farewells,
    pub(super) namespace: Option<Namespace>,
    /// Receives routes of families that are not routed here.
    pub(super) opaque: Option<Outlet>,
    /// Where the counters of the session are read.
    pub(super) meter: Meter,
    /// What the watch over the path to the peer means to the session.
    pub(super) path: PathRule,
}

struct Running {
    neighbour: Neighbour,
    session: Session,
    link: SessionAdapter,
    connections: Connections,
    next_connection: u64,
    dialling: Dialling,
    exchange: Exchange,
    /// Each UPDATE postpones the next KEEPALIVE.
    timer: LazyTimer,
    /// When the session last came up or went down.
    since: Instant,
    /// The octets being transmitted came from the table.
    sending_routes: bool,
    /// Set when the task is to end; answered when it has ended.
    removed: Option<oneshot::Sender<Option<DownReason>>>,
    /// How the session last ended.
    ended: Option<DownReason>,
    /// When a dynamic peer without a connection is removed.
    stays_until: Option<Instant>,
    handing_over: HandingOver,
    seed: u64,
}

/// What woke the task.
enum Wake {
    NeighbourCommand(Option<NeighbourCommand>),
    Accepted(TcpStream),
    Dialled(Result<TcpStream, DialError>),
    Exchange(Exchanged),
    OwnerHasRoom(OwnedSemaphorePermit),
    Connection(ConnId, io::Result<Ready>),
    Path,
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
    fn new(mut neighbour: Neighbour, seed: u64) -> Self {
        let mut session = Session::new(Arc::clone(&neighbour.config.session), seed);
        neighbour.path.start(&mut session);
        Self {
            session,
            link: SessionAdapter::new(neighbour.peer),
            exchange: Exchange::new(neighbour.peer, neighbour.table.clone()),
            neighbour,
            connections: Connections::default(),
            next_connection: 0,
            dialling: Dialling::default(),
            timer: LazyTimer::default(),
            since: now(),
            sending_routes: false,
            removed: None,
            ended: None,
            stays_until: None,
            handing_over: HandingOver::default(),
            seed,
        }
    }

    async fn run(&mut self) {
        if let Some(Arrival { stream, octets }) = self.neighbour.first.take() {
            self.stays_until = Some(now());
            self.connected(stream, octets, Direction::Incoming);
        }
        self.drain();
        self.count();
        while self.removed.is_none() && !self.is_gone() {
            let wake = self.wait().await;
            if let Wake::NeighbourCommand(Some(command)) = &wake {
                self.neighbour.path.announce(command, &self.session).await;
            }
            self.handle(wake);
            self.drain();
            self.count();
            self.answer_when_idle();
            if let Some(thawed) = self.handing_over.thawed.take() {
                thawed.await.ok();
            }
            if self.exchange.gave_much() {
                tokio::task::yield_now().await;
            }
        }
        self.exchange.end().await;
        if let Some(done) = self.removed.take() {
            // The caller may be gone.
            done.send(self.ended.take()).ok();
        }
    }

    fn count(&self) {
        let (unreported, bfd) = (self.exchange.unreported(), self.neighbour.path.status());
        let meter = &self.neighbour.meter;
        meter.write(&self.session, self.since, unreported, bfd);
    }

    /// When a dynamic peer without a connection is removed.
    fn goes_at(&self) -> Option<Instant> {
        self.stays_until.filter(|_| self.connections.is_empty())
    }

    fn is_gone(&self) -> bool {
        self.goes_at().is_some_and(|at| at <= now())
    }

    /// Keeps a dynamic peer at least for this time.
    fn stay(&mut self, time: Duration) {
        let until = now().checked_add(time);
        if self.stays_until.is_some() {
            self.stays_until = self.stays_until.max(until);
        }
    }

    fn reading(&self) -> bool {
        let opaque = self.neighbour.opaque.as_ref();
        !self.exchange.is_full()
            && !opaque.is_some_and(Outlet::is_full)
            && !self.handing_over.is_hushed
    }

    async fn wait(&mut self) -> Wake {
        let deadline = self.session.poll_timeout().map(|(at, _)| at);
        let deadline = deadline.into_iter().chain(self.goes_at()).min();
        let reading = self.reading();
        self.session.set_reading(now(), reading);
        let is_up = self.session.state() == State::Established;
        tokio::select! {
            command = self.neighbour.commands.recv() => Wake::NeighbourCommand(command),
            Some(stream) = self.neighbour.accepted.recv() => Wake::Accepted(stream),
            dialled = self.dialling.finished() => Wake::Dialled(dialled),
            exchanged = self.exchange.ready(is_up) => Wake::Exchange(exchanged),
            room = room(self.neighbour.opaque.as_ref()) => Wake::OwnerHasRoom(room),
            () = self.neighbour.path.changed() => Wake::Path,
            (id, ready) = self.connections.ready(reading) => Wake::Connection(id, ready),
            () = self.timer.sleep_until(deadline) => Wake::Deadline,
        }
    }

    fn handle(&mut self, wake: Wake) {
        match wake {
            Wake::NeighbourCommand(command) => self.command(command.unwrap_or_else(|| {
                NeighbourCommand::Remove(Stop::Shutdown(None), oneshot::channel().0)
            })),
            Wake::Accepted(stream) => {
                self.connected(stream, BytesMut::new(), Direction::Incoming);
            }
            Wake::Dialled(Ok(stream)) => {
                self.connected(stream, BytesMut::new(), Direction::Outgoing);
            }
            Wake::Dialled(Err(error)) => {
                debug!(peer = %self.neighbour.reporter.name, %error, "cannot connect");
                self.session
                    .handle_connect_failed(now(), &error.to_string());
            }
            Wake::Exchange(Exchanged::Received(pieces)) => self.send(pieces),
            // Used at once: a returned permit would go to the next waiter, which might do the same.
            Wake::Exchange(Exchanged::Room(room)) => self.exchange.give(room),
            Wake::OwnerHasRoom(room) => {
                if let Some(opaque) = &mut self.neighbour.opaque {
                    opaque.go_on(room);
                }
            }
            Wake::Connection(id, ready) => {
                // Earlier connections come first: whether one means that the peer has restarted depends on whether the session
                // was up.
                while let Ok(stream) = self.neighbour.accepted.try_recv() {
                    self.connected(stream, BytesMut::new(), Direction::Incoming);
                }
                self.connection_ready(id, ready);
            }
            Wake::Path => self.neighbour.path.apply(&mut self.session),
            Wake::Deadline => self.deadline(),
        }
    }

    fn command(&mut self, command: NeighbourCommand) {
        let now = now();
        match command {
            NeighbourCommand::Stop(why) => self.neighbour.path.stop(&mut self.session, why),
            NeighbourCommand::Start => self.neighbour.path.start(&mut self.session),
            NeighbourCommand::Bfd(spec) => {
                self.neighbour.path.configure(&mut self.session, spec);
            }
            NeighbourCommand::RequestRefresh => self.request_refresh(now),
            NeighbourCommand::Status(reply) => {
                // The caller may be gone.
                reply.send(self.status()).ok();
            }
            NeighbourCommand::Hush(reply) => self.handing_over.hush(reply),
            NeighbourCommand::GoOn => self.handing_over = HandingOver::default(),
            NeighbourCommand::Freeze(reply, thawed) => {
                reply.send(self.freeze()).ok();
                self.handing_over.thawed = Some(thawed);
            }
            NeighbourCommand::TakeOver(session, reply) => {
                self.take_over(*session);
                self.handing_over.taken = Some(reply);
            }
            NeighbourCommand::Remove(why, done) => {
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
            local_address: connection.map(TcpConnection::local_address),
            unreported_octets: self.exchange.unreported(),
            bfd: self.neighbour.path.status(),
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
        let routed = Family::ALL.into_iter();
        let routed = routed.filter(|family| negotiated.context.families[*family]);
        let routed = routed.map(Family::afi_safi);
        for family in routed.chain(negotiated.opaque_families.iter().copied()) {
            let kind = RefreshKind::REQUEST;
            let refresh = RouteRefresh { family, kind };
            Message::RouteRefresh(refresh).encode(&negotiated.context, &mut octets);
        }
        self.session.send(now, octets.freeze());
    }

    fn connected(&mut self, stream: TcpStream, octets: BytesMut, direction: Direction) {
        let id = ConnId(self.next_connection);
        self.next_connection += 1;
        let mut connection = match TcpConnection::new(id, stream) {
            Ok(connection) => connection,
            Err(error) => {
                debug!(peer = %self.neighbour.reporter.name, %error, "connection was gone at once");
                if direction == Direction::Outgoing {
                    self.session.handle_connect_failed(now(), &words(&error));
                }
                return;
            }
        };
        let local = connection.local_address();
        debug!(peer = %self.neighbour.reporter.name, ?direction, %local, "connected");
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
                ToNeighbour::Unusable(prefix, why) => self.neighbour.reporter.unusable(prefix, why),
                ToNeighbour::Report => self.exchange.ask_report(self.connections.has_output()),
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
        match self.neighbour.reporter.sees_messages() {
            true => self.handle_each_message(id),
            false => self.handle_bytes(id),
        }
    }

    fn handle_bytes(&mut self, id: ConnId) {
        if let Some(connection) = self.connections.get_mut(id) {
            self.session.handle_bytes(now(), id, &mut connection.input);
        }
    }

    /// One by one, so that a subscriber sees the effects of each message.
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

    fn show(&mut self, id: ConnId, flow: Flow, messages: &[u8]) {
        if let Some(connection) = self.connections.get(id) {
            self.neighbour
                .reporter
                .messages(&self.session, connection, flow, messages);
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
                self.exchange.note_written(written.route_octets, pending);
            }
            Err(error) => self.lost(id, Some(&error)),
        }
    }

    fn lost(&mut self, id: ConnId, error: Option<&io::Error>) {
        self.connections.remove(id);
        let text = error.map(words);
        self.session.handle_closed(now(), id, text.as_deref());
        self.link.closed(id);
    }

    fn deadline(&mut self) {
        // Octets that have already arrived count before the hold timer is checked, which is suspended while reading is off.
        if self.reading() {
            for id in self.connections.ids() {
                self.read(id);
                self.drain_session();
            }
        }
        self.session.handle_timeout(now());
    }

    /// Carries out the session's outputs and writes; if a write fails, carries out the resulting outputs.
    fn drain(&mut self) {
        self.drain_session();
        let waiting = self.connections.with_output();
        if !waiting.is_empty() {
            waiting.into_iter().for_each(|id| self.write(id));
            self.drain_session();
        }
        self.exchange.offer();
    }

    fn drain_session(&mut self) {
        while let Some(output) = self.session.poll_output() {
            if let Some(opaque) = &mut self.neighbour.opaque {
                opaque.see(&output);
            }
            let (input, output) = self.link.split(&self.neighbour.config, output);
            if let Some(input) = input {
                match &input {
                    Input::Up { .. } => self.exchange.renew_outbox(),
                    Input::Down { keep_stale, .. } => self.stay(longest(keep_stale)),
                    _ => {}
                }
                self.exchange.tell(input);
            }
            if let Some(output) = output {
                self.perform(output);
            }
        }
        self.neighbour.reporter.state(&self.session);
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Connect => {
                let Neighbour {
                    dial,
                    namespace,
                    guard,
                    ..
                } = &self.neighbour;
                self.dialling.begin(dial, namespace.as_ref(), guard);
            }
            Output::CancelConnect => self.dialling.cancel(),
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
                self.neighbour.reporter.up(negotiated);
            }
            Output::Down(down) => {
                self.since = now();
                self.neighbour.path.ended();
                self.ended = Some(down.reason.clone());
                self.neighbour.reporter.down(down.reason);
            }
            Output::Refused(reason) => self.neighbour.reporter.refused(&reason),
            // Output for the table or the owner.
            _ => {}
        }
    }

    fn close(&mut self, conn: ConnId) {
        if let Some(connection) = self.connections.remove(conn) {
            self.neighbour.farewells.add(connection);
        }
    }
}

/// Handing the session over to another process, and continuing one.
impl Running {
    /// Answers those who wait until nothing is on the way to the table.
    fn answer_when_idle(&mut self) {
        if !self.exchange.is_idle() {
            return;
        }
        // Whoever asked may have gone.
        if let Some(taken) = self.handing_over.taken.take() {
            taken.send(()).ok();
        }
        if let Some(hushed) = self.handing_over.hushed.take() {
            hushed.send(self.quiet()).ok();
        }
    }

    fn established(&self) -> Option<ConnId> {
        let status = self.session.status();
        let mut connections = status.connections.iter();
        let up = connections.find(|connection| connection.state == State::Established)?;
        Some(up.id)
    }

    fn quiet(&self) -> Quiet {
        let session = self.session.hand_over(now()).and_then(|session| {
            let connection = self.connections.get(self.established()?)?;
            Some(QuietSession {
                session,
                local: connection.local_address(),
                md5: self.neighbour.dial.md5.clone(),
            })
        });
        let opaque = &self.neighbour.config.session.opaque_families;
        let has_opaque = !opaque.is_empty();
        let obstacle = has_opaque.then_some("it has families that are not routed here");
        Quiet { session, obstacle }
    }

    /// The state from which another process can go on; `None` if the session is not up.
    fn freeze(&mut self) -> Option<Frozen> {
        let pieces = self.exchange.take_all();
        self.send(pieces);
        self.drain_session();
        let session = self.session.hand_over(now())?;
        let connection = self.connections.get(self.established()?)?;
        Some(Frozen {
            session,
            input: connection.input.to_vec(),
            output: connection.output(),
            // Without descriptors, nothing is handed over.
            socket: connection.socket().ok()?,
        })
    }

    /// Continues a session of another process; the RIB already has it.
    fn take_over(&mut self, taken: Taken) {
        let Taken {
            session,
            local,
            input,
            output,
            socket,
        } = taken;
        let (now, config) = (now(), Arc::clone(&self.neighbour.config.session));
        self.stays_until = self.neighbour.is_dynamic.then_some(now);
        let conn = ConnId(self.next_connection);
        let negotiated = session.negotiated(&config);
        let continued = Session::take_over(config, self.seed, now, conn, &session);
        let (Ok(negotiated), Ok(continued)) = (negotiated, continued) else {
            // The settings were compared before.
            return;
        };
        self.next_connection += 1;
        self.dialling.cancel();
        self.session = continued;
        self.since = now.checked_sub(session.up).unwrap_or(now);
        self.link.connected(conn, local);
        let up = Output::Up {
            conn,
            negotiated: Arc::clone(&negotiated),
        };
        // The RIB knows.
        self.link.split(&self.neighbour.config, up);
        self.exchange.renew_outbox();
        self.neighbour.reporter.taken_over(negotiated);
        match stream(socket).and_then(|stream| TcpConnection::new(conn, stream)) {
            Ok(mut connection) => {
                self.secure(&connection);
                connection.input = input;
                if !output.is_empty() {
                    connection.push(output, false);
                }
                self.connections.add(connection);
                self.handle_input(conn);
            }
            Err(error) => {
                debug!(peer = %self.neighbour.reporter.name, %error, "the connection was gone at once");
                self.session.handle_closed(now, conn, Some(&words(&error)));
                self.drain_session();
                self.link.closed(conn);
            }
        }
    }

    /// The settings of this process apply to the socket; usually it has them already. With another key, the session would not have
    /// been taken over.
    fn secure(&self, connection: &TcpConnection) {
        let set = sockopt::set_ttl(connection.stream(), self.neighbour.dial.ttl);
        if let Err(error) = set {
            debug!(peer = %self.neighbour.reporter.name, %error, "the options of the socket stay as they are");
        }
    }
}

/// How long routes of an ended session are kept.
fn longest(keep_stale: &PerFamily<Option<KeepStale>>) -> Duration {
    let kept = [keep_stale.ipv4, keep_stale.ipv6].into_iter().flatten();
    let times = kept.map(|keep| keep.restart_time.saturating_add(keep.long_lived));
    times.max().unwrap_or_default()
}

/// Waits until the owner has room for opaque events; forever if none is waiting.
async fn room(opaque: Option<&Outlet>) -> OwnedSemaphorePermit {
    match opaque {
        Some(opaque) => opaque.room().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
