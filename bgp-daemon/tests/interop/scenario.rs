//! Steps shared by several tests: a session comes up, a table gets the expected routes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::lab::host::{Host, KernelRoute};
use crate::lab::peer::{Peer, Route};
use crate::lab::wait::{LONG, SHORT, wait_for, wait_until};

/// AS number of the nodes.
pub(crate) const NODE_AS: u32 = 64512;
/// AS number of a router above them: one that takes four octets.
pub(crate) const TOR_AS: u32 = 4_200_000_001;
/// LOCAL_PREF of a block over iBGP: the greatest signed number less the metric of a normal route.
pub(crate) const BLOCK_LOCAL_PREF: u32 = 2_147_483_647 - 1024;
/// The routing protocol of our routes in the kernel, which iproute2 knows as `bird`.
pub(crate) const KERNEL_PROTOCOL: &str = "12";

/// Whether two speakers share an AS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionType {
    Internal,
    External,
}

impl SessionType {
    pub(crate) fn tor_as(self) -> u32 {
        match self {
            Self::Internal => NODE_AS,
            Self::External => TOR_AS,
        }
    }
}

/// Both addresses of a host.
pub(crate) fn addresses(host: &Host) -> [IpAddr; 2] {
    [host.ipv4.into(), host.ipv6.into()]
}

/// Waits until the sessions with both addresses of `neighbor` are Established.
pub(crate) fn wait_established(name: &str, peer: &dyn Peer, neighbor: &Host) {
    for address in addresses(neighbor) {
        let what = format!("{name}'s session with {address}");
        wait_for(&what, LONG, || peer.established(address));
    }
}

/// Waits until no session with `neighbor` is Established.
pub(crate) fn wait_down(name: &str, peer: &dyn Peer, neighbor: &Host) {
    for address in addresses(neighbor) {
        let what = format!("{name} to lose {address}");
        wait_for(&what, SHORT, || !peer.established(address));
    }
}

/// Waits until `peer` has learned exactly these prefixes, and returns the routes.
pub(crate) fn wait_learned(name: &str, peer: &dyn Peer, prefixes: &[IpNet]) -> BTreeSet<Route> {
    let wanted: BTreeSet<IpNet> = prefixes.iter().copied().collect();
    wait_until(
        &format!("{name} to have learned {prefixes:?}"),
        LONG,
        || {
            let routes = peer.routes()?;
            let learned: BTreeSet<IpNet> = routes.iter().map(|route| route.prefix).collect();
            if learned == wanted {
                Ok(routes)
            } else {
                Err(format!("{learned:?}"))
            }
        },
    )
}

/// Waits until the unicast routes that BGP put into the kernel of `host` lead each prefix to `gateway`'s address of
/// its family (for IPv6 the link-local one does as well, RFC 2545 §3), and there are no others.
pub(crate) fn wait_kernel(host: &Host, prefixes: &[IpNet], gateway: &Host) {
    let link_local = gateway.link_local();
    let route = |prefix: &IpNet| (*prefix, vec![gateway.address_facing(prefix.addr())]);
    let wanted: BTreeMap<IpNet, Vec<IpAddr>> = prefixes.iter().map(route).collect();
    let global = |address: IpAddr| {
        if address == link_local {
            gateway.ipv6.into()
        } else {
            address
        }
    };
    wait_until(
        &format!("{} to have {prefixes:?} in its kernel", host.name),
        LONG,
        || {
            let routes = host.kernel_routes(KERNEL_PROTOCOL).into_iter();
            let routes: BTreeMap<IpNet, Vec<IpAddr>> = routes
                .map(|KernelRoute { prefix, gateways }| {
                    (prefix, gateways.into_iter().map(global).collect())
                })
                .collect();
            if routes == wanted {
                Ok(())
            } else {
                Err(format!("{routes:?}"))
            }
        },
    );
}
