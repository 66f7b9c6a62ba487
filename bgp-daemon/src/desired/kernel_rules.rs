//! The forwarding rules of a plan: which routes go into the kernel, and which are learned from it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::policy::glob_matches;
use bgp_core::rib::{ForwardRoute, LocalRoute};
use bgp_core::types::{Family, PerFamily, family_of};
use bgp_core::wire::NextHop;
use bgp_speaker::forwarding::{ForwardingPlan, ForwardingRules, Install};
use bgp_speaker::kernel::resolve::{NextHopPath, ResolvedHop};
use bgp_speaker::kernel::{Device, ForeignHop, ForeignKind, ForeignRoute, Hop, KernelRoute};
use ipnet::IpNet;

use super::local_kind::{DIRECT, KERNEL, WORKLOAD};
use crate::plan::{self, CandidateSource, KernelDecision, KernelRules, Plan, RouteOrigin, Tunnel};
use crate::resources::RoutePriority;

/// Device of IP-in-IP tunnels.
const TUNNEL_DEVICE: &str = "tunl0";
/// Devices of workloads.
const WORKLOAD_DEVICES: &str = "cali*";

/// The rules of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    kernel: KernelRules,
    /// Patterns of interfaces whose networks are not learned.
    ignored_interfaces: Vec<String>,
}

/// The rules in force: equal rules stay the same object, so that no route is decided again.
#[derive(Debug, Default)]
pub(crate) struct RulesInForce(PerFamily<Arc<Rules>>);

impl RulesInForce {
    /// The forwarding part of a plan.
    pub(crate) fn follow(&mut self, plan: &Plan) -> ForwardingPlan {
        for family in Family::ALL {
            let rules = Rules {
                kernel: plan.kernel[family].clone(),
                ignored_interfaces: plan.ignored_interfaces.clone(),
            };
            if *self.0[family] != rules {
                self.0[family] = Arc::new(rules);
            }
        }
        ForwardingPlan {
            rules: PerFamily {
                ipv4: self.0.ipv4.clone(),
                ipv6: self.0.ipv6.clone(),
            },
            own: own_routes(plan),
            // Of two gateways to a peer, the first one counts.
            gateways: plan
                .reachable_by
                .iter()
                .rev()
                .map(|host| (host.prefix.addr(), host.via))
                .collect(),
        }
    }
}

/// Blackholes for blocks, and the routes to peers.
fn own_routes(plan: &Plan) -> BTreeMap<IpNet, KernelRoute> {
    let allowed = |prefix, source| {
        let route = plan::CandidateRoute {
            prefix,
            next_hop: None,
            local_pref: None,
            source,
        };
        plan.kernel[family_of(prefix)].decide(route) != KernelDecision::Skip
    };
    // A block of a single address is announced, but the workload's own route leads to it. Service addresses are left to
    // kube-proxy.
    let blocks = plan.originate.iter().filter(|route| {
        let is_single = route.prefix.prefix_len() == route.prefix.max_prefix_len();
        route.origin == RouteOrigin::Block && !is_single
    });
    let blocks = blocks.map(|block| block.prefix);
    let blocks = blocks.filter(|prefix| allowed(*prefix, CandidateSource::Block));
    let hosts = plan.reachable_by.iter().rev();
    let hosts = hosts.filter(|host| allowed(host.prefix, CandidateSource::ReachableBy));
    let blackholes = blocks.map(|prefix| (prefix, KernelRoute::blackhole()));
    let towards = |via| KernelRoute::via(vec![Hop::gateway(via)]);
    blackholes
        .chain(hosts.map(|host| (host.prefix, towards(host.via))))
        .collect()
}

impl ForwardingRules for Rules {
    fn install(&self, prefix: IpNet, route: &ForwardRoute, next_hop: IpAddr) -> Option<Install> {
        let decision = self.kernel.decide(plan::CandidateRoute {
            prefix,
            next_hop: Some(next_hop),
            local_pref: Some(route.local_pref),
            source: CandidateSource::Peer,
        });
        match decision {
            KernelDecision::Install { metric, tunnel } => Some(Install {
                metric,
                // The outer packet goes to an IPv4 address; a router on an unnumbered link has none.
                tunnel: tunnel
                    .filter(|_| next_hop.is_ipv4())
                    .map(|Tunnel::Ipip| Device::name(TUNNEL_DEVICE)),
            }),
            KernelDecision::Skip => None,
        }
    }

