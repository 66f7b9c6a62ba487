//! The speaker as a library: start it, give it peers and routes, listen to its events, ask it questions.
//!
//! A handle on the tasks that do the work; dropping it ends them, [`Speaker::shutdown`] does so in good order.

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

use crate::acceptor::{self, Acceptor, Order};
use crate::alarms::Alarms;
use crate::command::{Command, NeighbourStatus};
use crate::config::SpeakerConfig;
use crate::connection::canonical;
use crate::desired::{Desired, Done, Report, Step};
use crate::dynamic::{self, DynamicPeers};
use crate::environment::Environment;
use crate::error::SpeakerError;
use crate::event::{Ended, Event, ForwardingSink};
use crate::farewell::Farewells;
use crate::inquirer::{ANSWER, Inquirer};
use crate::listener::Incoming;
use crate::namespace::Namespace;
use crate::opaque::Sending;
use crate::peers::Peers;
use crate::routes::Routes;
use crate::shutdown::{Partings, Shutdown};
use crate::spec::PeerSpec;
use crate::starter::Starter;
use crate::table::{News, Table};
use crate::tasks::{Failure, Tasks};
use crate::timer::now;
use crate::turned_away;

/// Events kept for a slow listener; beyond it, it misses the oldest and is told so.
const EVENTS: usize = 1024;
/// How long sessions may take to say goodbye.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// A running speaker. Clones are handles on the same one; when the last is dropped, the speaker ends as after a crash: sessions are
/// closed without a NOTIFICATION, and peers with graceful restart keep the routes (RFC 4724 §4.2).
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
    config: SpeakerConfig,
    /// What the speaker is told to be. Held during a change, so that changes come one after the other.
    desired: tokio::sync::Mutex<Desired>,
    peers: Peers,
    tasks: ClosedOnDrop,
    alarms: Alarms,
    turned_away: turned_away::Register,
}

/// A speaker that is dropped ends on purpose.
struct ClosedOnDrop(Tasks, dynamic::Registry);

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.0.close();
        self.1.close();
    }
}

impl Speaker {
    /// Starts the tasks; no peers yet, and nothing listens.
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

