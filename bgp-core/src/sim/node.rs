//! One simulated machine: a real [`SansIoSpeaker`], the routes that it originates, and the observed state of its sessions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::filter::Filter;
use super::naive::NaiveRoute;
use super::network::{EndSpec, Network, peer_id};
use super::tap::Tap;
use crate::rib::{ForwardRoute, LocalRoute, PeerConfig, RibConfig};
use crate::session::config::{GracefulRestart, RoleConfig};
use crate::session::{Negotiated, SessionConfig};
use crate::speaker::{NeighbourConfig, SansIoSpeaker};
use crate::types::{Family, PerFamily, RouterId};
use crate::wire::attribute::{Attributes, Community, Origin};
use crate::wire::{AddPathDirection, NextHop};

/// The preference of local routes: above that of other routes, so that the network has one stable state.
pub(super) const LOCAL_PREFERENCE: u32 = 200;

/// A machine.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// `None` while the process does not run.
    pub(super) speaker: Option<SansIoSpeaker>,
    /// The machine is off: it does not even refuse connections.
    pub(super) unpowered: bool,
    /// The process was started with preserved forwarding state.
    pub(super) restarted: bool,
    /// The speaker defers all decisions (RFC 4724 §4.1).
    pub(super) deferring: bool,
    /// Reads a few octets at a time.
    pub(super) slow: bool,
    /// The speaker's next deadline.
    pub(super) wake_at: Option<Instant>,
    /// Local routes.
    pub(super) local: BTreeMap<IpNet, NaiveRoute>,
    /// Installed routes.
    pub(super) installed: BTreeMap<IpNet, ForwardRoute>,
    /// By neighbour.
    pub(super) sessions: BTreeMap<usize, SessionView>,
}

/// The observed state of a session.
#[derive(Debug, Default)]
pub(super) struct SessionView {
    /// Removed from the configuration.
    pub(super) removed: bool,
    /// Since when it is up.
    pub(super) up: Option<Instant>,
    /// The last end of the session since the process was started.
    pub(super) down: Option<DownView>,
    /// The neighbour's identifier as received, possibly corrupted; kept until the session comes up again.
    pub(super) identifier: Option<RouterId>,
    /// Both sides take part in graceful restart.
    pub(super) restarts_gracefully: bool,
    /// How long the neighbour's routes may be stale after a loss.
    pub(super) restart_time: Duration,
    /// Observes the messages to the neighbour.
    pub(super) tap: Tap,
}

/// The end of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct DownView {
    pub(super) at: Instant,
    pub(super) keep_stale: PerFamily<bool>,
}

impl SessionView {
    /// The session came up.
    pub(super) fn up(&mut self, now: Instant, negotiated: &Negotiated) {
        self.up = Some(now);
        self.identifier = Some(negotiated.peer_id);
        self.restarts_gracefully = negotiated.graceful_restart.is_some();
        self.restart_time = negotiated
            .graceful_restart
            .map_or(Duration::ZERO, |restart| restart.restart_time);
        self.tap.up(&negotiated.context);
    }

    /// The session went down.
    pub(super) fn down(&mut self, now: Instant, keep_stale: PerFamily<bool>) {
        self.up = None;
        self.down = Some(DownView {
            at: now,
            keep_stale,
        });
        self.tap.down();
    }
}

impl Node {
    /// Starts the process.
    pub(super) fn boot(
        &mut self,
        network: &Network,
        node: usize,
        now: Instant,
        seed: u64,
        graceful: bool,
    ) {
        let spec = &network.nodes[node];
        let config = RibConfig {
            cluster_id: spec.cluster_id,
            resolve_next_hops: network.terms.resolve_next_hops,
            forwarding: true,
            ..RibConfig::new(spec.router_id)
        };
        let mut speaker = SansIoSpeaker::new(config, now, seed);
        let peers: Vec<usize> = network.neighbours(node).collect();
        self.restarted = graceful && network.terms.restart_time.is_some();
        self.deferring = self.restarted;
        if self.restarted {
            let ids = peers.iter().map(|peer| peer_id(*peer));
            let families = &network.terms.families;
            let expected = ids
                .flat_map(|id| families.iter().map(move |family| (id, *family)))
                .collect();
            speaker.defer(now, expected, now + UP_BY, now + DEFERRAL);
        }
        for (prefix, route) in &self.local {
            speaker.announce(now, *prefix, local_route(route));
        }
        self.sessions = peers
            .iter()
            .map(|peer| (*peer, SessionView::default()))
            .collect();
        self.installed.clear();
        self.unpowered = false;
        self.wake_at = None;
        self.speaker = Some(speaker);
    }

