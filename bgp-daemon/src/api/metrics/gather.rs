//! Asks the speaker what metrics tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use bgp_core::bfd::State as BfdState;
use bgp_core::rib::{MemoryUse, Rib, RouteCounts};
use bgp_core::session::{Counters, State, Tally};
use bgp_core::types::{Family, PerFamily};
use bgp_speaker::SessionMeter;
use bgp_speaker::kernel::KernelCounts;
use jiff::Timestamp;

use super::config::MetricsConfig;
use super::text::{First, More};
use crate::agent::{RunningView, View, protocols};
use crate::api::answers::{Known, kind, look, problems};
use crate::clock::timestamp;
use crate::control::model::ProtocolSnapshot;
use crate::meters::Meters;
use crate::plan::{Peer, PeerType, Plan};

/// The states that a session may be in (RFC 4271 §8.2.2).
pub(super) const STATES: [State; 6] = [
    State::Idle,
    State::Connect,
    State::Active,
    State::OpenSent,
    State::OpenConfirm,
    State::Established,
];

/// The label of all sessions of the mesh together.
const MESH: &str = "mesh";

/// All that metrics tell, at one moment.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) node: String,
    /// When the process started.
    pub(super) boot: Timestamp,
    /// When a plan last took effect.
    pub(super) reconfigured: Timestamp,
    pub(super) plan: Option<Arc<Plan>>,
    /// The datastore can be read, if it ever could.
    pub(super) connected: bool,
    pub(super) last_change: Option<Timestamp>,
    pub(super) sessions: Vec<SessionSample>,
    pub(super) best: PerFamily<usize>,
    pub(super) kernel: Option<PerFamily<KernelCounts>>,
    pub(super) problems: BTreeMap<String, u64>,
    pub(super) memory: MemoryUse,
    pub(super) meters: Meters,
    pub(super) protocols: Vec<(Family, ProtocolSnapshot)>,
}

/// A session, or all of the mesh together.
#[derive(Debug)]
pub(super) struct SessionSample {
    /// The name.
    pub(super) label: First,
    /// Address, AS and type.
    pub(super) about: More,
    /// How many sessions are in each state, in the order of [`STATES`].
    pub(super) states: [u64; STATES.len()],
    /// When the session, or the last one of the mesh, came up.
    pub(super) established_at: Option<Timestamp>,
    pub(super) counters: Counters,
    pub(super) tally: Arc<Tally>,
    pub(super) families: PerFamily<bool>,
    pub(super) routes: PerFamily<RouteCounts>,
    pub(super) outstanding: u64,
    /// The limit of prefixes in each family; none for the mesh as a whole, whose sessions have each their own.
    pub(super) limit: Option<u32>,
    /// The watch over the path by BFD, if there is one.
    pub(super) bfd: Option<BfdSample>,
}

/// BFD of a session, or of all sessions of the mesh together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BfdSample {
    /// How many BFD sessions are up.
    pub(super) up: u64,
    pub(super) ups: u64,
    pub(super) downs: u64,
}

impl Scrape {
    pub(super) async fn take(view: &View, config: MetricsConfig) -> Self {
        let mut problem_counts = BTreeMap::new();
        for problem in problems(view) {
            *problem_counts.entry(problem.kind).or_default() += 1;
        }
        let resources = view.resources.as_deref();
        let mut scrape = Self {
            node: view.node.clone(),
            boot: view.boot,
            reconfigured: view.reconfigured,
            plan: None,
            connected: resources.is_some_and(|loaded| !loaded.unreachable),
            last_change: resources.and_then(|loaded| loaded.noticed).map(timestamp),
            sessions: Vec::new(),
            best: PerFamily::default(),
            kernel: None,
            problems: problem_counts,
            memory: MemoryUse::default(),
            meters: view.meters.clone(),
            protocols: Vec::new(),
        };
        if let Some(running) = &view.running {
            scrape.add(view, running, config).await;
        }
        scrape
    }

