//! The speaker as a library: start it, give it peers and routes, listen to its events, ask it questions.
//!
//! A handle on the tasks that do the work; dropping it ends them, [`Speaker::shutdown`] does so in good order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bgp_core::rib::{Input, LocalRoute, Rib};
use bgp_core::session::{SessionConfig, Stop};
use bgp_core::speaker::NeighbourConfig;
use bgp_core::types::{Family, PeerId};
use bgp_core::wire::RefreshKind;
use ipnet::IpNet;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::warn;

use crate::acceptor::{self, Acceptor, Door, Guard, Order};
use crate::alarms::Alarms;
use crate::desired::{Desired, Report, Step};
use crate::event::{Ended, Event, ForwardingSink};
use crate::farewell::Farewells;
use crate::inquirer::{ANSWER, Inquirer};
use crate::listener::{ListenError, PeerSecurity};
use crate::neighbour::{Command, Established, Neighbour, NeighbourStatus};
use crate::shutdown::{Partings, Shutdown};
use crate::spec::{ConfigError, PeerSettings, PeerSpec, SpeakerConfig};
use crate::table::{self, News, Table};
use crate::tasks::{Failure, Tasks};

/// Commands waiting for a neighbour; beyond it, callers wait.
const COMMANDS: usize = 16;
/// Events kept for a slow listener; beyond it, it misses the oldest and is told so.
const EVENTS: usize = 1024;
/// How long sessions may take to say goodbye.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// A running speaker. Clones are handles on the same one; when the last is dropped, the speaker ends as after a crash: sessions are
/// closed without a NOTIFICATION, and peers with graceful restart keep the routes (RFC 4724 §4.2).
#[derive(Clone)]
pub struct Speaker(Arc<Shared>);

struct Shared {
    config: SpeakerConfig,
    /// What the speaker is told to be. Held during a change, so that changes come one after the other.
    desired: tokio::sync::Mutex<Desired>,
    registry: Mutex<Registry>,
    table: table::Sender,
    events: broadcast::Sender<Event>,
    established: Established,
    acceptor: mpsc::Sender<Order>,
    tasks: ClosedOnDrop,
    farewells: Farewells,
    alarms: Alarms,
    /// Makes the jitter of each session different.
    seed: u64,
    /// Peers that are added now are told that we have just restarted.
    restarting: AtomicBool,
}

/// The peers whose tasks run.
#[derive(Debug, Default)]
struct Registry {
    peers: BTreeMap<Arc<str>, Peer>,
    /// Numbers of peers that are gone, smaller than those of some that are not.
    free: BTreeSet<PeerId>,
    /// Numbers of peers that are waited for and not added yet.
    reserved: BTreeMap<Arc<str>, PeerId>,
}

#[derive(Clone, Debug)]
struct Peer {
    id: PeerId,
    commands: mpsc::Sender<Command>,
}

impl Registry {
    /// The number that is reserved for a peer, or the smallest that no peer has, or is to have: all below are in use, or free again.
    fn number_for(&mut self, name: &str) -> PeerId {
        if let Some(reserved) = self.reserved.remove(name) {
            return reserved;
        }
        let used = self.peers.len() + self.reserved.len();
        let next = u32::try_from(used).expect("there are fewer than 2^32 peers");
        self.free.pop_first().unwrap_or(PeerId(next))
    }
}

/// A speaker that is dropped ends on purpose.
struct ClosedOnDrop(Tasks);

impl Drop for ClosedOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Why the speaker did not do as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpeakerError {
    /// It has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// It cannot listen there.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There are values that no session can have: nothing was changed.
    #[error("{}", join(.0))]
    Config(Vec<ConfigError>),
}

