//! A peer of the plan to the settings of a session. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::rib::{NextHopMode, PeerConfig, PeerKind};
use bgp_core::session::SessionConfig;
use bgp_core::session::config::GracefulRestart;
use bgp_core::speaker::NeighbourConfig;
use bgp_core::types::{Family, PerFamily};
use bgp_core::wire::NextHop;

use crate::plan::policy::Audience;
use crate::plan::{NextHop as PlannedNextHop, Peer, Plan};
use bgp_speaker::PeerSettings;
use bgp_speaker::connect::{self, Dial};
use bgp_speaker::pool::Pool;
use bgp_speaker::sockopt::{Md5Key, Ttl};

/// Restart time that is announced if nothing else is configured, seconds.
const RESTART_TIME: u16 = 120;
/// Pause between the start and the first try to connect: none, peers that are there are spoken to at once.
const CONNECT_DELAY: Duration = Duration::ZERO;
/// Shortest and longest pause after an error.
const IDLE_HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// What no TTL rule travels: the default of every system.
const MULTIHOP_TTL: u8 = 64;

/// A peer that cannot be spoken to as the plan says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    /// Its password is not one that the kernel takes.
    #[error("its password must have 1 to 80 octets")]
    Password,
    /// There is no router ID to speak with.
    #[error("this node has no router ID")]
    RouterId,
}

/// Where the plan says to listen.
pub(super) fn listen_addresses(plan: &Plan, port: Option<u16>) -> Vec<SocketAddr> {
    let port = port.unwrap_or(plan.listen_port);
    let any: [(Family, IpAddr); 2] = [
        (Family::Ipv4Unicast, Ipv4Addr::UNSPECIFIED.into()),
        (Family::Ipv6Unicast, Ipv6Addr::UNSPECIFIED.into()),
    ];
    any.into_iter()
        .map(|(family, any)| SocketAddr::new(plan.listen_address[family].unwrap_or(any), port))
        .collect()
}

/// The policies of a plan. Each is made once for all its peers, and is the same object as an equal one that is in use: with
/// thousands of peers and services, a policy for each would be most of the memory, and to compare them most of a change.
pub(super) struct Policies<'a> {
    plan: &'a Plan,
    in_use: &'a mut Pool<Policy>,
    made: BTreeMap<Audience<'a>, Arc<Policy>>,
}

impl<'a> Policies<'a> {
    pub(super) fn new(plan: &'a Plan, in_use: &'a mut Pool<Policy>) -> Self {
        Self {
            plan,
            in_use,
            made: BTreeMap::new(),
        }
    }

    fn of(&mut self, audience: Audience<'a>) -> Arc<Policy> {
        let (plan, in_use) = (self.plan, &mut *self.in_use);
        let made = self.made.entry(audience);
        Arc::clone(made.or_insert_with(|| in_use.share(audience.policy(plan))))
    }

    /// How many were made.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.made.len()
    }
}

/// The settings of a session.
pub(super) fn of_peer<'a>(
    plan: &'a Plan,
    peer: &'a Peer,
    policies: &mut Policies<'a>,
) -> Result<PeerSettings, SettingsError> {
    let neighbour = NeighbourConfig {
        session: Arc::new(session(plan, peer)?),
        routes: Arc::new(routes(peer, policies)),
        own_next_hop: next_hops_beside(plan, peer),
    };
    let md5 = peer
        .password
        .as_ref()
        .map(|password| Md5Key::new(password.expose()))
        .transpose();
    let dial = Dial {
        remote: SocketAddr::new(peer.address, peer.port),
        source: peer.source_address,
        md5: md5.map_err(|_| SettingsError::Password)?,
        ttl: match peer.ttl_security {
            Some(hops) => Ttl::Security { hops },
            None if peer.multihop => Ttl::Hops(MULTIHOP_TTL),
            None => Ttl::Hops(1),
        },
        timeout: connect::TIMEOUT,
    };
    Ok(PeerSettings { neighbour, dial })
}

/// Our addresses as next hops in families that the session carries beside that of its own addresses. In that one the local
/// address of the connection is the next hop.
fn next_hops_beside(plan: &Plan, peer: &Peer) -> PerFamily<Option<NextHop>> {
    let mut next_hops = PerFamily::default();
    for family in &peer.options.families {
        if *family != peer.family {
            next_hops[*family] = plan.addresses[*family].map(NextHop::from);
        }
    }
    next_hops
}

