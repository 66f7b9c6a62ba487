//! Interfaces and their addresses as netlink reports them, and their connected prefixes.
//!
//! Pure: the task passes in parsed link and address messages, and each method returns the [`Key`]s that changed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::interface::{Interface, InterfaceAddress, LinkKind};
use super::outbox::Key;

/// One link message: the interface without its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: Arc<str>,
    pub(crate) up: bool,
    pub(crate) carrier: bool,
    pub(crate) kind: LinkKind,
    pub(crate) mtu: u32,
}

/// All interfaces, by index.
#[derive(Debug, Default)]
pub(crate) struct Links {
    interfaces: BTreeMap<u32, Interface>,
}

impl Links {
    /// An interface is new or changed.
    pub(crate) fn set(&mut self, link: Link) -> Vec<Key> {
        self.change(link.index, |interface| {
            let addresses = interface.take().map(|i| i.addresses).unwrap_or_default();
            let Link {
                index,
                name,
                up,
                carrier,
                kind,
                mtu,
            } = link;
            *interface = Some(Interface {
                index,
                name,
                up,
                carrier,
                kind,
                mtu,
                addresses,
            });
        })
    }

    /// An interface is gone.
    pub(crate) fn remove(&mut self, index: u32) -> Vec<Key> {
        self.change(index, |interface| *interface = None)
    }

    /// An address was added. An address of an unknown interface is ignored: the interface's own message causes a new reading.
    pub(crate) fn add_address(&mut self, index: u32, address: InterfaceAddress) -> Vec<Key> {
        self.change(index, |interface| {
            let Some(interface) = interface else { return };
            if let Err(place) = interface.addresses.binary_search(&address) {
                interface.addresses.insert(place, address);
            }
        })
    }

    /// An address was removed.
    pub(crate) fn remove_address(&mut self, index: u32, address: &InterfaceAddress) -> Vec<Key> {
        self.change(index, |interface| {
            if let Some(interface) = interface {
                interface.addresses.retain(|present| present != address);
            }
        })
    }

    /// Replaces everything with a full reading.
    pub(crate) fn replace_all(
        &mut self,
        links: Vec<Link>,
        addresses: Vec<(u32, InterfaceAddress)>,
    ) -> Vec<Key> {
        let mut fresh = Self::default();
        for link in links {
            fresh.set(link);
        }
        for (index, address) in addresses {
            fresh.add_address(index, address);
        }
        let indexes: BTreeSet<u32> = self
            .interfaces
            .keys()
            .chain(fresh.interfaces.keys())
            .copied()
            .collect();
        let changed = indexes.into_iter().flat_map(|index| {
            let new = fresh.interfaces.remove(&index);
            self.change(index, |interface| *interface = new)
        });
        changed.collect()
    }

    /// One interface.
    pub(crate) fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.get(&index)
    }

    /// Index of the interface of that name.
    pub(crate) fn index_of(&self, name: &str) -> Option<u32> {
        self.interfaces
            .values()
            .find(|i| &*i.name == name)
            .map(|i| i.index)
    }

    /// Interfaces directly connected to `prefix`, by index.
    pub(crate) fn direct(&self, prefix: &IpNet) -> Vec<(u32, Arc<str>)> {
        let connected = self
            .interfaces
            .values()
            .filter(|i| direct_prefixes(i).any(|p| p == *prefix));
        connected.map(|i| (i.index, i.name.clone())).collect()
    }

    /// Edits one interface and returns the keys that differ afterwards.
    fn change(&mut self, index: u32, edit: impl FnOnce(&mut Option<Interface>)) -> Vec<Key> {
        let before = self.interfaces.remove(&index);
        let mut after = before.clone();
        edit(&mut after);
        if before == after {
            self.interfaces.extend(after.map(|i| (index, i)));
            return Vec::new();
        }
        let both = before.iter().chain(after.iter()).flat_map(direct_prefixes);
        let prefixes: BTreeSet<IpNet> = both.collect();
        self.interfaces.extend(after.map(|i| (index, i)));
        std::iter::once(Key::Interface(index))
            .chain(prefixes.into_iter().map(Key::Direct))
            .collect()
    }
}

/// Connected prefixes of an interface that is up, without loopback and link-local prefixes.
fn direct_prefixes(interface: &Interface) -> impl Iterator<Item = IpNet> {
    let prefixes = interface.addresses.iter().map(|a| a.prefix);
    prefixes.filter(|p| interface.up && is_routable(p))
}

/// Whether a destination has more than link scope; other destinations do not matter beyond this node.
pub(crate) fn is_routable(prefix: &IpNet) -> bool {
    if prefix.prefix_len() == 0 {
        return true;
    }
    match prefix.network() {
        IpAddr::V4(a) => {
            !(a.is_loopback() || a.is_link_local() || a.is_multicast() || a.octets()[0] == 0)
        }
        IpAddr::V6(a) => {
            !(a.is_loopback()
                || a.is_unicast_link_local()
                || a.is_multicast()
                || a.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, up: bool) -> Link {
        Link {
            index,
            name: name.into(),
            up,
            carrier: up,
            kind: LinkKind::Broadcast,
            mtu: 1500,
        }
    }

    fn address(text: &str) -> InterfaceAddress {
        let net: IpNet = text.parse().unwrap();
        InterfaceAddress {
            address: net.addr(),
            prefix: net.trunc(),
        }
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    /// Promise 11.13.
    #[test]
    fn connected_prefixes_follow_address_and_state() {
        let mut links = Links::default();
        assert_eq!(links.set(link(2, "eth0", true)), [Key::Interface(2)]);
        let keys = links.add_address(2, address("192.0.2.1/24"));
        assert_eq!(keys, [Key::Interface(2), Key::Direct(net("192.0.2.0/24"))]);
        assert_eq!(links.direct(&net("192.0.2.0/24")), [(2, "eth0".into())]);
        assert!(
            links.add_address(2, address("192.0.2.1/24")).is_empty(),
            "nothing new"
        );

        let keys = links.set(link(2, "eth0", false));
        assert_eq!(keys, [Key::Interface(2), Key::Direct(net("192.0.2.0/24"))]);
        assert!(links.direct(&net("192.0.2.0/24")).is_empty());
        assert_eq!(
            links.interface(2).unwrap().addresses,
            [address("192.0.2.1/24")]
        );
    }

    #[test]
    fn loopback_and_link_local_are_no_direct_routes() {
        let mut links = Links::default();
        links.set(link(1, "lo", true));
        for text in ["127.0.0.1/8", "::1/128", "fe80::1/64", "169.254.1.1/16"] {
            assert_eq!(
                links.add_address(1, address(text)),
                [Key::Interface(1)],
                "{text}"
            );
        }
        assert_eq!(links.add_address(1, address("10.0.0.7/32")).len(), 2);
    }

    #[test]
    fn a_full_reading_reports_only_differences() {
        let mut links = Links::default();
        links.set(link(1, "lo", true));
        links.set(link(2, "eth0", true));
        links.add_address(2, address("192.0.2.1/24"));
        let keys = links.replace_all(
            vec![link(1, "lo", true), link(3, "eth1", true)],
            vec![(3, address("198.51.100.1/24"))],
        );
        let expected = [
            Key::Interface(2),
            Key::Direct(net("192.0.2.0/24")),
            Key::Interface(3),
            Key::Direct(net("198.51.100.0/24")),
        ];
        assert_eq!(keys, expected);
        assert_eq!(links.index_of("eth1"), Some(3));
        assert_eq!(links.index_of("eth0"), None);
    }
}
