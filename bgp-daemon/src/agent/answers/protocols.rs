//! `show protocols`: sessions, and the parts of the speaker with routes of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bgp_core::rib::{PeerStats, Rib, RouteCounts as RibCounts};
use bgp_core::session::{self, Negotiated, SessionStatus, State};
use bgp_core::types::{Family, PeerId};
use bgp_core::wire::{AddPathDirection, Capability};
use jiff::Timestamp;

use super::super::view::RunningView;
use super::bfd;
use crate::clock::timestamp;
use crate::control::command::NamePattern;
use crate::control::model::{
    BgpSnapshot, BgpState, ChangeCounts, Countdown, ErrorClass, EstablishedSnapshot, LastError,
    NeighborCapabilities, ProtocolKind, ProtocolSnapshot, ProtocolState, RestartSupport,
    RouteChanges, RouteCounts, RouteLimit, Waiting,
};
use crate::desired::local_kind::{DIRECT, HOST_ROUTE, KERNEL, STATIC};
use crate::plan::Peer;
use bgp_speaker::forwarding::Forwarding;
use bgp_speaker::{Inquirer, NeighbourStatus, Routes};

/// All protocols of one family with all details, internal ones first.
pub(crate) async fn protocols(
    running: &RunningView,
    family: Family,
    boot: Timestamp,
) -> Vec<ProtocolSnapshot> {
    let observer = Observer::new(Some(running), family, boot);
    observer.protocols(&NamePattern::any(), true).await
}

/// Reads the sessions of one family, as configured now.
pub(super) struct Observer {
    family: Family,
    boot: Timestamp,
    running: Option<(Inquirer, Routes)>,
    forwarding: Option<Forwarding>,
    /// Configured peers, and whether an operator disabled them.
    peers: Vec<(Arc<Peer>, bool)>,
}

/// The RIB's data about a peer.
#[derive(Clone, Copy, Default)]
struct Known {
    counts: RibCounts,
    stats: PeerStats,
    restarting: bool,
}

impl Observer {
    pub(super) fn new(running: Option<&RunningView>, family: Family, boot: Timestamp) -> Self {
        let peers = running.into_iter().flat_map(|running| {
            let of_family = running
                .plan
                .peers
                .iter()
                .filter(move |peer| peer.family == family);
            of_family.map(|peer| {
                (
                    Arc::clone(peer),
                    running.disabled.contains(peer.name.as_str()),
                )
            })
        });
        Self {
            family,
            boot,
            peers: peers.collect(),
            running: running.map(|running| (running.speaker.inquirer(), running.speaker.routes())),
            forwarding: running.and_then(|running| running.forwarding.clone()),
        }
    }

    /// The matching protocols, internal ones first.
    pub(super) async fn protocols(&self, name: &NamePattern, all: bool) -> Vec<ProtocolSnapshot> {
        let kinds = [
            ("static1", ProtocolKind::Static, 200),
            ("kernel1", ProtocolKind::Kernel, 10),
            ("device1", ProtocolKind::Device, 240),
            ("direct1", ProtocolKind::Direct, 240),
        ];
        let mut found = Vec::new();
        for (internal, kind, preference) in kinds {
            if name.matches(internal) {
                let routes = if all {
                    self.internal_counts(kind).await
                } else {
                    RouteCounts::default()
                };
                found.push(self.internal(internal, kind, preference, routes));
            }
        }
        let Some((inquirer, routes)) = &self.running else {
            return found;
        };
        let named = self.peers.iter();
        let named: Vec<_> = named.filter(|(peer, _)| name.matches(&peer.name)).collect();
        if named.is_empty() {
            return found;
        }
        let sessions = inquirer.sessions().await;
        let mut known = BTreeMap::new();
        if all {
            let ids = named.iter().filter_map(|(peer, _)| {
                let status = sessions.get(peer.name.as_str())?;
                Some(status.peer)
            });
            let (ids, family): (Vec<PeerId>, _) = (ids.collect(), self.family);
            known = routes
                .look(move |rib| look_up(rib, &ids, family))
                .await
                .unwrap_or_default();
        }
        for (peer, disabled) in named {
            if let Some(status) = sessions.get(peer.name.as_str()) {
                let known = known.get(&status.peer).copied().unwrap_or_default();
                found.push(bgp_protocol(peer, *disabled, status, known));
            }
        }
        found
    }

