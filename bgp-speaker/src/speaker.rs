//! The speaker as a library: start it, give it peers and routes, listen to its events, ask it questions.
//!
//! A handle on the tasks that do the work; dropping it ends them, [`Speaker::shutdown`] does so in good order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::policy::Policy;
use bgp_core::rib::{Input, LocalRoute, PeerConfig, Rib, RibConfig};
use bgp_core::session::{DownReason, SessionConfig, Stop};
use bgp_core::speaker::NeighbourConfig;
use bgp_core::types::{Asn, Family, PeerId, RouterId};
use bgp_core::wire::RefreshKind;
use ipnet::IpNet;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tracing::warn;

use crate::acceptor::{self, Acceptor, Door, Guard, Order};
use crate::alarms::Alarms;
use crate::connect::Dial;
use crate::event::{Ended, Event, ForwardingSink};
use crate::farewell::Farewells;
use crate::inquirer::{ANSWER, Inquirer};
use crate::listener::{ListenError, PeerSecurity};
use crate::neighbour::{Command, Established, Neighbour, NeighbourStatus};
use crate::table::{self, News, Table};
use crate::tasks::{Failure, Tasks};

/// Commands waiting for a neighbour; beyond it, callers wait.
const COMMANDS: usize = 16;
/// Events kept for a slow listener; beyond it, it misses the oldest and is told so.
const EVENTS: usize = 1024;
/// How long sessions may take to say goodbye.
const SHUTDOWN: Duration = Duration::from_secs(3);

/// A peer as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSettings {
    /// Session and routes.
    pub neighbour: NeighbourConfig,
    /// How it is dialled; connections that it opens must have the same password and TTL.
    pub dial: Dial,
}

impl PeerSettings {
    /// A peer with the defaults of [`SessionConfig::new`] and [`PeerConfig::new`], dialled from any address.
    pub fn new(local_as: Asn, router_id: RouterId, peer: SocketAddr, peer_as: Asn) -> Self {
        let session = SessionConfig::new(local_as, router_id, peer.ip(), peer_as);
        let routes = PeerConfig::new(local_as, peer.ip(), peer_as);
        let neighbour = NeighbourConfig::new(session, routes);
        Self {
            neighbour,
            dial: Dial::new(peer),
        }
    }

    /// The same with policies for what the peer sends and for what it is told.
    #[must_use]
    pub fn with_policies(mut self, import: Arc<Policy>, export: Arc<Policy>) -> Self {
        let routes = PeerConfig::clone(&self.neighbour.routes);
        self.neighbour.routes = Arc::new(PeerConfig {
            import,
            export,
            ..routes
        });
        self
    }

    /// Whether a peer has to be spoken to anew when its settings become these: what both sides agreed on changes, or how they
    /// connect.
    pub fn needs_new_session(&self, new: &Self) -> bool {
        self.dial != new.dial
            || self.neighbour.session != new.neighbour.session
            || self.neighbour.own_next_hop != new.neighbour.own_next_hop
    }
}

#[derive(Debug)]
struct Peer {
    id: PeerId,
    settings: PeerSettings,
    commands: mpsc::Sender<Command>,
}