    fn learn(&self, prefix: IpNet, route: &ForeignRoute) -> Option<LocalRoute> {
        let local_pref = RoutePriority::MAX.saturating_sub(route.metric);
        let hop = match &route.kind {
            ForeignKind::Unicast(hops) => hops.first(),
            ForeignKind::Blackhole | ForeignKind::Unreachable | ForeignKind::Prohibit => None,
        };
        let gateway: Option<IpAddr> = hop.and_then(|hop| hop.gateway);
        let leads_to_workload = |hop: &ForeignHop| is_workload(prefix, hop.gateway, &hop.interface);
        let kind = match hop.is_some_and(leads_to_workload) {
            true => WORKLOAD,
            false => KERNEL,
        };
        let interface = hop.map(|hop| Arc::clone(&hop.interface));
        Some(kind.route(local_pref, gateway.map(NextHop::from), interface))
    }

    fn learn_connected(&self, _: IpNet, interface: &str) -> Option<LocalRoute> {
        let mut ignored = self.ignored_interfaces.iter();
        if ignored.any(|pattern| glob_matches(pattern, interface)) {
            return None;
        }
        let local_pref = self.kernel.normal_priority.local_pref();
        Some(DIRECT.route(local_pref, None, Some(interface.into())))
    }

    /// The path to a workload on this node is always its own route.
    fn always_reaches(&self, way: &NextHopPath) -> bool {
        let to_workload = |hop: &ResolvedHop| is_workload(way.prefix, hop.gateway, &hop.interface);
        way.hops.iter().all(to_workload)
    }
}

/// Whether this path is the route to a workload on this node.
fn is_workload(prefix: IpNet, gateway: Option<IpAddr>, interface: &str) -> bool {
    prefix.prefix_len() == prefix.max_prefix_len()
        && gateway.is_none()
        && glob_matches(WORKLOAD_DEVICES, interface)
}

#[cfg(test)]
mod tests {
    use bgp_core::rib::PEER_PREFERENCE;

    use super::*;
    use crate::plan::{HostRoute, Originated, PoolRouting, PoolRule};

    fn net(text: &str) -> IpNet {
        text.parse().expect("a prefix")
    }

    fn through(interface: &str, metric: u32) -> ForeignRoute {
        ForeignRoute {
            metric,
            protocol: 80,
            kind: ForeignKind::Unicast(vec![ForeignHop {
                gateway: None,
                index: 7,
                interface: interface.into(),
            }]),
        }
    }

    /// A plan without peers, with this routing of its first pool.
    fn plan_with(routing: PoolRouting) -> Plan {
        let set = crate::resources::ResourceSet::default();
        let mut plan = plan::plan(&set, "a", &plan::Environment::default());
        plan.kernel.ipv4.pools = vec![PoolRule {
            cidr: net("10.1.0.0/16"),
            routing,
        }];
        plan
    }

    /// Promises 10.7, 11.7.
    #[test]
    fn only_own_blocks_of_more_than_one_address_are_blackholes() {
        let mut plan = plan_with(PoolRouting::Direct);
        plan.originate = [
            ("10.1.5.0/26", RouteOrigin::Block),
            ("10.1.6.1/32", RouteOrigin::Block),
            ("203.0.113.7/32", RouteOrigin::Service),
        ]
        .map(|(prefix, origin)| Originated {
            prefix: net(prefix),
            origin,
        })
        .into();
        let own = RulesInForce::default().follow(&plan).own;
        assert_eq!(own, [(net("10.1.5.0/26"), KernelRoute::blackhole())].into());
    }

