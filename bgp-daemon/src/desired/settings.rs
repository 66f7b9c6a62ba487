//! The session settings of a planned peer. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bgp_core::policy::Policy;
use bgp_core::rib::NextHopMode;
use bgp_core::session::config::GracefulRestart;
use bgp_core::types::{Family, PerFamily};
use bgp_core::wire::NextHop;

use crate::plan::policy::Audience;
use crate::plan::{Peer, Plan, PlannedBfd, PlannedNextHop};
use bgp_speaker::pool::Pool;
use bgp_speaker::sockopt::{Md5Key, Ttl};
use bgp_speaker::{BfdPath, BfdSpec, PeerSpec};

/// Default restart time to advertise, seconds.
const RESTART_TIME: u16 = 120;
/// Shortest and longest time in Idle after an error.
const IDLE_HOLD: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// TTL without a TTL rule: the default of every system.
const MULTIHOP_TTL: u8 = 64;

/// Why a peer cannot be configured as planned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The kernel does not accept its password.
    #[error("its password must have 1 to 80 octets")]
    Password,
}

/// The planned addresses to listen on.
pub(crate) fn listen_addresses(plan: &Plan, port: Option<u16>) -> Vec<SocketAddr> {
    let port = port.unwrap_or(plan.listen_port);
    let any: [(Family, IpAddr); 2] = [
        (Family::Ipv4Unicast, Ipv4Addr::UNSPECIFIED.into()),
        (Family::Ipv6Unicast, Ipv6Addr::UNSPECIFIED.into()),
    ];
    any.into_iter()
        .map(|(family, any)| SocketAddr::new(plan.listen_address[family].unwrap_or(any), port))
        .collect()
}

/// The policies of a plan. Each is made once for all its peers, and is shared with an equal one in use: with thousands of peers
/// and services, separate policies would take most of the memory, and comparing them most of the time of a change.
pub(crate) struct Policies<'a> {
    plan: &'a Plan,
    in_use: &'a mut Pool<Policy>,
    made: BTreeMap<Audience<'a>, Arc<Policy>>,
}

impl<'a> Policies<'a> {
    pub(crate) fn new(plan: &'a Plan, in_use: &'a mut Pool<Policy>) -> Self {
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

    /// Import and export policy of a peer.
    pub(super) fn of_peer(&mut self, peer: &'a Peer) -> [Arc<Policy>; 2] {
        [Audience::importing(peer), Audience::exporting(peer)].map(|audience| self.of(audience))
    }

    /// The number of policies made.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.made.len()
    }
}

/// The settings of a peer whose policies are made already.
pub(super) fn with_policies(
    plan: &Plan,
    peer: &Peer,
    [import, export]: [Arc<Policy>; 2],
) -> Result<PeerSpec, SettingsError> {
    let options = &peer.options;
    let password = peer.password.as_ref();
    let md5 = password.map(|password| Md5Key::new(password.expose()));
    let restart_time = peer.graceful_restart_time.unwrap_or(RESTART_TIME);
    let mut remote = SocketAddr::new(peer.address, peer.port);
    if let (SocketAddr::V6(remote), Some(link)) = (&mut remote, &peer.link) {
        remote.set_scope_id(link.index);
    }
    let mut spec = PeerSpec::new(remote, peer.peer_as);
    spec.local_as = Some(peer.local_as);
    spec.source = peer.source_address;
    spec.passive = peer.passive;
    spec.md5 = md5.transpose().map_err(|_| SettingsError::Password)?;
    spec.ttl = match peer.ttl_security {
        Some(hops) => Ttl::Security { hops },
        None if peer.multihop => Ttl::Hops(MULTIHOP_TTL),
        None => Ttl::Hops(1),
    };
    spec.connect_retry_time = options.connect_retry_time;
    spec.idle_hold = IDLE_HOLD;
    spec.hold_time = options.hold_time;
    spec.keepalive_time = peer
        .keepalive_time
        .map(|seconds| Duration::from_secs(seconds.max(1).into()));
    spec.families.clone_from(&options.families);
    spec.add_path = options.add_path;
    spec.extended_messages = options.extended_messages;
    spec.extended_next_hop = options.extended_next_hop;
    spec.graceful_restart = peer.graceful_restart.then_some(
        GracefulRestart::new(restart_time).with_notification(options.graceful_restart_notification),
    );
    spec.long_lived_stale_time = Some(options.long_lived_stale_time.unwrap_or(Duration::ZERO));
    // RFC 9234 §4.1: roles are used between different ASes. The annotation may be on the configuration of all peers.
    spec.role = options.role.filter(|_| !peer.internal);
    spec.route_reflector_client = peer.internal && peer.route_reflector_client;
    spec.allowed_local_as = peer.allowed_local_as.into();
    spec.next_hop_mode = match peer.next_hop {
        PlannedNextHop::Own => NextHopMode::Own,
        PlannedNextHop::Keep => NextHopMode::Keep,
        PlannedNextHop::None => NextHopMode::Auto,
    };
    spec.own_next_hop = next_hops_beside(plan, peer);
    let global = plan.addresses.ipv6.and_then(|address| match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    });
    let global = global.unwrap_or(Ipv6Addr::UNSPECIFIED);
    spec.global_next_hop = options.global_next_hop.then_some(global);
    (spec.import, spec.export) = (Some(import), Some(export));
    spec.bfd = options.bfd.as_ref().map(|bfd| bfd_spec(peer, bfd));
    spec.max_prefixes = PerFamily {
        ipv4: options.max_prefixes,
        ipv6: options.max_prefixes,
    };
    Ok(spec)
}