    /// Routes from and to a part of the speaker.
    async fn internal_counts(&self, kind: ProtocolKind) -> RouteCounts {
        let ids: &[u32] = match kind {
            ProtocolKind::Static => &[STATIC.id, HOST_ROUTE.id],
            ProtocolKind::Kernel => &[KERNEL.id],
            ProtocolKind::Direct => &[DIRECT.id],
            ProtocolKind::Device | ProtocolKind::Bgp => &[],
        };
        let (mut counts, family) = (RouteCounts::default(), self.family);
        if let Some((_, routes)) = &self.running
            && !ids.is_empty()
        {
            let count = move |rib: &Rib| {
                let ids = ids.iter().map(|id| rib.local_counts(*id, family));
                ids.fold((0, 0), |(imported, preferred), counts| {
                    (imported + counts.imported, preferred + counts.preferred)
                })
            };
            let (imported, preferred) = routes.look(count).await.unwrap_or_default();
            (counts.imported, counts.preferred) = (imported as u64, preferred as u64);
        }
        if kind == ProtocolKind::Kernel {
            let exported = match &self.forwarding {
                Some(forwarding) => {
                    forwarding
                        .look(move |state| state.kernel_count(family))
                        .await
                }
                None => Ok(0),
            };
            counts.exported = exported.unwrap_or_default() as u64;
        }
        counts
    }

    fn internal(
        &self,
        name: &str,
        kind: ProtocolKind,
        preference: u32,
        routes: RouteCounts,
    ) -> ProtocolSnapshot {
        ProtocolSnapshot {
            name: name.into(),
            kind,
            state: ProtocolState::Up,
            since: self.boot,
            description: None,
            preference,
            input_filter: "ACCEPT".into(),
            output_filter: if kind == ProtocolKind::Kernel {
                "(unnamed)".into()
            } else {
                "REJECT".into()
            },
            routes,
            changes: RouteChanges::default(),
            bgp: None,
        }
    }
}

fn look_up(rib: &Rib, ids: &[PeerId], family: Family) -> BTreeMap<PeerId, Known> {
    let known = |id: &PeerId| Known {
        counts: rib.counts(*id, family),
        stats: rib.stats(*id, family),
        restarting: rib.is_restarting(*id),
    };
    ids.iter().map(|id| (*id, known(id))).collect()
}

fn bgp_protocol(
    peer: &Peer,
    disabled: bool,
    status: &NeighbourStatus,
    known: Known,
) -> ProtocolSnapshot {
    let counts = known.counts;
    let state = match (status.session.state, disabled) {
        (State::Established, _) => ProtocolState::Up,
        (_, true) => ProtocolState::Down,
        (_, false) => ProtocolState::Start,
    };
    ProtocolSnapshot {
        name: Arc::from(peer.name.as_str()),
        kind: ProtocolKind::Bgp,
        state,
        since: timestamp(status.since),
        description: Some("Connection to BGP peer".into()),
        preference: 100,
        input_filter: "(unnamed)".into(),
        output_filter: "(unnamed)".into(),
        routes: RouteCounts {
            imported: counts.imported as u64,
            exported: counts.exported as u64,
            preferred: counts.preferred as u64,
        },
        changes: changes(known.stats),
        bgp: Some(bgp(peer, disabled, status, known)),
    }
}

fn changes(stats: PeerStats) -> RouteChanges {
    let accepted = stats
        .import_updates
        .saturating_sub(stats.import_filtered + stats.import_invalid + stats.import_ignored);
    let withdrawn = stats
        .import_withdraws
        .saturating_sub(stats.import_withdraws_ignored);
    let exports = stats.export_updates + stats.export_rejected + stats.export_filtered;
    RouteChanges {
        import_updates: ChangeCounts {
            received: Some(stats.import_updates),
            rejected: Some(stats.import_invalid),
            filtered: Some(stats.import_filtered),
            ignored: Some(stats.import_ignored),
            accepted: Some(accepted),
        },
        import_withdraws: ChangeCounts {
            received: Some(stats.import_withdraws),
            rejected: Some(0),
            filtered: None,
            ignored: Some(stats.import_withdraws_ignored),
            accepted: Some(withdrawn),
        },
        export_updates: ChangeCounts {
            received: Some(exports),
            rejected: Some(stats.export_rejected),
            filtered: Some(stats.export_filtered),
            ignored: None,
            accepted: Some(stats.export_updates),
        },
        export_withdraws: ChangeCounts {
            received: Some(stats.export_gone),
            rejected: None,
            filtered: None,
            ignored: None,
            accepted: Some(stats.export_withdraws),
        },
    }
}

