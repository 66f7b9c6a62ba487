//! The examination of a daemon that runs, by itself: it sees its sessions, and has the right to query.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_core::rib::{Route, RouteSource};
use bgp_core::types::Family;
use bgp_speaker::alarms::Alarm;
use bgp_speaker::kernel::query::KernelQuery;
use bgp_speaker::{BfdPath, NeighbourStatus};
use ipnet::IpNet;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use super::facts::{
    Clock, Drops, Facts, FamilyFacts, KernelAlarms, Knock, Node, Others, Peer, Port, Session,
    TcpState, Watch,
};
use super::finding::Report;
use super::probe::{counters, machine, programs, tcp};
use super::{examination, routes, rules, stored};
use crate::agent::{self, RunningView, View};
use crate::datastore::{self, DatastoreSpec, Examination, Settings};
use crate::desired::settings::listen_addresses;
use crate::occupant::Occupants;
use crate::plan::{Environment, Plan, plan};

/// How long a session that has just started is observed.
const SETTLE: Duration = Duration::from_secs(4);
/// How long acknowledgements on a connection are awaited.
const HEARD: Duration = Duration::from_secs(2);
const SETTLE_STEP: Duration = Duration::from_millis(100);
/// Limit of the datastore's answer.
const STORE: Duration = Duration::from_secs(6);
/// Time from the beginning for counters to rise that explain a silence: SYNs are retransmitted meanwhile.
const COUNT: Duration = Duration::from_secs(7);

/// Examines the daemon that it belongs to. One examination at a time.
#[derive(Debug)]
pub struct Doctor {
    views: watch::Receiver<Arc<View>>,
    settings: DoctorSettings,
    began: (Instant, Timestamp),
    dropped: Drops,
    turn: Semaphore,
}

/// The settings of the daemon.
#[derive(Clone, Debug)]
pub struct DoctorSettings {
    /// The environment of the planner.
    pub environment: Environment,
    /// The source of resources.
    pub datastore: DatastoreSpec,
    /// The settings of that source.
    pub settings: Settings,
    /// The port to listen on, if it is not that of the resources.
    pub listen_port: Option<u16>,
    /// Routes are written into the kernel.
    pub kernel: bool,
    /// Programs with listening sockets, as seen at the start.
    pub occupants: Occupants,
}

/// There is no such session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no session is called {asked}, and none is with a peer of that address{}", listed(.known))]
pub struct NoSuchPeer {
    asked: String,
    known: Vec<String>,
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "; this node has none".into(),
        names => format!("; there are: {}", names.join(", ")),
    }
}

impl Doctor {
    /// Clocks and counters are compared with their values at this call.
    pub fn new(views: watch::Receiver<Arc<View>>, settings: DoctorSettings) -> Self {
        Self {
            views,
            settings,
            began: (Instant::now(), Timestamp::now()),
            dropped: counters::drops(),
            turn: Semaphore::new(1),
        }
    }

    /// Examines the node, and all sessions or one of them: by its name, the peer's address, or the BGPPeer. Takes up to a few
    /// seconds.
    ///
    /// # Errors
    ///
    /// There is no such session.
    pub async fn examine(&self, asked: Option<&str>) -> Result<Report, NoSuchPeer> {
        // Never closed.
        let _turn = self.turn.acquire().await.ok();
        let view = Arc::clone(&self.views.borrow());
        let planned = view.running.as_ref().map(|running| &*running.plan);
        let selected = select(planned, asked)?;
        let (stored, (peers, dropped_now)) =
            tokio::join!(self.ask_store(&view), self.look_at_peers(&view, selected));
        let facts = self
            .facts(&view, stored, peers, dropped_now, asked.is_some())
            .await;
        Ok(rules::report(&facts))
    }

    async fn ask_store(&self, view: &View) -> Result<Examination, String> {
        let DoctorSettings {
            environment,
            datastore,
            settings,
            ..
        } = &self.settings;
        let interest = agent::interest(&view.node, environment);
        let asked = datastore::examine(datastore, interest, settings, STORE).await;
        asked.map_err(|error| error.to_string())
    }