fn session(plan: &Plan, peer: &Peer) -> Result<SessionConfig, SettingsError> {
    let options = &peer.options;
    let restart_time = peer.graceful_restart_time.unwrap_or(RESTART_TIME);
    Ok(SessionConfig {
        local_as: peer.local_as,
        peer_as: peer.peer_as,
        router_id: plan.router_id.ok_or(SettingsError::RouterId)?,
        peer_address: peer.address,
        passive: peer.passive,
        hold_time: options.hold_time,
        keepalive_time: peer
            .keepalive_time
            .map(|seconds| Duration::from_secs(seconds.into())),
        connect_delay: CONNECT_DELAY,
        connect_retry_time: options.connect_retry_time,
        idle_hold: IDLE_HOLD,
        families: options.families.clone(),
        add_path: options.add_path,
        extended_messages: options.extended_messages,
        extended_next_hop: options.extended_next_hop,
        graceful_restart: peer.graceful_restart.then_some(GracefulRestart {
            restart_time,
            restarting: false,
            notification: options.graceful_restart_notification,
        }),
        long_lived_stale_time: Some(options.long_lived_stale_time.unwrap_or(Duration::ZERO)),
        role: options.role,
        fqdn: None,
        software_version: None,
        opaque_families: Vec::new(),
        extra_capabilities: Vec::new(),
    })
}

fn routes<'a>(peer: &'a Peer, policies: &mut Policies<'a>) -> PeerConfig {
    PeerConfig {
        address: peer.address,
        kind: match (peer.internal, peer.route_reflector_client) {
            (false, _) => PeerKind::External,
            (true, true) => PeerKind::Client,
            (true, false) => PeerKind::Internal,
        },
        local_as: peer.local_as,
        peer_as: peer.peer_as,
        allowed_local_as: peer.allowed_local_as.into(),
        next_hop_mode: match peer.next_hop {
            PlannedNextHop::Own => NextHopMode::Own,
            PlannedNextHop::Keep => NextHopMode::Keep,
            PlannedNextHop::None => NextHopMode::Auto,
        },
        import: policies.of(Audience::importing(peer)),
        export: policies.of(Audience::exporting(peer)),
        max_prefixes: PerFamily {
            ipv4: peer.options.max_prefixes,
            ipv6: peer.options.max_prefixes,
        },
        role: peer.options.role.map(|role| role.role),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Environment, plan};
    use crate::resources::{ResourceSet, parse};

    /// A node with so many peers, every second one with a filter, and so many pools that are announced to all.
    fn cluster(peers: u8, pools: u8) -> Plan {
        let object = |kind: &str, name: String, spec: String| {
            format!(
                "{{apiVersion: projectcalico.org/v3, kind: {kind}, metadata: {{name: {name}}}, spec: {{{spec}}}}}"
            )
        };
        let filter = "exportV4: [{action: Accept, cidr: 10.1.0.0/16, matchOperator: In}]";
        let mut documents = vec![
            object(
                "Node",
                "a".into(),
                "bgp: {ipv4Address: 192.0.2.2/24}".into(),
            ),
            object("BGPFilter", "f".into(), filter.into()),
        ];
        documents.extend(
            (0..pools)
                .map(|i| object("IPPool", format!("pool{i}"), format!("cidr: 10.{i}.0.0/16"))),
        );
        documents.extend((0..peers).map(|i| {
            let filters = if i % 2 == 0 { ", filters: [f]" } else { "" };
            let spec = format!("peerIP: 192.0.2.{}, asNumber: 65001{filters}", 100 + i);
            object("BGPPeer", format!("p{i}"), spec)
        }));
        let parsed = parse("cluster.yaml", &documents.join("\n---\n"));
        let set = ResourceSet::from_documents(parsed.documents).set;
        let plan = plan(&set, "a", &Environment::default());
        assert_eq!(plan.peers.len(), usize::from(peers));
        plan
    }

    /// Import and export of each peer, and how many policies were made for them.
    fn policies(plan: &Plan, in_use: &mut Pool<Policy>) -> (Vec<[Arc<Policy>; 2]>, usize) {
        let mut policies = Policies::new(plan, in_use);
        let settings = plan
            .peers
            .iter()
            .map(|peer| of_peer(plan, peer, &mut policies));
        let of_peers = settings.map(|settings| {
            let PeerConfig { import, export, .. } = &*settings.expect("a peer").neighbour.routes;
            [Arc::clone(import), Arc::clone(export)]
        });
        (of_peers.collect(), policies.count())
    }

    #[test]
    fn peers_that_are_alike_share_policies_and_so_do_plans() {
        let mut in_use = Pool::default();
        let same =
            |a: &[Arc<Policy>; 2], b: &[Arc<Policy>; 2]| [0, 1].map(|i| Arc::ptr_eq(&a[i], &b[i]));
        let (few, made) = policies(&cluster(10, 3), &mut in_use);
        assert_eq!(made, 3, "the filter has no rules for import");
        let (many, made) = policies(&cluster(20, 3), &mut in_use);
        assert_eq!(made, 3);
        for policies in &many {
            let [first, second] = [&few[0], &few[1]].map(|others| same(policies, others));
            assert!(first == [true; 2] || second == [true; 2]);
        }
        let (changed, _) = policies(&cluster(10, 4), &mut in_use);
        assert_eq!(
            same(&changed[0], &few[0]),
            [true, false],
            "only what is told changes"
        );
        assert_eq!(same(&changed[0], &changed[2]), [true; 2]);
        drop((few, many));
        in_use.forget_unused();
        assert_eq!(
            in_use.len(),
            3,
            "nothing is kept of what is no longer in use"
        );
    }
}
