//! Sessions, each with the state of its task and the RIB's data.

use std::collections::BTreeMap;

use bgp_core::rib::{Rib, RouteCounts};
use bgp_core::session::{
    ErrorClass, MessageCounts, Negotiated, NotificationRecord, PeerRestart, State,
};
use bgp_core::types::{Family, PeerId, PerFamily};
use bgp_speaker::NeighbourStatus;

use super::bfd;
use crate::agent::RunningView;
use crate::api::model::{
    AddPath, Agreement, GracefulRestart, Messages, NotificationEntry, Session, SessionError,
    SessionRoutes,
};
use crate::clock::timestamp;
use crate::plan::{Peer, PeerType};

/// Peers per query of the RIB, so that it is not blocked for long.
const AT_A_TIME: usize = 1000;

/// The RIB's data about a peer.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::api) struct Known {
    pub(in crate::api) counts: PerFamily<RouteCounts>,
    complete: PerFamily<bool>,
    outstanding: usize,
    restarting: bool,
}

impl Known {
    /// Octets of UPDATEs that the peer's TCP has not taken yet, given those taken that the RIB does not know of.
    pub(in crate::api) fn outstanding(&self, unreported: usize) -> u64 {
        self.outstanding.saturating_sub(unreported) as u64
    }
}

/// All sessions of the plan, by name. A session that is just starting or ending is left out.
pub(in crate::api) async fn sessions(running: &RunningView) -> Vec<Session> {
    let statuses = running.speaker.inquirer().sessions().await;
    let known = look(
        running,
        statuses.values().map(|status| status.peer).collect(),
    )
    .await;
    let of_plan = running.plan.peers.iter().filter_map(|peer| {
        let status = statuses.get(peer.name.as_str())?;
        let known = known.get(&status.peer).copied().unwrap_or_default();
        Some(describe(running, peer, status, known))
    });
    of_plan.collect()
}

/// One session.
pub(in crate::api) async fn session(running: &RunningView, peer: &Peer) -> Option<Session> {
    let status = running.speaker.status(&peer.name).await?;
    let known = look(running, vec![status.peer]).await;
    let known = known.get(&status.peer).copied().unwrap_or_default();
    Some(describe(running, peer, &status, known))
}

/// The RIB's data about these peers; empty if the speaker has ended.
pub(in crate::api) async fn look(
    running: &RunningView,
    peers: Vec<PeerId>,
) -> BTreeMap<PeerId, Known> {
    let routes = running.speaker.routes();
    let mut all = BTreeMap::new();
    for some in peers.chunks(AT_A_TIME) {
        let some = some.to_vec();
        let look = move |rib: &Rib| -> Vec<_> {
            some.into_iter().map(|id| (id, known(rib, id))).collect()
        };
        all.extend(routes.look(look).await.unwrap_or_default());
    }
    all
}

fn known(rib: &Rib, id: PeerId) -> Known {
    Known {
        counts: per_family(|family| rib.counts(id, family)),
        complete: per_family(|family| rib.has_sent_all(id, family)),
        outstanding: rib.outstanding(id),
        restarting: rib.is_restarting(id),
    }
}

fn per_family<T>(mut value: impl FnMut(Family) -> T) -> PerFamily<T> {
    PerFamily {
        ipv4: value(Family::Ipv4Unicast),
        ipv6: value(Family::Ipv6Unicast),
    }
}

