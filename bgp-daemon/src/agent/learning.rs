//! Routes that the RIB learns from the kernel: those of other programs, such as the routes to workloads, and directly connected
//! networks. They are announced where the export rules let them, and lead the way to workloads and gateways.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::policy::glob_matches;
use bgp_core::rib::{Input, LocalRoute};
use bgp_core::types::{PerFamily, family_of};
use bgp_core::wire::{Attributes, NextHop};
use ipnet::IpNet;

use super::{DIRECT, KERNEL, WORKLOAD};
use crate::kernel::{ForeignHop, ForeignKind, ForeignRoute, KernelEvent};
use crate::resources::RoutePriority;

/// What was learned, which interfaces are not learned from, and the usual priority, which connected networks have.
#[derive(Debug, Default)]
pub(super) struct Learning {
    ignored: Vec<String>,
    usual: PerFamily<RoutePriority>,
    direct: std::collections::BTreeMap<IpNet, Vec<Arc<str>>>,
    told: BTreeSet<IpNet>,
}

impl Learning {
    /// What an event means to the RIB.
    pub(super) fn apply(&mut self, event: &KernelEvent) -> Option<Input> {
        match event {
            KernelEvent::Routes { prefix, routes } => {
                // The one that the kernel uses.
                let route = routes.iter().min_by_key(|route| route.metric);
                Some(route.map_or(
                    Input::Withdraw {
                        prefix: *prefix,
                        id: KERNEL.id,
                    },
                    |route| Input::announce(*prefix, learned(*prefix, route)),
                ))
            }
            KernelEvent::Direct { prefix, interfaces } => {
                let names: Vec<Arc<str>> = interfaces
                    .iter()
                    .map(|(_, name)| Arc::clone(name))
                    .collect();
                if names.is_empty() {
                    self.direct.remove(prefix);
                } else {
                    self.direct.insert(*prefix, names);
                }
                self.tell_direct(*prefix)
            }
            KernelEvent::Interface { .. }
            | KernelEvent::Synced
            | KernelEvent::RouteRejected { .. }
            | KernelEvent::RejectionCleared { .. } => None,
        }
    }

    /// Other interfaces are ignored from now on, and another priority is usual.
    pub(super) fn follow(
        &mut self,
        ignored: &[String],
        usual: PerFamily<RoutePriority>,
    ) -> Vec<Input> {
        if self.ignored == ignored && self.usual == usual {
            return Vec::new();
        }
        self.ignored = ignored.to_vec();
        self.usual = usual;
        let prefixes: Vec<IpNet> = self.direct.keys().copied().collect();
        prefixes
            .into_iter()
            .filter_map(|prefix| self.tell_direct(prefix))
            .collect()
    }

    fn tell_direct(&mut self, prefix: IpNet) -> Option<Input> {
        let is_heard = |name: &&Arc<str>| {
            !self
                .ignored
                .iter()
                .any(|pattern| glob_matches(pattern, name))
        };
        let interface = self
            .direct
            .get(&prefix)
            .and_then(|names| names.iter().find(is_heard))
            .cloned();
        match interface {
            Some(interface) => {
                self.told.insert(prefix);
                let local_pref = self.usual[family_of(prefix)].local_pref();
                let route = DIRECT.route(local_pref, None, Some(interface));
                Some(Input::announce(prefix, route))
            }
            None => self.told.remove(&prefix).then_some(Input::Withdraw {
                prefix,
                id: DIRECT.id,
            }),
        }
    }
}

/// Devices of workloads.
const WORKLOAD_DEVICES: &str = "cali*";

/// Whether this way is the route to a workload on this node.
pub(super) fn is_workload(prefix: IpNet, gateway: Option<IpAddr>, interface: &str) -> bool {
    prefix.prefix_len() == prefix.max_prefix_len()
        && gateway.is_none()
        && glob_matches(WORKLOAD_DEVICES, interface)
}

fn learned(prefix: IpNet, route: &ForeignRoute) -> LocalRoute {
    let local_pref = RoutePriority::MAX.saturating_sub(route.metric);
    let hop = match &route.kind {
        ForeignKind::Unicast(hops) => hops.first(),
        ForeignKind::Blackhole | ForeignKind::Unreachable | ForeignKind::Prohibit => None,
    };
    let gateway: Option<IpAddr> = hop.and_then(|hop| hop.gateway);
    let is_workload = |hop: &ForeignHop| is_workload(prefix, hop.gateway, &hop.interface);
    let kind = if hop.is_some_and(is_workload) {
        WORKLOAD
    } else {
        KERNEL
    };
    kind.route(
        local_pref,
        gateway.map(NextHop::from),
        hop.map(|hop| Arc::clone(&hop.interface)),
    )
}