/// A running speaker.
pub struct Speaker {
    peers: BTreeMap<Arc<str>, Peer>,
    /// Numbers of peers that are gone, smaller than those of some that are not.
    free: BTreeSet<PeerId>,
    /// Numbers of peers that are waited for and not added yet.
    reserved: BTreeMap<Arc<str>, PeerId>,
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
    restarting: bool,
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
pub enum SpeakerError {
    /// It has ended.
    #[error(transparent)]
    Ended(#[from] Ended),
    /// It cannot listen there.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

impl Speaker {
    /// Starts the tasks; no peers yet, and nothing listens.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(config: RibConfig, forwarding: Option<ForwardingSink>) -> Self {
        let (tasks, alarms) = (Tasks::default(), Alarms::default());
        let rib = Rib::new(config, Instant::now(), random_seed());
        let (running, table) = Table::new(rib, forwarding);
        tasks.service("table", running.run());
        let (acceptor, orders) = mpsc::channel(acceptor::ORDERS);
        tasks.service("acceptor", Acceptor::new(alarms.clone()).run(orders));
        Self {
            peers: BTreeMap::new(),
            free: BTreeSet::new(),
            reserved: BTreeMap::new(),
            table,
            events: broadcast::Sender::new(EVENTS),
            established: Arc::new(watch::Sender::default()),
            acceptor,
            farewells: Farewells::new(tasks.clone()),
            tasks: ClosedOnDrop(tasks),
            alarms,
            seed: random_seed(),
            restarting: false,
        }
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
        self.acceptor
            .send(Order::Listen(addresses, reply))
            .await
            .map_err(|_| Ended)?;
        Ok(answer.await.map_err(|_| Ended)??)
    }

    /// Waits until the speaker has ended because one of its tasks did. Its sessions are closed then, without a NOTIFICATION: peers
    /// with graceful restart keep the routes (RFC 4724 §4.2).
    pub fn closed(&self) -> impl Future<Output = Failure> + Send + use<> {
        let tasks = self.tasks.0.clone();
        async move { tasks.failed().await }
    }

    /// The tasks of the speaker.
    pub fn tasks(&self) -> &Tasks {
        &self.tasks.0
    }

    /// What is wrong at the moment.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// What happens to sessions from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The names of the peers whose sessions are up, as it changes. Whoever is slow misses what came in between.
    pub fn established(&self) -> watch::Receiver<BTreeSet<Arc<str>>> {
        self.established.subscribe()
    }

    /// Whether peers that are added from now on are told, until their session first comes up, that this speaker has just
    /// restarted with its forwarding state preserved (RFC 4724 §4.1).
    pub fn set_restarting(&mut self, restarting: bool) {
        self.restarting = restarting;
    }

    /// Adds a peer and starts its session, or changes one. A session only starts anew if its own settings, or those of its
    /// connections, changed; a change of policy is applied to the routes at hand.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn configure_peer(
        &mut self,
        name: &str,
        settings: PeerSettings,
    ) -> Result<(), Ended> {
        match self.peers.get(name) {
            Some(peer) if peer.settings == settings => Ok(()),
            Some(peer) if !peer.settings.needs_new_session(&settings) => {
                self.change_at_once(Vec::new(), vec![(name.into(), settings)])
                    .await
            }
            Some(_) => {
                self.stop_peer(name, Stop::ConfigChange).await;
                self.add_peer(name, settings).await
            }
            None => self.add_peer(name, settings).await,
        }
    }

    /// Changes routes, and peers whose session can go on, all at once: nothing is decided in between, so no peer is told of a
    /// state that is neither the old nor the new one. Peers that do not exist are left out.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn change_at_once(
        &mut self,
        mut inputs: Vec<Input>,
        peers: Vec<(Arc<str>, PeerSettings)>,
    ) -> Result<(), Ended> {
        for (name, settings) in peers {
            let Some(peer) = self.peers.get_mut(&name) else {
                continue;
            };
            debug_assert!(!peer.settings.needs_new_session(&settings));
            // What is left concerns the table alone.
            inputs.push(Input::Configure {
                peer: peer.id,
                config: Arc::clone(&settings.neighbour.routes),
            });
            peer.settings = settings;
        }
        self.routes().tell(inputs).await
    }

    async fn add_peer(&mut self, name: &str, settings: PeerSettings) -> Result<(), Ended> {
        let name: Arc<str> = name.into();
        let reserved = self.reserved.remove(&name);
        let id = reserved.unwrap_or_else(|| self.free_id());
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
            table: self.table.clone(),
            events: self.events.clone(),
            established: Arc::clone(&self.established),
            farewells: self.farewells.clone(),
        };
        let seed = self
            .seed
            .wrapping_add(u64::from(id.0).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let task = format!("neighbour {name}");
        self.tasks.0.job(task, neighbour.run(seed));
        let security = PeerSecurity {
            md5: settings.dial.md5.clone(),
            ttl: settings.dial.ttl,
        };
        let address = settings.dial.remote;
        let door = Door::new(Arc::clone(&name), address, security, connections, guard);
        self.peers.insert(
            name,
            Peer {
                id,
                settings,
                commands,
            },
        );
        self.acceptor
            .send(Order::Open(door))
            .await
            .map_err(|_| Ended)
    }

    fn neighbour_config(&self, config: &NeighbourConfig) -> NeighbourConfig {
        let mut session = SessionConfig::clone(&config.session);
        if let Some(restart) = &mut session.graceful_restart {
            restart.restarting |= self.restarting;
        }
        NeighbourConfig {
            session: Arc::new(session),
            ..config.clone()
        }
    }