    async fn look_at_peers(&self, view: &View, mut peers: Vec<Peer>) -> (Vec<Peer>, Drops) {
        let Some(running) = &view.running else {
            return (Vec::new(), Drops::default());
        };
        let before = counters::drops();
        let began = Instant::now();
        settle(running, &mut peers).await;
        let mut query = KernelQuery::open().ok();
        if let Some(query) = &mut query {
            examination::look_at_ways(query, &mut peers).await;
        }
        examination::knock_at_silent(&mut peers).await;
        count(&peers, before, began).await;
        if let Some(query) = &mut query {
            examination::look_at_ways(query, &mut peers).await;
            let away = running.speaker.inquirer().turned_away();
            examination::assign_turned_away(query, away, &mut peers, Instant::now()).await;
        }
        routes::look_at(running, &mut peers).await;
        (peers, counters::drops().since(before))
    }

    async fn facts(
        &self,
        view: &View,
        asked: Result<Examination, String>,
        peers: Vec<Peer>,
        dropped_now: Drops,
        is_one: bool,
    ) -> Facts {
        let alarms = view.all_alarms();
        let answers = asked.as_ref().map_err(Clone::clone);
        let mut store = stored::answers(&view.node, answers.clone());
        let fresh = view
            .resources
            .as_ref()
            .map(|resources| plan(&resources.set, &view.node, &self.settings.environment));
        if let Some(fresh) = &fresh {
            stored::add_plan(&mut store, fresh);
        }
        let node = Node {
            is_running: true,
            writes_kernel: self.settings.kernel,
            ports: self.ports(view),
            capabilities: machine::own_capabilities(),
            passwords: peers.iter().filter(|peer| peer.password).count(),
            option_memory: machine::option_memory(),
            families: families(fresh.as_ref()),
            interfaces: examination::interfaces(&peers),
            dropped: counters::drops().since(self.dropped),
            dropped_now,
            kernel: kernel_alarms(&alarms),
            others: others(view).await,
            clock: self.clock(stored::ahead(answers)),
        };
        Facts {
            now: Instant::now(),
            node,
            store,
            asked: peers
                .first()
                .map(|peer| peer.name.clone())
                .filter(|_| is_one),
            peers,
        }
    }

    fn ports(&self, view: &View) -> Vec<Port> {
        let Some(running) = &view.running else {
            return Vec::new();
        };
        let occupants = self.settings.occupants.clone();
        ports(&running.plan, self.settings.listen_port, occupants)
    }

    fn clock(&self, datastore_ahead: Option<jiff::SignedDuration>) -> Clock {
        let (instant, timestamp) = self.began;
        let now = Timestamp::now();
        let passed = jiff::SignedDuration::try_from(instant.elapsed()).unwrap_or_default();
        Clock {
            now,
            jumped: now.duration_since(timestamp) - passed,
            datastore_ahead,
        }
    }
}

/// The planned addresses to listen on, and the programs that do.
pub(super) fn ports(plan: &Plan, port: Option<u16>, mut occupants: Occupants) -> Vec<Port> {
    let wanted = listen_addresses(plan, port);
    let numbers = wanted.iter().map(|address| address.port()).collect();
    let sockets = tcp::sockets(&numbers, &Default::default());
    let is_ours = |address: &std::net::SocketAddr| {
        let mut ours = sockets.iter().filter(|socket| socket.is_ours);
        ours.any(|socket| socket.is_listening() && socket.local == *address)
    };
    let port = |address: std::net::SocketAddr| Port {
        is_ours: is_ours(&address),
        taken_by: occupants.at(address),
        address,
    };
    wanted.into_iter().map(port).collect()
}