    /// Promise 5.13.
    #[test]
    fn the_way_to_a_peer_is_written_as_the_plan_says() {
        let mut plan = plan_with(PoolRouting::Direct);
        let [first, second]: [IpAddr; 2] =
            ["10.0.0.254", "10.0.0.253"].map(|text| text.parse().expect("an address"));
        let prefix = net("192.0.2.1/32");
        plan.reachable_by = [first, second].map(|via| HostRoute { prefix, via }).into();
        let forwarding = RulesInForce::default().follow(&plan);
        let expected = KernelRoute::via(vec![Hop::gateway(first)]);
        assert_eq!(forwarding.own, [(prefix, expected)].into());
        assert_eq!(forwarding.gateways, [(prefix.addr(), first)].into());
    }

    #[test]
    fn equal_rules_are_the_same_object() {
        let mut in_force = RulesInForce::default();
        let mut plan = plan_with(PoolRouting::Direct);
        let first = in_force.follow(&plan);
        let again = in_force.follow(&plan);
        let same = |a: &ForwardingPlan, b: &ForwardingPlan, family| {
            Arc::ptr_eq(&a.rules[family], &b.rules[family])
        };
        assert!(
            Family::ALL
                .into_iter()
                .all(|family| same(&first, &again, family))
        );
        plan.kernel.ipv6.network = Some(net("2001:db8::/64"));
        let changed = in_force.follow(&plan);
        assert!(same(&first, &changed, Family::Ipv4Unicast));
        assert!(!same(&first, &changed, Family::Ipv6Unicast));
    }

    /// Promise 11.4.
    #[test]
    fn routes_of_a_tunnel_pool_go_through_the_tunnel_device() {
        let mut plan = plan_with(PoolRouting::Tunnel);
        plan.kernel.ipv4.reject_services = vec![net("203.0.113.0/24")];
        let forwarding = RulesInForce::default().follow(&plan);
        let next_hop: IpAddr = "10.0.0.2".parse().expect("an address");
        let route = ForwardRoute::new(vec![next_hop.into()], 2_147_482_623, 100);
        let install = |prefix| forwarding.rules.ipv4.install(net(prefix), &route, next_hop);
        let through = |tunnel| {
            let metric = Some(1024);
            Some(Install { metric, tunnel })
        };
        assert_eq!(install("10.1.7.0/26"), through(Some(Device::name("tunl0"))));
        assert_eq!(install("10.2.0.0/16"), through(None));
        assert_eq!(install("203.0.113.8/32"), None);
    }

    /// Promises 8.6, 9.6.
    #[test]
    fn a_foreign_route_carries_its_metric_and_yields_to_bgp() {
        let rules = Rules::default();
        let route = rules.learn(net("10.1.0.5/32"), &through("eth0", 512));
        let route = route.expect("a route");
        assert_eq!(route.attributes.local_pref, Some(2_147_483_647 - 512));
        assert_eq!(route.interface.as_deref(), Some("eth0"));
        assert_eq!((KERNEL.preference, DIRECT.preference), (10, 240));
        assert_eq!(route.preference, KERNEL.preference);
    }

    /// Promise 9.7.
    #[test]
    fn the_route_to_a_workload_is_compared_by_priority() {
        let rules = Rules::default();
        let preference = |prefix: &str, interface| {
            let route = rules.learn(net(prefix), &through(interface, 1024));
            route.expect("a route").preference
        };
        assert_eq!(preference("10.1.0.5/32", "cali1"), PEER_PREFERENCE);
        assert_eq!(preference("fd00::5/128", "cali1"), PEER_PREFERENCE);
        assert_eq!(preference("10.1.0.0/24", "cali1"), KERNEL.preference);
        assert_eq!(preference("10.1.0.5/32", "tap1"), KERNEL.preference);
    }

    /// Promises 8.6, 11.13, 16.2.
    #[test]
    fn connected_networks_have_the_usual_priority_unless_their_interface_is_ignored() {
        let mut rules = Rules {
            ignored_interfaces: vec!["docker*".to_owned()],
            ..Rules::default()
        };
        let prefix = net("192.0.2.0/24");
        assert_eq!(rules.learn_connected(prefix, "docker0"), None);
        for priority in [1024, 2000] {
            rules.kernel.normal_priority = RoutePriority(priority);
            let route = rules.learn_connected(prefix, "eth0").expect("a route");
            let expected = RoutePriority::MAX - priority;
            assert_eq!(route.attributes.local_pref, Some(expected));
            assert_eq!(route.preference, 240);
        }
    }
}