    /// The smallest number that no peer has, or is to have: all below are in use, or free again.
    fn free_id(&mut self) -> PeerId {
        let used = self.peers.len() + self.reserved.len();
        let next = u32::try_from(used).expect("there are fewer than 2^32 peers");
        self.free.pop_first().unwrap_or(PeerId(next))
    }

    /// Ends a session with Cease and forgets the peer and its routes; nothing if there is none of that name.
    pub async fn remove_peer(&mut self, name: &str) {
        self.stop_peer(name, Stop::Deconfigured).await;
    }

    async fn stop_peer(&mut self, name: &str, why: Stop) {
        let Some(peer) = self.peers.remove(name) else {
            return;
        };
        // An acceptor that has ended has closed all doors.
        self.acceptor.send(Order::Close(name.into())).await.ok();
        let (done, gone) = oneshot::channel();
        // A task that has ended has done so already.
        if peer.commands.send(Command::Remove(why, done)).await.is_ok() {
            gone.await.ok();
        }
        self.free.insert(peer.id);
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
        if let Some(peer) = self.peers.get(name) {
            // A task that has ended takes no commands and needs none.
            peer.commands.send(command).await.ok();
        }
    }

    /// Names of the peers, ascending.
    pub fn peer_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.peers.keys()
    }

    /// The number by which the RIB knows a peer.
    pub fn peer_id(&self, name: &str) -> Option<PeerId> {
        self.peers.get(name).map(|peer| peer.id)
    }

    /// How a peer is configured.
    pub fn peer_settings(&self, name: &str) -> Option<&PeerSettings> {
        self.peers.get(name).map(|peer| &peer.settings)
    }

    /// Sends a peer all routes again, as if it had asked for them.
    pub async fn send_again(&self, name: &str) {
        if let Some(peer) = self.peers.get(name).map(|peer| peer.id) {
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
        let peers = self
            .peers
            .iter()
            .map(|(name, peer)| (Arc::clone(name), peer.commands.clone()));
        Inquirer::new(peers.collect())
    }

    /// A handle on the routes, for whoever originates them or looks at them.
    pub fn routes(&self) -> Routes {
        Routes {
            table: self.table.clone(),
        }
    }

    /// Waits with all decisions, after a restart, for peers that are to be added, by name with their families: see
    /// [`Input::Defer`]. They must not be there yet, or one of them could have spoken before it is known to be waited for.
    ///
    /// # Errors
    ///
    /// The speaker has ended.
    pub async fn defer(
        &mut self,
        peers: Vec<(Arc<str>, Vec<Family>)>,
        up_within: Duration,
        at_most: Duration,
    ) -> Result<(), Ended> {
        let mut expected = Vec::new();
        for (name, families) in peers {
            let reserved = self.reserved.remove(&name);
            let id = reserved.unwrap_or_else(|| self.free_id());
            expected.extend(families.into_iter().map(|family| (id, family)));
            self.reserved.insert(name, id);
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
        self.table.freeze();
    }

    /// Ends every session for this reason, and all tasks, in three seconds at most.
    pub async fn shutdown(self, why: Stop) -> Partings {
        self.shutdown_each(|_| why.clone()).await
    }

    /// The same with a reason for each peer, by its name.
    pub async fn shutdown_each(mut self, why: impl Fn(&str) -> Stop) -> Partings {
        self.tasks.0.close();
        self.freeze();
        let mut partings = Partings::default();
        let goodbye = async {
            let (mut late, mut ending) = (Vec::new(), Vec::new());
            for (name, peer) in std::mem::take(&mut self.peers) {
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
            drop((self.table, self.acceptor));
            self.tasks.0.ended().await;
        };
        if tokio::time::timeout(SHUTDOWN, goodbye).await.is_err() {
            warn!("some sessions did not close in time");
        }
        partings
    }
}

/// How sessions that were up ended at a shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Partings {
    /// So many peers were told that the session is over, and have withdrawn our routes.
    pub told: usize,
    /// So many were left without a word, and keep our routes for the restart time (RFC 4724 §4.2).
    pub left: usize,
}

impl Partings {
    fn count(&mut self, reason: &DownReason) {
        match reason {
            DownReason::Left => self.left += 1,
            DownReason::Sent(_)
            | DownReason::Received(_)
            | DownReason::Closed(_)
            | DownReason::Replaced
            | DownReason::SendHoldTimer => self.told += 1,
        }
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