/// A kind of local route: how it is told apart from others of the same prefix, and how it is preferred.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalKind {
    pub(super) id: u32,
    pub(super) preference: u32,
}

impl LocalKind {
    /// A route of this kind.
    pub(super) fn route(
        self,
        local_pref: u32,
        next_hop: Option<NextHop>,
        interface: Option<Arc<str>>,
    ) -> LocalRoute {
        let attributes = Attributes {
            local_pref: Some(local_pref),
            ..Attributes::default()
        };
        LocalRoute {
            id: self.id,
            attributes,
            next_hop,
            interface,
            preference: self.preference,
        }
    }
}

#[cfg(test)]
mod tests {
    use bgp_core::rib::PEER_PREFERENCE;

    use super::*;

    fn announced(input: Option<Input>) -> Option<LocalRoute> {
        match input {
            Some(Input::Announce { route, .. }) => Some(*route),
            _ => None,
        }
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

    fn event(prefix: &str, routes: Vec<ForeignRoute>) -> KernelEvent {
        let prefix = prefix.parse().expect("a prefix");
        KernelEvent::Routes { prefix, routes }
    }

    /// Promises 8.6, 9.6.
    #[test]
    fn a_foreign_route_carries_its_metric_and_yields_to_bgp() {
        let mut learning = Learning::default();
        let routes = vec![through("eth0", 1024), through("eth0", 512)];
        let route = announced(learning.apply(&event("10.1.0.5/32", routes)));
        let route = route.expect("a route");
        assert_eq!(route.attributes.local_pref, Some(2_147_483_647 - 512));
        assert_eq!(route.interface.as_deref(), Some("eth0"));
        assert_eq!((KERNEL.preference, DIRECT.preference), (10, 240));
        assert_eq!(route.preference, KERNEL.preference);
        let gone = learning.apply(&event("10.1.0.5/32", vec![]));
        assert!(matches!(gone, Some(Input::Withdraw { .. })));
    }

    /// Promise 9.7.
    #[test]
    fn the_route_to_a_workload_is_compared_by_priority() {
        let mut learning = Learning::default();
        let mut preference = |prefix: &str, interface| {
            let route = learning.apply(&event(prefix, vec![through(interface, 1024)]));
            announced(route).expect("a route").preference
        };
        assert_eq!(preference("10.1.0.5/32", "cali1"), PEER_PREFERENCE);
        assert_eq!(preference("fd00::5/128", "cali1"), PEER_PREFERENCE);
        assert_eq!(preference("10.1.0.0/24", "cali1"), KERNEL.preference);
        assert_eq!(preference("10.1.0.5/32", "tap1"), KERNEL.preference);
    }

    /// Promise 11.13.
    #[test]
    fn networks_on_ignored_interfaces_are_not_learned() {
        let mut learning = Learning::default();
        learning.follow(&["docker*".to_owned()], PerFamily::default());
        let direct = |interfaces: &[&str]| KernelEvent::Direct {
            prefix: "192.0.2.0/24".parse().expect("a prefix"),
            interfaces: interfaces
                .iter()
                .map(|name| (1, Arc::from(*name)))
                .collect(),
        };
        assert_eq!(announced(learning.apply(&direct(&["docker0"]))), None);
        let heard = announced(learning.apply(&direct(&["docker0", "eth0"])));
        let heard = heard.expect("a route");
        assert_eq!(heard.interface.as_deref(), Some("eth0"));
        assert_eq!(heard.preference, 240);
        let ignored = learning.follow(&["*".to_owned()], PerFamily::default());
        assert!(matches!(ignored[..], [Input::Withdraw { .. }]));
    }

    /// Promises 8.6, 16.2.
    #[test]
    fn connected_networks_have_the_usual_priority_of_their_family() {
        let mut learning = Learning::default();
        let mut priorities = Vec::new();
        let mut note = |input| {
            let route = announced(input).expect("a route");
            priorities.push(RoutePriority::MAX - route.attributes.local_pref.unwrap_or(0));
        };
        for prefix in ["192.0.2.0/24", "2001:db8::/64"] {
            note(learning.apply(&KernelEvent::Direct {
                prefix: prefix.parse().expect("a prefix"),
                interfaces: vec![(1, "eth0".into())],
            }));
        }
        let usual = PerFamily {
            ipv4: RoutePriority(2000),
            ipv6: RoutePriority(3000),
        };
        let told_again = learning.follow(&[], usual);
        told_again.into_iter().map(Some).for_each(note);
        assert_eq!(priorities, [1024, 1024, 2000, 3000]);
        assert!(learning.follow(&[], usual).is_empty());
    }
}