fn join(errors: &[ConfigError]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Speaker {
    /// Starts the tasks; no peers yet, and nothing listens.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(config: SpeakerConfig, forwarding: Option<ForwardingSink>) -> Self {
        let (tasks, alarms) = (Tasks::default(), Alarms::default());
        let rib = Rib::new(config.rib.clone(), Instant::now(), random_seed());
        let (running, table) = Table::new(rib, forwarding);
        tasks.service("table", running.run());
        let (acceptor, orders) = mpsc::channel(acceptor::ORDERS);
        tasks.service("acceptor", Acceptor::new(alarms.clone()).run(orders));
        let desired = Desired {
            cluster_id: config.rib.cluster_id,
            ..Desired::default()
        };
        Self(Arc::new(Shared {
            config,
            desired: tokio::sync::Mutex::new(desired),
            registry: Mutex::default(),
            table,
            events: broadcast::Sender::new(EVENTS),
            established: Arc::new(watch::Sender::default()),
            acceptor,
            farewells: Farewells::new(tasks.clone()),
            tasks: ClosedOnDrop(tasks),
            alarms,
            seed: random_seed(),
            restarting: AtomicBool::new(false),
        }))
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        let registry = self.0.registry.lock();
        registry.unwrap_or_else(PoisonError::into_inner)
    }

    fn peer(&self, name: &str) -> Option<Peer> {
        self.registry().peers.get(name).cloned()
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
        self.0
            .acceptor
            .send(Order::Listen(addresses, reply))
            .await
            .map_err(|_| Ended)?;
        Ok(answer.await.map_err(|_| Ended)??)
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

    /// What is wrong at the moment.
    pub fn alarms(&self) -> &Alarms {
        &self.0.alarms
    }

    /// What happens to sessions from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    /// The names of the peers whose sessions are up, as it changes. Whoever is slow misses what came in between.
    pub fn established(&self) -> watch::Receiver<BTreeSet<Arc<str>>> {
        self.0.established.subscribe()
    }

    /// Whether peers that are added from now on are told, until their session first comes up, that this speaker has just
    /// restarted with its forwarding state preserved (RFC 4724 §4.1).
    pub fn set_restarting(&self, restarting: bool) {
        self.0.restarting.store(restarting, Ordering::Relaxed);
    }

    /// Becomes what the owner wants: many peers and routes in one change. Settings that no session notices, and routes, change at
    /// once: no peer is told of a state that is neither the old nor the new one. After that, sessions end and start.
    ///
    /// # Errors
    ///
    /// There are values that no session can have, and nothing changes; or the speaker has ended.
    pub async fn apply(&self, desired: Desired) -> Result<Report, SpeakerError> {
        desired
            .validate(&self.0.config)
            .map_err(SpeakerError::Config)?;
        let mut current = self.0.desired.lock().await;
        let report = current.compare(&desired);
        for step in current.steps_to(&desired) {
            self.take(step).await?;
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
                    let peer = self.peer(&name).map(|peer| peer.id);
                    inputs.extend(peer.map(|peer| Input::Configure { peer, config }));
                }
                self.routes().tell(inputs).await
            }
            Step::Remove(name) => {
                self.stop_peer(&name, Stop::Deconfigured).await;
                Ok(())
            }
            Step::Start(name, spec) => {
                self.stop_peer(&name, Stop::ConfigChange).await;
                self.add_peer(name, spec.settings(&self.0.config)).await
            }
        }
    }

    async fn add_peer(&self, name: Arc<str>, settings: PeerSettings) -> Result<(), Ended> {
        let id = self.registry().number_for(&name);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (connections, accepted) = mpsc::channel(acceptor::WAITING);
        let guard = watch::Sender::new(Guard::Pending);
        let config = Arc::clone(&settings.neighbour.routes);
        self.tell_table(Input::Configure { peer: id, config })
            .await?;
        let neighbour = Neighbour {
            peer: id,
            name: Arc::clone(&name),
            config: self.neighbour_config(&settings.neighbour),
            dial: settings.dial.clone(),
            commands: receiver,
            accepted,
            guard: guard.subscribe(),
            table: self.0.table.clone(),
            events: self.0.events.clone(),
            established: Arc::clone(&self.0.established),
            farewells: self.0.farewells.clone(),
        };
        let mixed = u64::from(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let seed = self.0.seed.wrapping_add(mixed);
        let task = format!("neighbour {name}");
        self.0.tasks.0.job(task, neighbour.run(seed));
        let security = PeerSecurity {
            md5: settings.dial.md5.clone(),
            ttl: settings.dial.ttl,
        };
        let address = settings.dial.remote;
        let door = Door::new(Arc::clone(&name), address, security, connections, guard);
        self.registry().peers.insert(name, Peer { id, commands });
        self.0
            .acceptor
            .send(Order::Open(door))
            .await
            .map_err(|_| Ended)
    }

    fn neighbour_config(&self, config: &NeighbourConfig) -> NeighbourConfig {
        let mut session = SessionConfig::clone(&config.session);
        if let Some(restart) = &mut session.graceful_restart {
            restart.restarting |= self.0.restarting.load(Ordering::Relaxed);
        }
        NeighbourConfig {
            session: Arc::new(session),
            ..config.clone()
        }
    }

    /// Ends a session with Cease and forgets the peer and its routes; nothing if there is none of that name.
    pub async fn remove_peer(&self, name: &str) {
        let mut desired = self.0.desired.lock().await;
        desired.peers.remove(name);
        self.stop_peer(name, Stop::Deconfigured).await;
    }

    async fn stop_peer(&self, name: &str, why: Stop) {
        let Some(peer) = self.registry().peers.remove(name) else {
            return;
        };
        // An acceptor that has ended has closed all doors.
        self.0.acceptor.send(Order::Close(name.into())).await.ok();
        let (done, gone) = oneshot::channel();
        // A task that has ended has done so already.
        if peer.commands.send(Command::Remove(why, done)).await.is_ok() {
            gone.await.ok();
        }
        self.registry().free.insert(peer.id);
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
        if let Some(peer) = self.peer(name) {
            // A task that has ended takes no commands and needs none.
            peer.commands.send(command).await.ok();
        }
    }

    /// Names of the peers, ascending.
    pub fn peer_names(&self) -> Vec<Arc<str>> {
        self.registry().peers.keys().cloned().collect()
    }

    /// The number by which the RIB knows a peer.
    pub fn peer_id(&self, name: &str) -> Option<PeerId> {
        self.peer(name).map(|peer| peer.id)
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
        let registry = self.registry();
        let peers = registry.peers.iter();
        let peers = peers.map(|(name, peer)| (Arc::clone(name), peer.commands.clone()));
        Inquirer::new(peers.collect())
    }

    /// A handle on the routes, for whoever originates them or looks at them.
    pub fn routes(&self) -> Routes {
        Routes {
            table: self.0.table.clone(),
        }
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
        let mut expected = Vec::new();
        {
            let mut registry = self.registry();
            for (name, families) in peers {
                let id = registry.number_for(&name);
                expected.extend(families.into_iter().map(|family| (id, family)));
                registry.reserved.insert(name, id);
            }
        }
        let now = Instant::now();
        self.tell_table(Input::Defer {
            expected,
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
        self.0.table.freeze();
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
        let goodbye = async {
            let (mut late, mut ending) = (Vec::new(), Vec::new());
            let peers = std::mem::take(&mut self.registry().peers);
            for (name, peer) in peers {
                let (done, ended) = oneshot::channel();
                ending.push(ended);
                let command = Command::Remove(why(&name), done);
                // One that is busy keeps no other waiting.
                if let Err(TrySendError::Full(command)) = peer.commands.try_send(command) {
                    late.push((peer.commands, command));
                }
            }
            for (commands, command) in late {
                commands.send(command).await.ok();
            }
            for ended in ending {
                if let Ok(Some(reason)) = ended.await {
                    partings.count(&reason);
                }
            }
            self.0.farewells.ended().await;
        };
        if tokio::time::timeout(SHUTDOWN, goodbye).await.is_err() {
            warn!("some sessions did not close in time");
        }
        tasks.cancel();
        partings
    }
}

/// The routes of a running speaker.
#[derive(Clone, Debug)]
pub struct Routes {
    table: table::Sender,
}

impl Routes {
    /// Originates a route.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn announce(&self, prefix: IpNet, route: LocalRoute) -> Result<(), Ended> {
        self.tell(vec![Input::announce(prefix, route)]).await
    }

    /// Stops originating a route.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn withdraw(&self, prefix: IpNet, id: u32) -> Result<(), Ended> {
        self.tell(vec![Input::Withdraw { prefix, id }]).await
    }

    /// Tells the RIB many things at once, in this order.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn tell(&self, inputs: Vec<Input>) -> Result<(), Ended> {
        self.table.send(inputs.into_iter().map(News::Input)).await
    }

    /// Lets a function look at the routes. It holds the RIB up for as long as it runs: look at a bounded number.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Rib) -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        let question: table::Question = Box::new(move |rib| {
            // Whoever asked may have gone.
            reply.send(look(rib)).ok();
        });
        self.table.send(vec![News::Ask(question)]).await?;
        answer.await.map_err(|_| Ended)
    }
}

/// A number that differs from start to start; std's hasher is seeded by the system.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}