fn bgp(peer: &Peer, disabled: bool, status: &NeighbourStatus, known: Known) -> BgpSnapshot {
    let session = &status.session;
    let established = session
        .negotiated
        .as_ref()
        .filter(|_| session.state == State::Established);
    let state = if disabled && session.state == State::Idle {
        BgpState::Down
    } else {
        session.state.into()
    };
    BgpSnapshot {
        state,
        message: message(session),
        last_error: session.last_error.as_ref().map(|error| LastError {
            class: match error.class {
                session::ErrorClass::Socket => ErrorClass::Socket,
                session::ErrorClass::Received => ErrorClass::Received,
                session::ErrorClass::Sent => ErrorClass::Sent,
                session::ErrorClass::AutomaticShutdown => ErrorClass::AutoDown,
                _ => ErrorClass::Misc,
            },
            text: error.text.clone(),
        }),
        neighbor_address: peer.address,
        neighbor_port: peer.port,
        neighbor_as: peer.peer_as,
        local_as: peer.local_as,
        neighbor_restarting: known.restarting,
        waiting: waiting(peer, status),
        established: established
            .map(|agreed| self::established(peer, status, agreed, known.counts)),
        bfd: status.bfd.as_ref().map(bfd::snapshot),
    }
}

/// The message that came with the error.
fn message(session: &SessionStatus) -> Option<String> {
    let error = session.last_error.as_ref()?;
    let received = session.last_received.as_ref()?;
    let same = error.class == session::ErrorClass::Received && error.at == received.at;
    received.communication.clone().filter(|_| same)
}

fn waiting(peer: &Peer, status: &NeighbourStatus) -> Option<Waiting> {
    let retry = peer.options.connect_retry_time.as_secs();
    let pause = |until: Instant| {
        let since = status.session.since.unwrap_or(until);
        let total = until.saturating_duration_since(since).as_secs();
        Waiting::ErrorPause(countdown(until, total))
    };
    let idle = status.session.idle_until.map(pause);
    idle.or_else(|| {
        status
            .session
            .connect_retry_at
            .map(|at| Waiting::Connect(countdown(at, retry)))
    })
}

/// The remaining time of a timer; never more than its total.
fn countdown(until: Instant, total_secs: u64) -> Countdown {
    let remaining_secs = until.saturating_duration_since(Instant::now()).as_secs();
    Countdown {
        remaining_secs,
        total_secs: total_secs.max(remaining_secs),
    }
}

fn established(
    peer: &Peer,
    status: &NeighbourStatus,
    agreed: &Negotiated,
    counts: RibCounts,
) -> EstablishedSnapshot {
    let context = &agreed.context;
    let connection = status
        .session
        .connections
        .iter()
        .find(|connection| connection.state == State::Established);
    let hold = connection.and_then(|connection| connection.hold_until);
    let keepalive = connection.and_then(|connection| connection.keepalive_at);
    EstablishedSnapshot {
        neighbor_id: agreed.peer_id,
        capabilities: capabilities(agreed),
        internal: peer.internal,
        multihop: peer.multihop,
        route_reflector_client: peer.route_reflector_client,
        four_octet_as: context.four_octet_as,
        add_path_receive: context.add_path_receive[peer.family],
        add_path_send: context.add_path_send[peer.family],
        extended_messages: context.max_send_len > bgp_core::wire::MAX_MESSAGE_LEN,
        source_address: status
            .local_address
            .or(peer.source_address)
            .unwrap_or(peer.address),
        route_limit: peer.options.max_prefixes.map(|limit| RouteLimit {
            routes: counts.imported as u64,
            limit: limit.into(),
        }),
        hold: hold.map(|until| countdown(until, agreed.hold_time.as_secs())),
        keepalive: keepalive.map(|until| countdown(until, agreed.keepalive_time.as_secs())),
    }
}

fn capabilities(agreed: &Negotiated) -> NeighborCapabilities {
    let mut known = NeighborCapabilities::default();
    for capability in &agreed.received_open.capabilities {
        match capability {
            Capability::RouteRefresh => known.route_refresh = true,
            Capability::EnhancedRouteRefresh => known.enhanced_route_refresh = true,
            Capability::GracefulRestart { families, .. } => {
                known.graceful_restart = support(families.is_empty());
            }
            Capability::LongLivedGracefulRestart(families) => {
                known.long_lived_restart = support(families.is_empty());
            }
            Capability::FourOctetAs(_) => known.four_octet_as = true,
            Capability::AddPath(families) => {
                let has = |direction| {
                    families.iter().any(|(_, offered)| {
                        *offered == direction || *offered == AddPathDirection::Both
                    })
                };
                known.add_path_receive |= has(AddPathDirection::Receive);
                known.add_path_send |= has(AddPathDirection::Send);
            }
            Capability::ExtendedMessage => known.extended_messages = true,
            _ => {}
        }
    }
    known
}

fn support(no_families: bool) -> RestartSupport {
    if no_families {
        RestartSupport::Aware
    } else {
        RestartSupport::Able
    }
}