fn describe(running: &RunningView, peer: &Peer, status: &NeighbourStatus, known: Known) -> Session {
    let session = &status.session;
    let up = session.state == State::Established;
    let agreed = session.negotiated.as_ref().filter(|_| up);
    Session {
        name: peer.name.clone(),
        kind: kind(peer.kind).into(),
        from: peer.resource.clone(),
        peer_address: peer.address,
        peer_port: peer.port,
        peer_as: peer.peer_as.0,
        local_as: peer.local_as.0,
        local_address: status.local_address,
        state: session.state.into(),
        since: timestamp(session.since.unwrap_or(status.since)),
        changed: timestamp(status.since),
        enabled: !running.disabled.contains(peer.name.as_str()),
        passive: session.passive,
        password: peer.password.is_some(),
        last_error: session.last_error.as_ref().map(|error| SessionError {
            class: class(error.class).into(),
            text: error.text.clone(),
            at: timestamp(error.at),
        }),
        last_sent: session.last_sent.as_ref().map(notification),
        last_received: session.last_received.as_ref().map(notification),
        negotiated: agreed.map(|agreed| agreement(agreed)),
        bfd: status.bfd.as_ref().map(|status| {
            let planned = peer.options.bfd.as_ref();
            bfd::describe(status, planned.is_some_and(|bfd| bfd.strict))
        }),
        received: messages(session.counters.received),
        sent: messages(session.counters.sent),
        established: session.counters.established,
        flaps: session.counters.flaps,
        restarting: known.restarting,
        outstanding_bytes: known.outstanding(status.unreported_octets),
        routes: peer
            .options
            .families
            .iter()
            .map(|family| SessionRoutes {
                negotiated: agreed.is_some_and(|agreed| agreed.context.families[*family]),
                limit: peer.options.max_prefixes.map(u64::from),
                ..routes(*family, known)
            })
            .collect(),
    }
}

fn routes(family: Family, known: Known) -> SessionRoutes {
    let counts = known.counts[family];
    SessionRoutes {
        family: family.to_string(),
        negotiated: false,
        received: counts.received as u64,
        accepted: counts.imported as u64,
        best: counts.preferred as u64,
        told: counts.exported as u64,
        stale: counts.stale as u64,
        end_of_rib: known.complete[family],
        limit: None,
    }
}

/// The name in the plan.
pub(in crate::api) const fn kind(kind: PeerType) -> &'static str {
    match kind {
        PeerType::Mesh => "mesh",
        PeerType::Node => "node",
        PeerType::Global => "global",
        PeerType::Local => "local",
    }
}

const fn class(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Socket => "socket",
        ErrorClass::Received => "received",
        ErrorClass::Sent => "sent",
        ErrorClass::AutomaticShutdown => "automatic-shutdown",
        _ => "local",
    }
}

fn notification(record: &NotificationRecord) -> NotificationEntry {
    NotificationEntry {
        code: record.notification.code.0,
        subcode: record.notification.subcode,
        text: record.text.clone(),
        message: record.communication.clone(),
        at: timestamp(record.at),
    }
}

fn messages(counts: MessageCounts) -> Messages {
    Messages {
        open: counts.open,
        update: counts.update,
        notification: counts.notification,
        keepalive: counts.keepalive,
        route_refresh: counts.route_refresh,
    }
}

fn agreement(agreed: &Negotiated) -> Agreement {
    let context = &agreed.context;
    let families = || {
        Family::ALL
            .into_iter()
            .filter(|family| context.families[*family])
    };
    let add_path = families().map(|family| AddPath {
        family: family.to_string(),
        receive: context.add_path_receive[family],
        send: context.add_path_send[family],
    });
    Agreement {
        peer_as: agreed.peer_as.0,
        peer_id: agreed.peer_id.to_string(),
        hold_time: agreed.hold_time.as_secs(),
        keepalive_time: agreed.keepalive_time.as_secs(),
        families: families().map(|family| family.to_string()).collect(),
        add_path: add_path
            .filter(|add_path| add_path.receive || add_path.send)
            .collect(),
        extended_messages: context.max_send_len > bgp_core::wire::MAX_MESSAGE_LEN,
        four_octet_as: context.four_octet_as,
        route_refresh: agreed.route_refresh,
        graceful_restart: agreed.graceful_restart.as_ref().map(graceful_restart),
    }
}

fn graceful_restart(restart: &PeerRestart) -> GracefulRestart {
    let kept = Family::ALL
        .into_iter()
        .filter(|family| restart.families[*family].is_some());
    GracefulRestart {
        restart_time: restart.restart_time.as_secs(),
        notification: restart.notification,
        families: kept.map(|family| family.to_string()).collect(),
    }
}