    /// Whether a neighbour is known by a wrong identifier, which changes tie-breaks.
    pub(super) fn mistakes_a_neighbour(&self, network: &Network) -> bool {
        let differs = |(peer, view): (&usize, &SessionView)| {
            view.identifier
                .is_some_and(|told| told != network.nodes[*peer].router_id)
        };
        self.sessions.iter().any(differs)
    }

    /// Configures a neighbour.
    pub(super) fn configure(&mut self, network: &Network, now: Instant, node: usize, peer: usize) {
        if let (Some(speaker), Some(end)) = (&mut self.speaker, network.end(node, peer)) {
            speaker.configure(
                now,
                peer_id(peer),
                neighbour(network, end, peer, self.restarted),
            );
        }
    }
}

/// A local route as configured in the speaker.
pub(super) fn local_route(route: &NaiveRoute) -> LocalRoute {
    let attributes = Attributes {
        origin: match route.origin {
            0 => Origin::Igp,
            1 => Origin::Egp,
            _ => Origin::Incomplete,
        },
        med: route.med,
        local_pref: route.local_pref,
        communities: route
            .communities
            .iter()
            .map(|community| Community(*community))
            .collect(),
        ..Attributes::default()
    };
    LocalRoute {
        id: 0,
        attributes,
        next_hop: None,
        interface: None,
        preference: LOCAL_PREFERENCE,
        ..LocalRoute::default()
    }
}

fn neighbour(network: &Network, end: &EndSpec, peer: usize, restarted: bool) -> NeighbourConfig {
    let own_next_hop = |family| Some(NextHop::from(network.own_next_hop(end.node, family)));
    let routes = PeerConfig {
        address: network.address(peer),
        scope: 0,
        kind: end.kind,
        local_as: network.nodes[end.node].asn,
        peer_as: network.nodes[peer].asn,
        allowed_local_as: end.allowed_local_as,
        next_hop_mode: end.next_hop_mode,
        import: Arc::new(Filter::policy(&end.import)),
        export: Arc::new(Filter::policy(&end.export)),
        max_prefixes: PerFamily::default(),
        role: end.role,
    };
    NeighbourConfig {
        session: Arc::new(session(network, end, peer, restarted)),
        routes: Arc::new(routes),
        own_next_hop: PerFamily {
            ipv4: own_next_hop(Family::Ipv4Unicast),
            ipv6: own_next_hop(Family::Ipv6Unicast),
        },
        global_next_hop: None,
    }
}

fn session(network: &Network, end: &EndSpec, peer: usize, restarted: bool) -> SessionConfig {
    let terms = &network.terms;
    // Each speaker has a different delay, which is always the same.
    let share = u32::try_from((end.node * 31 + peer * 17) % 16).unwrap_or_default();
    SessionConfig {
        local_as: network.nodes[end.node].asn,
        peer_as: network.nodes[peer].asn,
        router_id: network.nodes[end.node].router_id,
        peer_address: network.address(peer),
        passive: end.passive,
        hold_time: Duration::from_secs(end.hold_time.into()),
        keepalive_time: None,
        connect_delay: terms.connect_delay * share / 15,
        connect_retry_time: terms.connect_retry_time,
        idle_hold: terms.idle_hold,
        families: terms.families.clone(),
        add_path: terms.add_path.then_some(AddPathDirection::Both),
        extended_messages: terms.extended_messages,
        extended_next_hop: network.carries_ipv4_over_ipv6(),
        graceful_restart: terms.restart_time.map(|restart_time| GracefulRestart {
            restart_time,
            restarting: restarted,
            notification: terms.notification_restart,
        }),
        long_lived_stale_time: None,
        role: end.role.map(|role| RoleConfig {
            role,
            strict: false,
        }),
        fqdn: None,
        software_version: None,
        opaque_families: Vec::new(),
        extra_capabilities: Vec::new(),
    }
}

/// After a restart, neighbours that are not up by then are not awaited.
const UP_BY: Duration = Duration::from_secs(60);
/// After a restart, the deferral ends then.
pub(super) const DEFERRAL: Duration = Duration::from_secs(120);