/// A path of several hops is as long as TTL security allows, where that is configured.
fn bfd_spec(peer: &Peer, planned: &PlannedBfd) -> BfdSpec {
    let mut bfd = BfdSpec::new(planned.min_rx, planned.multiplier);
    bfd.min_tx = planned.min_tx;
    bfd.idle_tx = planned.idle_tx;
    bfd.strict = planned.strict;
    if planned.multihop {
        let hops = peer.ttl_security.unwrap_or(u8::MAX);
        let min_ttl = u8::MAX - (hops.max(1) - 1);
        bfd.path = BfdPath::Multihop { min_ttl };
    }
    bfd
}

/// Our addresses as next hops in families other than that of the session's addresses. In that one the local address of the
/// connection is the next hop.
fn next_hops_beside(plan: &Plan, peer: &Peer) -> PerFamily<Option<NextHop>> {
    let mut next_hops = PerFamily::default();
    for family in &peer.options.families {
        if *family != peer.family {
            next_hops[*family] = plan.addresses[*family].map(NextHop::from);
        }
    }
    next_hops
}

#[cfg(test)]
mod tests {
    use bgp_speaker::SpeakerConfig;

    use super::*;
    use crate::plan::{Environment, plan};
    use crate::resources::{ResourceSet, parse};

    /// A node with this many peers, every second one with a filter, and this many pools that are announced to all.
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

    /// Import and export policy of each peer, and the number of policies made for them.
    fn policies(plan: &Plan, in_use: &mut Pool<Policy>) -> (Vec<[Arc<Policy>; 2]>, usize) {
        let mut policies = Policies::new(plan, in_use);
        let settings = plan
            .peers
            .iter()
            .map(|peer| with_policies(plan, peer, policies.of_peer(peer)));
        let of_peers = settings.map(|settings| {
            let spec = settings.expect("a peer");
            [spec.import, spec.export].map(|policy| policy.expect("a policy"))
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

    /// A setting for all peers, or one that rounds to nothing, prevents no session.
    #[test]
    fn settings_that_do_not_fit_a_session_do_not_prevent_it() {
        let documents = [
            "{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: a}, spec: {bgp: {ipv4Address: 192.0.2.2/24}}}",
            "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default, annotations: {bgp-daemon.io/role: peer}}, spec: {asNumber: 64512}}",
            "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: inside}, spec: {peerIP: 192.0.2.3, asNumber: 64512, keepaliveTime: 0s}}",
            "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: outside}, spec: {peerIP: 192.0.2.4, asNumber: 65001}}",
        ];
        let parsed = parse("cluster.yaml", &documents.join("\n---\n"));
        let set = ResourceSet::from_documents(parsed.documents).set;
        let plan = plan(&set, "a", &Environment::default());
        let mut in_use = Pool::default();
        let mut policies = Policies::new(&plan, &mut in_use);
        let speaker = SpeakerConfig::new(plan.local_as, plan.router_id.expect("an identifier"));
        let roles = plan.peers.iter().map(|peer| {
            let made = policies.of_peer(peer);
            let spec = with_policies(&plan, peer, made).expect("a peer");
            assert_eq!(spec.validate(&speaker), Ok(()), "{}", peer.name);
            (peer.internal, spec.role.is_some())
        });
        let mut roles: Vec<_> = roles.collect();
        roles.sort_unstable();
        assert_eq!(roles, [(false, true), (true, false)]);
    }
}
