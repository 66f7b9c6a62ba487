//! Local routes by their numbers, and what single peers are told in their place.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::attributes::AttrId;

/// What peers with these addresses are told in place of the attributes of a local route; `None`: nothing.
pub(crate) type Variants = BTreeMap<IpAddr, Option<AttrId>>;

/// All local routes.
#[derive(Debug, Default)]
pub(crate) struct Locals {
    by_id: BTreeMap<u32, BTreeMap<IpNet, Variants>>,
    /// How many routes have something of their own for an address.
    named: BTreeMap<IpAddr, usize>,
}

/// What a change of a local route means for peers.
#[derive(Debug, Default)]
pub(crate) struct Renamed {
    /// Some peers are told something else.
    pub(crate) variants: bool,
    /// The first route has something for these addresses, or the last one no longer.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Locals {
    /// A route is there.
    pub(crate) fn insert(&mut self, id: u32, prefix: IpNet, new: Variants) -> Renamed {
        let routes = self.by_id.entry(id).or_default();
        let addresses: Vec<IpAddr> = new.keys().copied().collect();
        let old = routes.insert(prefix, new).unwrap_or_default();
        let variants = old != routes[&prefix];
        self.renamed(variants, &addresses, &old)
    }

    /// A route has gone.
    pub(crate) fn remove(&mut self, id: u32, prefix: IpNet) -> Renamed {
        let Some(routes) = self.by_id.get_mut(&id) else {
            return Renamed::default();
        };
        let old = routes.remove(&prefix).unwrap_or_default();
        if routes.is_empty() {
            self.by_id.remove(&id);
        }
        self.renamed(!old.is_empty(), &[], &old)
    }

    fn renamed(&mut self, variants: bool, new: &[IpAddr], old: &Variants) -> Renamed {
        let mut addresses = Vec::new();
        for address in new {
            let count = self.named.entry(*address).or_default();
            *count += 1;
            addresses.extend((*count == 1).then_some(*address));
        }
        for address in old.keys() {
            let Some(count) = self.named.get_mut(address) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                self.named.remove(address);
                addresses.push(*address);
            }
        }
        Renamed {
            variants,
            addresses,
        }
    }

    /// Whether any route has something of its own for an address.
    pub(crate) fn name(&self, address: IpAddr) -> bool {
        self.named.contains_key(&address)
    }

    /// What there is beside the attributes of a route.
    pub(crate) fn variants(&self, id: u32, prefix: IpNet) -> Option<&Variants> {
        self.by_id.get(&id)?.get(&prefix)
    }

    /// The prefixes of the routes with a number.
    pub(crate) fn prefixes(&self, id: u32) -> impl Iterator<Item = IpNet> {
        let routes = self.by_id.get(&id).into_iter();
        routes.flat_map(|routes| routes.keys().copied())
    }
}
