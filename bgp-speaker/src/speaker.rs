//! The handle on a running speaker: peers, routes, events and queries.
//!
//! The tasks of the speaker do the work. Dropping the last handle ends them; [`Speaker::shutdown`] ends them in good order.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bgp_core::rib::{Input, OpaqueError, Rib};
use bgp_core::session::Stop;
use bgp_core::types::{Family, PeerId};
use bgp_core::wire::{Attributes, OpaqueRoutes, RefreshKind};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::warn;

use crate::acceptor::{self, Acceptor, AcceptorCommand};
use crate::alarms::Alarms;
use crate::bfd::Bfd;
use crate::command::{NeighbourCommand, NeighbourStatus};
use crate::config::SpeakerConfig;
use crate::connection::canonical;
use crate::desired::{ApplyStep, Desired, Done, Report};
use crate::dynamic::{self, DynamicPeers, PeersByName};
use crate::environment::Environment;
use crate::error::SpeakerError;
use crate::event::{Ended, Event, ForwardingSink};
use crate::farewell::Farewells;
use crate::inquirer::{ANSWER, Inquirer};
use crate::listener::Incoming;
use crate::meter::SessionMeter;
use crate::namespace::Namespace;
use crate::opaque::Sending;
use crate::peers::Peers;
use crate::random::random;
use crate::routes::Routes;
use crate::shutdown::{Partings, Shutdown};
use crate::spec::PeerSpec;
use crate::starter::{Peer, Starter};
use crate::table::{Table, TableInput};
use crate::tasks::{Failure, Tasks};
use crate::timer::now;
use crate::turned_away;

/// Events kept for a slow receiver; beyond this number, it misses the oldest and is notified.
const EVENTS: usize = 1024;
/// Limit of the time in which sessions end.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// A running speaker. Clones are handles on the same one. When the last handle is dropped, the speaker ends as in a crash:
/// sessions are closed without a NOTIFICATION, and peers with graceful restart keep the routes (RFC 4724 §4.2).
#[derive(Clone)]
pub struct Speaker(Arc<Shared>);

impl fmt::Debug for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Speaker")
            .field("config", &self.0.config)
            .finish_non_exhaustive()
    }
}

struct Shared {
    /// Dropped first: what ends with the peers ends on purpose.
    tasks: ClosedOnDrop,
    config: SpeakerConfig,
    /// The desired state. Locked during a change, so that changes are serialized.
    desired: tokio::sync::Mutex<Desired>,
    peers: Peers,
    alarms: Alarms,
    turned_away: turned_away::Register,
}

/// The end of a dropped speaker is expected.
struct ClosedOnDrop(Tasks, dynamic::Registry);

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.0.close();
        self.1.close();
    }
}