/// By family: originated routes of a plan, and forwarding of the kernel.
pub(super) fn families(plan: Option<&Plan>) -> bgp_core::types::PerFamily<FamilyFacts> {
    let (forwards, mut families) = (machine::forwarding(), bgp_core::types::PerFamily::default());
    let originated = plan.map(stored::originated).unwrap_or_default();
    for family in Family::ALL {
        families[family] = FamilyFacts {
            originated: originated[family],
            forwards: forwards[family],
        };
    }
    families
}

/// The selected sessions of a plan.
fn select(plan: Option<&Plan>, asked: Option<&str>) -> Result<Vec<Peer>, NoSuchPeer> {
    let planned = plan.map_or(&[][..], |plan| &plan.peers);
    let Some(asked) = asked else {
        return Ok(planned
            .iter()
            .map(|peer| examination::of_plan(peer))
            .collect());
    };
    let address: Option<IpAddr> = asked.parse().ok();
    let is_meant = |peer: &&Arc<crate::plan::Peer>| {
        let of_resource = peer.resource.strip_prefix("BGPPeer/");
        peer.name == asked || Some(peer.address) == address || of_resource == Some(asked)
    };
    let meant = planned.iter().filter(is_meant);
    let meant: Vec<Peer> = meant.map(|peer| examination::of_plan(peer)).collect();
    match meant.is_empty() {
        false => Ok(meant),
        true => Err(NoSuchPeer {
            asked: asked.to_owned(),
            known: planned
                .iter()
                .take(10)
                .map(|peer| peer.name.clone())
                .collect(),
        }),
    }
}

/// Observes the sessions until their state is clear, or for as long as a silent one needs.
async fn settle(running: &RunningView, peers: &mut [Peer]) {
    let until = Instant::now() + SETTLE;
    loop {
        let mut sessions = running.speaker.inquirer().sessions().await;
        let alarms = running.speaker.alarms().list();
        for peer in peers.iter_mut() {
            take_in(peer, sessions.remove(peer.name.as_str()), running, &alarms);
        }
        examination::look_at_sockets(peers);
        let waited = SETTLE.saturating_sub(until.saturating_duration_since(Instant::now()));
        if peers.iter().all(|peer| shows(peer, waited)) || waited >= SETTLE {
            return;
        }
        tokio::time::sleep(SETTLE_STEP).await;
    }
}

/// If a machine is up but its speaker is silent, waits for a counter that explains it.
async fn count(peers: &[Peer], before: Drops, began: Instant) {
    let is_riddle = |peer: &Peer| {
        let silent = peer.is_silent() || peer.passive;
        let alive = peer.knocks.alive == Some(true) && peer.knocks.unsigned != Knock::Answered;
        !peer.is_up() && !peer.disabled && silent && alive
    };
    if !peers.iter().any(is_riddle) {
        return;
    }
    while began.elapsed() < COUNT && counters::drops() == before {
        tokio::time::sleep(SETTLE_STEP).await;
    }
}

fn take_in(
    peer: &mut Peer,
    status: Option<NeighbourStatus>,
    running: &RunningView,
    alarms: &[Alarm],
) {
    peer.disabled = running.disabled.contains(peer.name.as_str());
    let planned = running
        .plan
        .peers
        .iter()
        .find(|planned| planned.name == peer.name);
    let strict =
        planned.is_some_and(|peer| peer.options.bfd.as_ref().is_some_and(|bfd| bfd.strict));
    peer.session = status.map(|status| Session {
        since: status.since,
        watch: watch_of(&status, strict),
        status: status.session,
    });
    let object = format!("peer {}", peer.name);
    let mut of_peer = alarms.iter().filter(|alarm| alarm.object == object);
    let refused = of_peer.find(|alarm| ["md5", "peer"].contains(&alarm.kind));
    peer.key_refused = refused.map(|alarm| alarm.reason.to_string());
}