    /// The same with everything that a speaker can be started in.
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
        } = environment;
        let (tasks, alarms) = (Tasks::default(), Alarms::default());
        let rib = Rib::new(config.rib.clone(), now(), random_seed());
        let (running, table) = Table::new(rib, forwarding, subscriber.clone());
        tasks.service("table", running.run());
        let (acceptor, orders) = mpsc::channel(acceptor::ORDERS);
        let turned_away = turned_away::Register::default();
        let accepting = Acceptor::new(alarms.clone(), turned_away.clone(), namespace.clone());
        tasks.service("acceptor", accepting.run(orders));
        let desired = Desired {
            cluster_id: config.rib.cluster_id,
            ..Desired::default()
        };
        let starter = Starter {
            table,
            events: broadcast::Sender::new(EVENTS),
            established: Arc::new(watch::Sender::default()),
            acceptor,
            farewells: Farewells::new(tasks.clone()),
            subscriber,
            tasks: tasks.clone(),
            namespace,
            opaque,
            seed: random_seed(),
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

    /// Listens on these addresses, and no others; returns them with the ports that the system chose for 0, and without those of
    /// a family that the system does not have. Sockets that listen there already stay as they are.
    ///
    /// # Errors
    ///
    /// The first one that cannot be listened on; all others are. Each is logged when it begins to fail, and may be tried again.
    pub async fn listen(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, SpeakerError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::Listen(addresses, reply)).await?;
        Ok(answer.await.map_err(|_| Ended)??)
    }

    /// Listens on a socket of the owner's, beside the addresses of [`Speaker::listen`], until the speaker ends. Returns its address.
    ///
    /// Connections that were made before have no TCP MD5 signatures; from a peer with a password nothing is taken on those.
    ///
    /// # Errors
    ///
    /// The socket takes IPv4 on an IPv6 address too: each family needs a socket of its own. Or the system refuses its options, or
    /// the speaker has ended.
    pub async fn listen_on(
        &self,
        socket: std::net::TcpListener,
    ) -> Result<SocketAddr, SpeakerError> {
        let (reply, answer) = oneshot::channel();
        self.order(Order::ListenOn(socket, reply)).await?;
        Ok(answer.await.map_err(|_| Ended)??)
    }

    /// Accepts peers that are not configured, from these ranges and no others from now on. Dynamic peers that are there stay until
    /// their sessions end.
    ///
    /// A dynamic peer is in every view of the speaker, under the name that the owner chose or that is made of its address, until its
    /// session has ended; where the peer's routes are kept (RFC 4724, RFC 9494), until the time for that is over. A configured peer
    /// with the name or address of a dynamic one takes its place.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn accept_dynamic_peers(&self, peers: DynamicPeers) -> Result<(), Ended> {
        let ranges = peers.securities();
        self.0.peers.dynamic.configure(Arc::new(peers));
        let registry = self.0.peers.dynamic.clone();
        let strangers = Box::new(move |incoming, range| registry.receive(incoming, range));
        self.order(Order::Ranges(ranges, strangers)).await
    }

    /// Takes a connection that the owner dialled or accepted, for the peer that has the address of the other end: a configured one, a
    /// dynamic one, or, after [`Speaker::accept_dynamic_peers`], one to be asked for, also outside all ranges.
    ///
    /// The connection counts as one that the peer opened, and the peer's TTL and TCP MD5 password are set on it. It is closed without
    /// a word if there is no such peer, or if the peer connects too often. One that is gone already has no effect.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    ///
    /// # Example
    ///
    /// A speaker behind a listener of the owner's:
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
        self.order(Order::Stream(incoming)).await
    }

    async fn order(&self, order: Order) -> Result<(), Ended> {
        self.0
            .peers
            .starter
            .acceptor
            .send(order)
            .await
            .map_err(|_| Ended)
    }

    /// Waits until the speaker has ended because one of its tasks did. Its sessions are closed then, without a NOTIFICATION: peers
    /// with graceful restart keep the routes (RFC 4724 §4.2).
    pub fn closed(&self) -> impl Future<Output = Failure> + Send + use<> {
        let tasks = self.0.tasks.0.clone();
        async move { tasks.failed().await }
    }

    /// The tasks of the speaker.
    pub fn tasks(&self) -> &Tasks {
        &self.0.tasks.0
    }

    /// Where the sockets are made, unless that is where the threads of the runtime are.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.0.peers.starter.namespace.as_ref()
    }

    /// What is wrong at the moment.
    pub fn alarms(&self) -> &Alarms {
        &self.0.alarms
    }

    /// What happens to sessions from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.peers.starter.events.subscribe()
    }

    /// The names of the peers whose sessions are up, as it changes. Whoever is slow misses what came in between.
    pub fn established(&self) -> watch::Receiver<BTreeSet<Arc<str>>> {
        self.0.peers.starter.established.subscribe()
    }

    /// Whether peers that are added from now on are told, until their session first comes up, that this speaker has just
    /// restarted with its forwarding state preserved (RFC 4724 §4.1).
    pub fn set_restarting(&self, restarting: bool) {
        self.0.peers.set_restarting(restarting);
    }

    /// Becomes what the owner wants: many peers and routes in one change. Settings that no session notices, and routes, change at
    /// once: no peer is told of a state that is neither the old nor the new one. After that, sessions end and start.
    ///
    /// # Errors
    ///
    /// There are values that no session can have, and nothing changes; or the speaker has ended.
    ///
    /// # Cancellation
    ///
    /// A call whose future is dropped has done some of its steps. The next call does the rest.
    pub async fn apply(&self, desired: Desired) -> Result<Report, SpeakerError> {
        desired
            .validate(&self.0.config)
            .map_err(SpeakerError::Config)?;
        let mut current = self.0.desired.lock().await;
        let report = current.compare(&desired);
        for step in current.steps_to(&desired) {
            let done = Done::of(&step);
            self.take(step).await?;
            // Whoever gives up waiting finds what was done.
            current.note(done, &desired);
        }
        *current = desired;
        Ok(report)
    }

    /// What [`Speaker::apply`] would do.
    ///
    /// # Errors
    ///
    /// There are values that no session can have.
    pub async fn compare(&self, desired: &Desired) -> Result<Report, SpeakerError> {
        desired
            .validate(&self.0.config)
            .map_err(SpeakerError::Config)?;
        Ok(self.0.desired.lock().await.compare(desired))
    }

    /// What the speaker was last told to be.
    pub async fn desired(&self) -> Desired {
        self.0.desired.lock().await.clone()
    }

    /// Adds a peer and starts its session, or changes one, as [`Speaker::apply`] does.
    ///
    /// # Errors
    ///
    /// There is a value that no session can have, or the speaker has ended.
    pub async fn configure_peer(&self, name: &str, spec: PeerSpec) -> Result<(), SpeakerError> {
        let name: Arc<str> = name.into();
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

    async fn take(&self, step: Step) -> Result<(), Ended> {
        match step {
            Step::AtOnce { mut inputs, peers } => {
                for (name, spec) in peers {
                    // What is left concerns the table alone.
                    let config = Arc::new(spec.routes(&self.0.config));
                    let peer = self.0.peers.get(&name).map(|peer| peer.id);
                    inputs.extend(peer.map(|peer| Input::Configure { peer, config }));
                }
                self.routes().tell(inputs).await
            }
            Step::Remove(name) => {
                self.0.peers.stop(&name, Stop::Deconfigured).await;
                Ok(())
            }
            Step::Start(name, spec) => {
                self.0.peers.stop(&name, Stop::ConfigChange).await;
                self.0
                    .peers
                    .start(name, spec.settings(&self.0.config))
                    .await
            }
        }
    }

    /// Ends a session with Cease and forgets the peer and its routes; nothing if there is none of that name.
    pub async fn remove_peer(&self, name: &str) {
        let mut desired = self.0.desired.lock().await;
        desired.peers.remove(name);
        self.0.peers.stop(name, Stop::Deconfigured).await;
    }

    /// Stops a session and keeps it down until [`Speaker::enable_peer`], or starts it anew if the reason says so.
    pub async fn disable_peer(&self, name: &str, why: Stop) {
        self.command(name, Command::Stop(why)).await;
    }

    /// Starts a session that was stopped.
    pub async fn enable_peer(&self, name: &str) {
        self.command(name, Command::Start).await;
    }

    /// Asks a peer for its routes again (RFC 2918).
    pub async fn request_refresh(&self, name: &str) {
        self.command(name, Command::RequestRefresh).await;
    }

    async fn command(&self, name: &str, command: Command) {
        if let Some(peer) = self.0.peers.get(name) {
            // A task that has ended takes no commands and needs none.
            peer.commands.send(command).await.ok();
        }
    }

    /// Names of the peers, ascending.
    pub fn peer_names(&self) -> Vec<Arc<str>> {
        self.0.peers.all().into_keys().collect()
    }

    /// The number by which the RIB knows a peer.
    pub fn peer_id(&self, name: &str) -> Option<PeerId> {
        self.0.peers.get(name).map(|peer| peer.id)
    }

    /// Sends a peer all routes again, as if it had asked for them.
    pub async fn send_again(&self, name: &str) {
        if let Some(peer) = self.peer_id(name) {
            let kind = RefreshKind::REQUEST;
            let inputs = Family::ALL.map(|family| Input::Refresh { peer, family, kind });
            // A speaker that has ended sends nothing.
            self.routes().tell(inputs.into()).await.ok();
        }
    }

    /// Decides anew on the routes of a peer, and on what it is told: a [`Hook`](bgp_core::policy::Hook) in its policies would decide
    /// otherwise now. Nothing happens if there is no peer of that name. Returns before the work is done, which is in slices.
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

    /// Sends a peer routes of a family that is not routed here, once it has taken enough of what is on the way; `attributes` only
    /// count for those that are announced. What was sent is nowhere kept. See [`opaque`](crate::opaque).
    ///
    /// # Errors
    ///
    /// There is no session with such a peer, or the family was not negotiated; attributes and routes do not fit one message; or the
    /// speaker has ended, or is about to.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped, the routes may have been sent or not.
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
            .send([News::Opaque(sending)])
            .await?;
        Ok(answer.await.map_err(|_| Ended)??)
    }

    /// How a peer is; `None` if there is none of that name, or if it does not say within five seconds.
    pub async fn status(&self, name: &str) -> Option<NeighbourStatus> {
        let (reply, answer) = oneshot::channel();
        let status = async {
            self.command(name, Command::Status(reply)).await;
            answer.await.ok()
        };
        tokio::time::timeout(ANSWER, status).await.ok().flatten()
    }

    /// A handle for questions that can be asked while the speaker is changed.
    pub fn inquirer(&self) -> Inquirer {
        let peers = self.0.peers.all().into_iter();
        Inquirer::new(
            peers.map(|(name, peer)| (name, peer.commands)).collect(),
            self.0.turned_away.clone(),
        )
    }

    /// A handle on the routes, for whoever originates them or looks at them.
    pub fn routes(&self) -> Routes {
        Routes::new(self.0.peers.starter.table.clone())
    }

    /// Waits with all decisions, after a restart, for peers that are to be added, by name with their families: see
    /// [`Input::Defer`]. They must not be there yet, or one of them could have spoken before it is known to be waited for.
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

    async fn tell_table(&self, input: Input) -> Result<(), Ended> {
        self.routes().tell(vec![input]).await
    }

    /// From now on nobody is told of changed routes, neither peers nor whoever forwards: all sessions are about to end, and a
    /// peer that keeps our routes must not lose those that came from the others.
    pub fn freeze(&self) {
        self.0.peers.starter.table.freeze();
    }

    /// Ends every session, and all tasks, in three seconds at most. Other handles on the speaker find that it has ended.
    pub async fn shutdown(&self, how: Shutdown) -> Partings {
        let why = Stop::from(how);
        self.shutdown_each(|_| why.clone()).await
    }

    /// The same with a reason for each peer, by its name.
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

/// A number that differs from start to start; std's hasher is seeded by the system.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