    async fn add(&mut self, view: &View, running: &RunningView, config: MetricsConfig) {
        self.plan = Some(Arc::clone(&running.plan));
        self.sessions = sessions(running, config).await;
        let look = |rib: &Rib| {
            let best = |family| rib.best_count(family);
            let best = PerFamily {
                ipv4: best(Family::Ipv4Unicast),
                ipv6: best(Family::Ipv6Unicast),
            };
            (rib.memory(), best)
        };
        if let Ok((memory, best)) = running.speaker.routes().look(look).await {
            (self.memory, self.best) = (memory, best);
        }
        self.kernel = running.forwarding.as_ref().map(|forwarding| PerFamily {
            ipv4: forwarding.kernel_counts(Family::Ipv4Unicast),
            ipv6: forwarding.kernel_counts(Family::Ipv6Unicast),
        });
        if config.aliases.is_some() {
            for family in Family::ALL {
                let found = protocols(running, family, view.boot).await;
                self.protocols
                    .extend(found.into_iter().map(|found| (family, found)));
            }
        }
    }
}

async fn sessions(running: &RunningView, config: MetricsConfig) -> Vec<SessionSample> {
    let mut meters = running.speaker.meters();
    meters.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let ids = meters.iter().map(|(_, meter)| meter.peer).collect();
    let known = look(running, ids).await;
    let peers = &running.plan.peers;
    let in_mesh = |peer: &&Arc<Peer>| peer.kind == PeerType::Mesh;
    let sums_up = config.mesh.sums_up(peers.iter().filter(in_mesh).count());
    let mut mesh: Option<SessionSample> = None;
    let mut samples = Vec::new();
    for peer in peers {
        let Ok(place) = meters.binary_search_by(|(name, _)| (**name).cmp(&peer.name)) else {
            continue;
        };
        let (_, meter) = &meters[place];
        let known = known.get(&meter.peer).copied().unwrap_or_default();
        let sample = SessionSample::of(peer, meter, known);
        if sums_up && peer.kind == PeerType::Mesh {
            match &mut mesh {
                Some(mesh) => mesh.add(&sample),
                None => mesh = Some(sample.into_mesh()),
            }
        } else {
            samples.push(sample);
        }
    }
    samples.extend(mesh);
    samples
}

fn about(kind: PeerType, address: &str, peer_as: &str) -> More {
    More::of(&[
        ("peer_address", address),
        ("peer_as", peer_as),
        ("type", self::kind(kind)),
    ])
}

impl SessionSample {
    /// The families of the session.
    pub(super) fn families(&self) -> impl Iterator<Item = Family> {
        let all = Family::ALL.iter().copied();
        all.filter(|family| self.families[*family])
    }

    fn of(peer: &Peer, session: &SessionMeter, known: Known) -> Self {
        let up = session.state == State::Established;
        Self {
            label: First::of(&[("peer", &peer.name)]),
            about: about(
                peer.kind,
                &peer.address.to_string(),
                &peer.peer_as.to_string(),
            ),
            states: STATES.map(|state| u64::from(state == session.state)),
            established_at: up.then(|| timestamp(session.since)),
            counters: session.counters,
            tally: Arc::clone(&session.tally),
            families: PerFamily {
                ipv4: peer.options.families.contains(&Family::Ipv4Unicast),
                ipv6: peer.options.families.contains(&Family::Ipv6Unicast),
            },
            routes: known.counts,
            outstanding: known.outstanding(session.unreported_octets),
            limit: peer.options.max_prefixes,
            bfd: session.bfd.as_ref().map(|bfd| BfdSample {
                up: u64::from(bfd.state() == BfdState::Up),
                ups: bfd.ups,
                downs: bfd.downs,
            }),
        }
    }

    fn into_mesh(self) -> Self {
        Self {
            label: First::of(&[("peer", MESH)]),
            about: about(PeerType::Mesh, "", ""),
            limit: None,
            ..self
        }
    }

    fn add(&mut self, other: &Self) {
        for (sum, count) in self.states.iter_mut().zip(other.states) {
            *sum += count;
        }
        self.established_at = self.established_at.max(other.established_at);
        if let Some(other) = other.bfd {
            let own = self.bfd.get_or_insert_default();
            own.up += other.up;
            own.ups += other.ups;
            own.downs += other.downs;
        }
        self.counters += other.counters;
        *Arc::make_mut(&mut self.tally) += &other.tally;
        for family in Family::ALL {
            self.families[family] |= other.families[family];
            self.routes[family] += other.routes[family];
        }
        self.outstanding += other.outstanding;
    }

    pub(super) fn count_in(&self, state: State) -> u64 {
        let counts = STATES.iter().zip(self.states);
        counts
            .filter(|(it, _)| **it == state)
            .map(|(_, count)| count)
            .sum()
    }
}