fn watch_of(status: &NeighbourStatus, strict: bool) -> Option<Watch> {
    let bfd = status.bfd.as_ref()?;
    let peer = bfd.session.and_then(|session| session.peer);
    let negotiated = status.session.negotiated.as_ref();
    Some(Watch {
        state: bfd.state(),
        peer: peer.map(|peer| peer.state),
        multihop: matches!(bfd.path, BfdPath::Multihop { .. }),
        holds_back: strict && !bfd.lets_bgp_up(),
        restarts_gracefully: negotiated.is_some_and(|agreed| agreed.graceful_restart.is_some()),
        problem: bfd.problem.as_deref().map(str::to_owned),
    })
}

/// Whether the state of a session is clear after this time.
fn shows(peer: &Peer, waited: Duration) -> bool {
    let Some(session) = &peer.session else {
        return true;
    };
    let status = &session.status;
    let now = Instant::now();
    let has_waited = |connection: &bgp_core::session::ConnectionStatus| {
        now.saturating_duration_since(connection.since) >= SETTLE
    };
    if peer.is_up() {
        let mut sockets = peer.own_sockets(TcpState::ESTABLISHED);
        let is_heard = sockets.all(|socket| socket.unacknowledged == 0);
        return is_heard || peer.is_unheard() || waited >= HEARD;
    }
    peer.disabled
        || peer.key_refused.is_some()
        || peer.last_notification().is_some()
        || status.failed_dials.is_some()
        || status
            .unheard
            .as_ref()
            .is_some_and(|unheard| unheard.count > 1)
        || peer.is_silent()
        || status.connections.iter().any(has_waited)
}

fn kernel_alarms(alarms: &[Alarm]) -> KernelAlarms {
    let of_kernel: BTreeMap<&str, &Alarm> = alarms
        .iter()
        .filter(|alarm| alarm.object == "kernel routes")
        .map(|alarm| (alarm.kind, alarm))
        .collect();
    let reason = |kind: &str| of_kernel.get(kind).map(|alarm| alarm.reason.to_string());
    KernelAlarms {
        refused: reason("refused"),
        occupied: reason("occupied"),
        contested: reason("contested"),
        netlink: reason("netlink"),
    }
}

/// Routes of routing programs to prefixes for which we write routes, or would write them otherwise: peers announce them.
async fn others(view: &View) -> Others {
    let running = view.running.as_ref();
    let writes = running.and_then(|running| Some((running, running.forwarding.as_ref()?)));
    let (Some((running, forwarding)), Ok(mut query)) = (writes, KernelQuery::open()) else {
        return Others::default();
    };
    let mut found =
        examination::routes_of_others(&mut query, examination::is_of_routing_program).await;
    found.truncate(ROUTES_OF_OTHERS);
    let prefixes: Vec<IpNet> = found.iter().map(|(_, prefix)| *prefix).collect();
    let of_rib = prefixes.clone();
    let routes = running.speaker.routes();
    let announced = routes.look(move |rib| {
        let is_usable = |route: &Route| {
            matches!(route.source, RouteSource::Peer(..)) && route.unusable.is_none()
        };
        let announced = |prefix: &IpNet| rib.paths(*prefix).iter().any(is_usable);
        of_rib.iter().map(announced).collect::<Vec<_>>()
    });
    let wanted = forwarding.look(move |state| {
        let wanted = prefixes.iter().map(|prefix| state.wants(*prefix));
        wanted.collect::<Vec<_>>()
    });
    // A speaker that has ended writes nothing.
    let (announced, wanted) = (
        announced.await.unwrap_or_default(),
        wanted.await.unwrap_or_default(),
    );
    let ours = announced
        .into_iter()
        .zip(wanted)
        .map(|(announced, wanted)| announced || wanted);
    let same = found.into_iter().zip(ours).filter(|(_, ours)| *ours);
    let routes = examination::summed_up(same.map(|(route, _)| route).collect());
    let programs = match routes.is_empty() {
        true => Vec::new(),
        false => programs::routing_programs(),
    };
    Others { programs, routes }
}

/// Limit of the compared routes of other programs.
const ROUTES_OF_OTHERS: usize = 10_000;