impl Speaker {
    /// Starts the tasks, without peers or listening sockets.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(config: SpeakerConfig, forwarding: Option<ForwardingSink>) -> Self {
        let environment = Environment::default();
        Self::start_in(
            config,
            Environment {
                forwarding,
                ..environment
            },
        )
    }

    /// Starts a speaker in an environment.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start_in(config: SpeakerConfig, environment: Environment) -> Self {
        let Environment {
            forwarding,
            subscriber,
            namespace,
            opaque,
            taking_over,
        } = environment;
        let (tasks, alarms) = (Tasks::default(), Alarms::default());
        let mut rib = Rib::new(config.rib.clone(), now(), random());
        if taking_over {
            rib.hold(now());
        }
        let (running, table) = Table::new(rib, forwarding, subscriber.clone());
        tasks.service("table", running.run());
        let (acceptor, commands) = mpsc::channel(acceptor::COMMANDS);
        let turned_away = turned_away::Register::default();
        let accepting = Acceptor::new(
            alarms.clone(),
            turned_away.clone(),
            namespace.clone(),
            taking_over,
        );
        tasks.service("acceptor", accepting.run(commands));
        let desired = Desired {
            cluster_id: config.rib.cluster_id,
            ..Desired::default()
        };
        let bfd = Bfd::new(tasks.clone(), namespace.clone(), alarms.clone());
        if taking_over {
            bfd.hold();
        }
        let starter = Starter {
            table,
            bfd,
            events: broadcast::Sender::new(EVENTS),
            established: Arc::new(watch::Sender::default()),
            acceptor,
            farewells: Farewells::new(tasks.clone()),
            subscriber,
            tasks: tasks.clone(),
            namespace,
            opaque,
            seed: random(),
        };
        let peers = Peers::new(starter, config.clone());
        Self(Arc::new(Shared {
            config,
            desired: tokio::sync::Mutex::new(desired),
            tasks: ClosedOnDrop(tasks, peers.dynamic.clone()),
            peers,
            alarms,
            turned_away,
        }))
    }

    /// Whether both are handles on the same speaker.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The settings that the speaker was started with.
    pub fn config(&self) -> &SpeakerConfig {
        &self.0.config
    }

    /// Listens on exactly these addresses. Returns them with the ports that the system chose for port 0, and without addresses of
    /// a family that the system does not support. Existing sockets for these addresses stay.
    ///
    /// # Errors
    ///
    /// The first address that cannot be listened on; all others are. Each failure is logged once, and the call can be repeated.
    pub async fn listen(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, SpeakerError> {
        let (reply, answer) = oneshot::channel();
        self.tell_acceptor(AcceptorCommand::Listen(addresses, reply))
            .await?;
        Ok(answer.await.map_err(|_| Ended)??)
    }

    /// Listens on a socket of the owner, in addition to [`Speaker::listen`], until the speaker ends. Returns its address.
    ///
    /// Connections accepted by the kernel before this call have no TCP MD5 signatures; those from a peer with a password are
    /// refused.
    ///
    /// # Errors
    ///
    /// The socket also accepts IPv4 on an IPv6 address (each family needs a socket of its own), the system refuses its options,
    /// or the speaker has ended.
    pub async fn listen_on(
        &self,
        socket: std::net::TcpListener,
    ) -> Result<SocketAddr, SpeakerError> {
        let (reply, answer) = oneshot::channel();
        self.tell_acceptor(AcceptorCommand::ListenOn(socket, reply))
            .await?;
        Ok(answer.await.map_err(|_| Ended)??)
    }

    /// Accepts unconfigured peers from exactly these ranges from now on. Existing dynamic peers stay until their sessions end.
    ///
    /// A dynamic peer appears everywhere, under the name that the owner chose or that is derived from its address, until its
    /// session has ended; if its routes are kept (RFC 4724, RFC 9494), until that time is over. A configured peer with the name
    /// or address of a dynamic one replaces it.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn accept_dynamic_peers(&self, peers: DynamicPeers) -> Result<(), Ended> {
        let ranges = peers.securities();
        self.0.peers.dynamic.configure(Arc::new(peers));
        let registry = self.0.peers.dynamic.clone();
        let unknown_peers = Box::new(move |incoming, range| registry.receive(incoming, range));
        self.tell_acceptor(AcceptorCommand::Ranges(ranges, unknown_peers))
            .await
    }

    /// Asks the function of the last [`Speaker::accept_dynamic_peers`] about each dynamic peer again, as if the peer came now. A
    /// peer outside the ranges, or not accepted under its name, is removed. New settings apply as with [`Speaker::apply`]: a
    /// session ends only for those that require it, and the peer may come back.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn review_dynamic_peers(&self) -> Result<(), Ended> {
        let verdict = self.0.peers.dynamic.review();
        let peers = verdict.changed;
        let bfd = peers
            .iter()
            .map(|(name, spec)| (Arc::clone(name), spec.bfd));
        self.take(ApplyStep::AtOnce {
            inputs: Vec::new(),
            bfd: bfd.collect(),
            peers,
        })
        .await?;
        for (name, why) in verdict.ended {
            self.0.peers.stop(&name, why).await;
        }
        Ok(())
    }

    /// Follows the dynamic peers, by name: from the acceptance of a peer until it is gone.
    pub fn dynamic_peers(&self) -> watch::Receiver<PeersByName> {
        self.0.peers.dynamic.follow()
    }

    /// Peers of these names, dynamic ones or configured ones that are added later, are told when they first come that this speaker
    /// has just restarted with preserved forwarding state (RFC 4724 §4.1). The last call counts.
    pub fn expect_peers(&self, names: BTreeSet<Arc<str>>) {
        self.0.peers.dynamic.expect(names);
    }

    /// Takes a connection that the owner dialled or accepted, for the peer with the address of the other end: a configured peer,
    /// a dynamic one or, after [`Speaker::accept_dynamic_peers`], a new candidate, even outside all ranges.
    ///
    /// The connection counts as opened by the peer, and gets the peer's TTL and TCP MD5 password. It is closed without a
    /// NOTIFICATION if there is no such peer, or if the peer connects too often. A connection that is already gone has no effect.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    ///
    /// # Example
    ///
    /// A speaker with a listener of the owner:
    ///
    /// ```no_run
    /// # async fn serve(speaker: bgp_speaker::Speaker) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = tokio::net::TcpListener::bind("[::1]:1790").await?;
    /// loop {
    ///     let (stream, _peer) = listener.accept().await?;
    ///     speaker.handle_stream(stream).await?;
    /// }
    /// # }
    /// ```
    pub async fn handle_stream(&self, stream: TcpStream) -> Result<(), Ended> {
        let (Ok(peer), Ok(local)) = (stream.peer_addr(), stream.local_addr()) else {
            return Ok(());
        };
        let incoming = Incoming {
            stream,
            peer: canonical(peer),
            local: canonical(local),
        };
        self.tell_acceptor(AcceptorCommand::Stream(incoming)).await
    }

    pub(crate) async fn tell_acceptor(&self, command: AcceptorCommand) -> Result<(), Ended> {
        self.0
            .peers
            .starter
            .acceptor
            .send(command)
            .await
            .map_err(|_| Ended)
    }

    /// Waits until the speaker ends because one of its tasks did. By then its sessions are closed without a NOTIFICATION: peers
    /// with graceful restart keep the routes (RFC 4724 §4.2).
    pub fn closed(&self) -> impl Future<Output = Failure> + Send + use<> {
        let tasks = self.0.tasks.0.clone();
        async move { tasks.failed().await }
    }

    /// The tasks of the speaker.
    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks.0
    }

    /// The network namespace of the sockets; `None` is that of the runtime's threads.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.0.peers.starter.namespace.as_ref()
    }

    /// The active alarms.
    pub fn alarms(&self) -> &Alarms {
        &self.0.alarms
    }

    /// Subscribes to events of sessions from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.peers.starter.events.subscribe()
    }

    /// Watches the names of the peers whose sessions are up. A slow receiver only sees the latest state.
    pub fn established(&self) -> watch::Receiver<BTreeSet<Arc<str>>> {
        self.0.peers.starter.established.subscribe()
    }

    /// Whether peers added from now on are told that this speaker has just restarted with preserved forwarding state (RFC 4724
    /// §4.1), until their session first comes up.
    pub fn set_restarting(&self, restarting: bool) {
        self.0.peers.set_restarting(restarting);
    }

    /// Configured peers of these names come up after BFD when they start next, if BFD comes up within 3 s: those whose sessions
    /// with an earlier process BFD watched. BFD ended with that process, and a peer that has not noticed yet would otherwise take
    /// our first packet for the failure of a session that is up again. The last call counts; no effect on a peer without BFD.
    pub fn set_bfd_first(&self, names: BTreeSet<Arc<str>>) {
        self.0.peers.set_bfd_first(names);
    }

    /// Applies a desired state: many peers and routes in one change. Routes, and settings that do not affect sessions, change at
    /// once: no peer sees an intermediate state. After that, sessions end and start.
    ///
    /// # Errors
    ///
    /// Some values are unusable, and nothing changes; or the speaker has ended.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, some of the steps are done. The next call does the rest.
    pub async fn apply(&self, desired: Desired) -> Result<Report, SpeakerError> {
        let mut current = self.0.desired.lock().await;
        desired
            .validate_after(&current, &self.0.config)
            .map_err(SpeakerError::Config)?;
        let (report, mut steps) = current.change_to(&desired);
        let last = steps.pop();
        for step in steps {
            let done = Done::of(&step);
            self.take(step).await?;
            // If the caller stops waiting, the completed steps are recorded.
            current.note(done, &desired);
        }
        if let Some(last) = last {
            self.take(last).await?;
        }
        *current = desired;
        Ok(report)
    }

    /// The effect that [`Speaker::apply`] would have.
    ///
    /// # Errors
    ///
    /// Some values are unusable.
    pub async fn compare(&self, desired: &Desired) -> Result<Report, SpeakerError> {
        desired
            .validate(&self.0.config)
            .map_err(SpeakerError::Config)?;
        Ok(self.0.desired.lock().await.compare(desired))
    }

    /// The current desired state.
    pub async fn desired(&self) -> Desired {
        self.0.desired.lock().await.clone()
    }

    /// Adds a peer and starts its session, or changes a peer as [`Speaker::apply`] does.
    ///
    /// # Errors
    ///
    /// A value is unusable, or the speaker has ended.
    pub async fn configure_peer(
        &self,
        name: &str,
        spec: impl Into<Arc<PeerSpec>>,
    ) -> Result<(), SpeakerError> {
        let (name, spec): (Arc<str>, Arc<PeerSpec>) = (name.into(), spec.into());
        let mut current = self.0.desired.lock().await;
        current
            .validate_peer(&name, &spec, &self.0.config)
            .map_err(|error| SpeakerError::Config(vec![error]))?;
        if let Some(step) = current.step_for(&name, &spec) {
            self.take(step).await?;
        }
        current.peers.insert(name, spec);
        Ok(())
    }

    async fn take(&self, step: ApplyStep) -> Result<(), Ended> {
        match step {
            ApplyStep::AtOnce {
                mut inputs,
                peers,
                bfd,
            } => {
                for (name, bfd) in bfd {
                    self.command(&name, NeighbourCommand::Bfd(bfd)).await;
                }
                // The remaining settings concern the table alone.
                for (name, spec) in peers {
                    if let Some(Peer { id: peer, .. }) = self.0.peers.get(&name) {
                        let config = Arc::new(spec.routes(&self.0.config));
                        inputs.push(Input::Configure { peer, config });
                    }
                }
                self.routes().tell(inputs).await
            }
            ApplyStep::Remove(name) => {
                self.0.peers.stop(&name, Stop::Deconfigured).await;
                Ok(())
            }
            ApplyStep::Start(name, spec) => {
                self.0.peers.stop(&name, Stop::ConfigChange).await;
                self.0
                    .peers
                    .start(name, spec.settings(&self.0.config))
                    .await
            }
        }
    }

    /// Ends a session with a Cease, and removes the peer and its routes; no effect if there is no peer of that name.
    pub async fn remove_peer(&self, name: &str) {
        let mut desired = self.0.desired.lock().await;
        desired.peers.remove(name);
        self.0.peers.stop(name, Stop::Deconfigured).await;
    }

    /// Stops a session and keeps it down until [`Speaker::enable_peer`], or restarts it if the reason says so.
    pub async fn disable_peer(&self, name: &str, why: Stop) {
        self.command(name, NeighbourCommand::Stop(why)).await;
    }

    /// Starts a stopped session.
    pub async fn enable_peer(&self, name: &str) {
        self.command(name, NeighbourCommand::Start).await;
    }

    /// Asks a peer for its routes again (RFC 2918).
    pub async fn request_refresh(&self, name: &str) {
        self.command(name, NeighbourCommand::RequestRefresh).await;
    }

    async fn command(&self, name: &str, command: NeighbourCommand) {
        if let Some(peer) = self.0.peers.get(name) {
            // A task that has ended takes no commands and needs none.
            peer.commands.send(command).await.ok();
        }
    }

    /// Names of the peers, in ascending order.
    pub fn peer_names(&self) -> Vec<Arc<str>> {
        self.0.peers.all().into_keys().collect()
    }

    /// The peer's number in the RIB.
    pub fn peer_id(&self, name: &str) -> Option<PeerId> {
        self.0.peers.get(name).map(|peer| peer.id)
    }

    /// Sends all routes to a peer again, as if it had requested them.
    pub async fn send_again(&self, name: &str) {
        if let Some(peer) = self.peer_id(name) {
            let kind = RefreshKind::REQUEST;
            let inputs = Family::ALL.map(|family| Input::Refresh { peer, family, kind });
            // A speaker that has ended sends nothing.
            self.routes().tell(inputs.into()).await.ok();
        }
    }

    /// Evaluates the routes from and to a peer again, because a [`Hook`](bgp_core::policy::Hook) in its policies has new answers.
    /// No effect if there is no peer of that name. Returns before the work, which is done in slices, is finished.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn reevaluate(&self, name: &str) -> Result<(), Ended> {
        match self.peer_id(name) {
            Some(peer) => self.tell_table(Input::Reevaluate(peer)).await,
            None => Ok(()),
        }
    }

    /// Sends a peer routes of a family that is not routed here, once it has taken enough of the octets in flight; `attributes`
    /// only apply to announced routes. Sent routes are not stored. See [`opaque`](crate::opaque).
    ///
    /// # Errors
    ///
    /// There is no session with such a peer, or the family was not negotiated; the attributes and routes do not fit into one
    /// message; or the speaker has ended or is ending.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the routes may or may not have been sent.
    pub async fn send_opaque(
        &self,
        name: &str,
        attributes: &Attributes,
        routes: OpaqueRoutes<'_>,
    ) -> Result<(), SpeakerError> {
        let peer = self.peer_id(name).ok_or(OpaqueError::NotNegotiated)?;
        let (reply, answer) = oneshot::channel();
        let sending = Box::new(Sending {
            peer,
            attributes: attributes.clone(),
            routes: routes.into(),
            reply,
        });
        self.0
            .peers
            .starter
            .table
            .send([TableInput::Opaque(sending)])
            .await?;
        Ok(answer.await.map_err(|_| Ended)??)
    }

    /// The status of a peer; `None` if there is no peer of that name, or if it does not answer within five seconds.
    pub async fn status(&self, name: &str) -> Option<NeighbourStatus> {
        let (reply, answer) = oneshot::channel();
        let status = async {
            self.command(name, NeighbourCommand::Status(reply)).await;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER, status).await.ok().flatten()
    }

    /// A handle for status questions, which works while the speaker is changed.
    pub fn inquirer(&self) -> Inquirer {
        Inquirer::new(self.0.peers.all(), self.0.turned_away.clone())
    }

    /// The counters of every session, with its name, in no order. This costs much less than [`Inquirer::sessions`], and no session
    /// can delay it.
    pub fn meters(&self) -> Vec<(Arc<str>, SessionMeter)> {
        self.0.peers.meters()
    }

    /// A handle on the routes, to originate and query them.
    pub fn routes(&self) -> Routes {
        Routes::new(self.0.peers.starter.table.clone())
    }

    /// Defers all decisions after a restart, until these peers have sent their routes: names with families, see [`Input::Defer`].
    /// The peers must be added afterwards, or come as dynamic peers; otherwise one could send its routes before it is known to be
    /// awaited.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn defer(
        &self,
        peers: Vec<(Arc<str>, Vec<Family>)>,
        up_within: Duration,
        at_most: Duration,
    ) -> Result<(), Ended> {
        let now = now();
        self.tell_table(Input::Defer {
            expected: self.0.peers.reserve(peers),
            up_by: now + up_within,
            until: now + at_most,
        })
        .await
    }

    /// No change of peers begins as long as the guard lives.
    pub(crate) async fn lock_changes(&self) -> tokio::sync::MutexGuard<'_, Desired> {
        self.0.desired.lock().await
    }

    pub(crate) fn dynamic(&self) -> &dynamic::Registry {
        &self.0.peers.dynamic
    }

    pub(crate) fn all_peers(&self) -> Vec<(Arc<str>, Peer)> {
        self.0.peers.all().into_iter().collect()
    }

    pub(crate) fn peer_of(&self, name: &str) -> Option<Peer> {
        self.0.peers.get(name)
    }

    pub(crate) fn farewells(&self) -> &Farewells {
        &self.0.peers.starter.farewells
    }

    pub(crate) fn bfd(&self) -> &Bfd {
        &self.0.peers.starter.bfd
    }

    pub(crate) async fn tell_table_directly(&self, input: TableInput) -> Result<(), Ended> {
        self.0.peers.starter.table.send([input]).await
    }

    async fn tell_table(&self, input: Input) -> Result<(), Ended> {
        self.routes().tell(vec![input]).await
    }

    /// Stops advertising and forwarding changes from now on: all sessions are about to end, and a peer that keeps our routes must
    /// not lose those that came from other peers.
    pub fn freeze(&self) {
        self.0.peers.starter.table.freeze();
    }

    /// Ends every session and all tasks, within three seconds. Other handles find that the speaker has ended.
    pub async fn shutdown(&self, how: Shutdown) -> Partings {
        let why = Stop::from(how);
        self.shutdown_each(|_| why.clone()).await
    }

    /// As [`Speaker::shutdown`], with a reason for each peer by name.
    pub async fn shutdown_each(&self, why: impl Fn(&str) -> Stop) -> Partings {
        let tasks = &self.0.tasks.0;
        tasks.close();
        self.freeze();
        let mut partings = Partings::default();
        let goodbye = self.0.peers.part(why, &mut partings);
        if tokio::time::timeout(SHUTDOWN, goodbye).await.is_err() {
            warn!("some sessions did not close in time");
        }
        tasks.cancel();
        partings
    }
}
