//! `show interfaces`: the kernel's interfaces, in BIRD's terms.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use bgp_core::types::Family;
use ipnet::IpNet;

use crate::control::model::{self, AddressScope, AddressSnapshot, InterfaceSnapshot};
use bgp_speaker::forwarding::{Forwarding, State};
use bgp_speaker::kernel::{Interface, LinkKind};

/// All interfaces, with their addresses of one family.
pub(super) async fn snapshots(
    forwarding: Option<&Forwarding>,
    family: Family,
) -> Vec<InterfaceSnapshot> {
    let all = move |state: &State| {
        let interfaces = state.interfaces();
        interfaces
            .map(|interface| snapshot(interface, family))
            .collect()
    };
    match forwarding {
        Some(forwarding) => forwarding.look(all).await.unwrap_or_default(),
        None => Vec::new(),
    }
}

fn snapshot(interface: &Interface, family: Family) -> InterfaceSnapshot {
    let loopback = interface.kind == LinkKind::Loopback;
    InterfaceSnapshot {
        name: interface.name.clone(),
        index: interface.index,
        up: interface.up && interface.carrier,
        link: match interface.kind {
            LinkKind::PointToPoint => model::LinkKind::PointToPoint,
            LinkKind::Loopback | LinkKind::Broadcast | LinkKind::Other => {
                model::LinkKind::MultiAccess
            }
        },
        broadcast: interface.kind == LinkKind::Broadcast,
        multicast: matches!(interface.kind, LinkKind::Broadcast | LinkKind::PointToPoint),
        admin_up: interface.up,
        link_up: interface.carrier,
        loopback,
        ignored: loopback,
        mtu: interface.mtu,
        addresses: addresses(interface, family),
    }
}

fn addresses(interface: &Interface, family: Family) -> Vec<AddressSnapshot> {
    let mut networks = BTreeSet::new();
    let addresses = interface.addresses.iter();
    let of_family = addresses.filter(|address| Family::of(address.address) == family);
    of_family
        .filter_map(|address| {
            Some(AddressSnapshot {
                address: IpNet::new(address.address, address.prefix.prefix_len()).ok()?,
                primary: networks.insert(address.prefix),
                scope: scope(address.address),
            })
        })
        .collect()
}

/// The scope as BIRD classifies it: site scope is RFC 1918 and RFC 4193.
fn scope(address: IpAddr) -> AddressScope {
    const SITE_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0);
    match address {
        _ if address.is_loopback() => AddressScope::Host,
        IpAddr::V4(address) if address.is_private() => AddressScope::Site,
        IpAddr::V6(address) if address.is_unicast_link_local() => AddressScope::Link,
        IpAddr::V6(address)
            if address.is_unique_local()
                || address.segments()[0] & 0xffc0 == SITE_LOCAL.segments()[0] =>
        {
            AddressScope::Site
        }
        IpAddr::V4(_) | IpAddr::V6(_) => AddressScope::Universe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bgp_speaker::kernel::InterfaceAddress;

    fn interface(kind: LinkKind, addresses: &[&str]) -> Interface {
        let address = |text: &&str| {
            let net: IpNet = text.parse().expect("an address");
            InterfaceAddress {
                address: net.addr(),
                prefix: net.trunc(),
            }
        };
        Interface {
            index: 2,
            name: "eth0".into(),
            up: true,
            carrier: true,
            kind,
            mtu: 1500,
            addresses: addresses.iter().map(address).collect(),
        }
    }

    #[test]
    fn each_family_has_its_addresses() {
        let addresses = [
            "10.0.0.1/24",
            "10.0.0.2/24",
            "192.0.2.1/24",
            "2001:db8::1/64",
            "fd00::1/64",
            "fe80::1/64",
        ];
        let eth0 = interface(LinkKind::Broadcast, &addresses);
        let seen = |family| -> Vec<_> {
            let found = snapshot(&eth0, family).addresses.into_iter();
            found
                .map(|found| (found.address.to_string(), found.primary, found.scope))
                .collect()
        };
        let row = |text: &str, primary, scope| (text.to_owned(), primary, scope);
        let ipv4 = [
            row("10.0.0.1/24", true, AddressScope::Site),
            row("10.0.0.2/24", false, AddressScope::Site),
            row("192.0.2.1/24", true, AddressScope::Universe),
        ];
        assert_eq!(seen(Family::Ipv4Unicast), ipv4);
        let ipv6 = [
            row("2001:db8::1/64", true, AddressScope::Universe),
            row("fd00::1/64", true, AddressScope::Site),
            row("fe80::1/64", true, AddressScope::Link),
        ];
        assert_eq!(seen(Family::Ipv6Unicast), ipv6);
    }

    #[test]
    fn flags_follow_the_kind_of_link() {
        let seen = |kind| {
            let found = snapshot(&interface(kind, &[]), Family::Ipv4Unicast);
            let flags = [found.broadcast, found.multicast, found.loopback];
            (found.link, flags)
        };
        use model::LinkKind::{MultiAccess, PointToPoint};
        for (kind, expected) in [
            (LinkKind::Broadcast, (MultiAccess, [true, true, false])),
            (LinkKind::PointToPoint, (PointToPoint, [false, true, false])),
            (LinkKind::Loopback, (MultiAccess, [false, false, true])),
            (LinkKind::Other, (MultiAccess, [false, false, false])),
        ] {
            assert_eq!(seen(kind), expected, "{kind:?}");
        }
    }
}
