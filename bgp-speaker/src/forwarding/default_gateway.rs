//! The gateways of the default routes of other programs. Pure.

use std::net::IpAddr;
use std::sync::Arc;

use bgp_core::types::PerFamily;

use crate::kernel::{ForeignKind, ForeignRoute};

/// A gateway of the default route that the kernel uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefaultGateway {
    /// Its address.
    pub address: IpAddr,
    /// Index of the interface through which it is reached.
    pub index: u32,
    /// Name of that interface.
    pub interface: Arc<str>,
}

/// The gateways of the route with the best metric of each family; several with ECMP. A default route without a gateway has none.
pub(super) fn of(routes: &PerFamily<Vec<ForeignRoute>>) -> Vec<DefaultGateway> {
    let best = |routes: &Vec<ForeignRoute>| routes.iter().min_by_key(|route| route.metric).cloned();
    let best = [best(&routes.ipv4), best(&routes.ipv6)]
        .into_iter()
        .flatten();
    let hops = best.flat_map(|route| match route.kind {
        ForeignKind::Unicast(hops) => hops,
        ForeignKind::Blackhole | ForeignKind::Unreachable | ForeignKind::Prohibit => Vec::new(),
    });
    let mut gateways: Vec<_> = hops
        .filter_map(|hop| {
            Some(DefaultGateway {
                address: hop.gateway?,
                index: hop.index,
                interface: hop.interface,
            })
        })
        .collect();
    gateways.sort();
    gateways
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ForeignHop;

    fn route(metric: u32, gateways: &[&str]) -> ForeignRoute {
        let hops = gateways.iter().map(|gateway| ForeignHop {
            gateway: gateway.parse().ok(),
            index: 2,
            interface: "eth0".into(),
        });
        ForeignRoute {
            metric,
            protocol: 3,
            kind: ForeignKind::Unicast(hops.collect()),
        }
    }

    #[test]
    fn the_best_metric_of_each_family_counts() {
        let mut routes = PerFamily {
            ipv4: vec![
                route(100, &["10.0.0.2"]),
                route(20, &["10.0.0.3", "10.0.0.1"]),
            ],
            ipv6: vec![route(1024, &["fe80::1"])],
        };
        let addresses = |routes: &_| -> Vec<String> {
            of(routes)
                .iter()
                .map(|gateway| gateway.address.to_string())
                .collect()
        };
        assert_eq!(addresses(&routes), ["10.0.0.1", "10.0.0.3", "fe80::1"]);
        routes.ipv4.remove(1);
        assert_eq!(addresses(&routes), ["10.0.0.2", "fe80::1"]);
        routes.ipv4 = vec![route(0, &["on the link"])];
        routes.ipv6[0].kind = ForeignKind::Unreachable;
        assert_eq!(of(&routes), []);
    }
}
